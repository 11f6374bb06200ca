import { TimeoutError, type Clock, type NetworkId, type Timer } from '#framework/primitives'
import { CloseReasons, closeReason, type CloseReason } from './close-reason.js'
import { FrameError, FrameKind, type RawFrame } from './frame.js'
import { openingFrame, readOpening } from './link-messages.js'

/** What has to happen next: the other side accepts, the other side opens, or we answer. */
type Step = 'their-accept' | 'their-open' | 'our-answer'

const lateness: Readonly<Record<Step, string>> = {
  'their-accept': 'the other side did not answer',
  'their-open': 'the other side did not open the link',
  'our-answer': 'the link was neither accepted nor refused',
}

export interface OpeningOptions {
  readonly step: 'their-accept' | 'their-open'
  readonly network: NetworkId
  readonly clock: Clock
  /** For each step. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** A step took too long, the signal was aborted, or our part cannot be said: close the link with this reason. */
  readonly onGivenUp: (reason: CloseReason) => void
}

/**
 * The opening of a link while it lasts: whose word is due, until when, and who is waiting for it.
 *
 * The opener says OPEN and waits for ACCEPT; the acceptor waits for OPEN, then decides and answers. Nothing else may
 * be said by either before that.
 */
export class LinkOpening {
  readonly #options: OpeningOptions
  readonly #heard = Promise.withResolvers<void>()
  #step: Step
  #timer: Timer
  #failure: { readonly cause: unknown } | undefined
  readonly #onAbort: () => void

  constructor(options: OpeningOptions) {
    const { signal, step } = options
    this.#options = options
    this.#step = step
    this.#timer = this.#startTimer()
    this.#onAbort = () => this.giveUp(signal?.reason, CloseReasons.Cancelled)
  }

  /** Resolves when the other side has said its part; rejects with what the opening failed of. */
  get heard(): Promise<void> {
    return this.#heard.promise
  }

  /** Gives up when the signal is, or from now on becomes, aborted. */
  heedSignal(): void {
    const { signal } = this.#options
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Our own part; throws when the payload cannot travel, and the opening goes on. */
  frame(payload: unknown): Uint8Array {
    const kind = this.#options.step === 'their-accept' ? FrameKind.open : FrameKind.accept
    return openingFrame(kind, this.#options.network, payload)
  }

  /**
   * The other side's part.
   *
   * @returns Its payload.
   * @throws {FrameError} When it is not what is due, or not of our version and network.
   */
  read({ kind, body }: RawFrame): unknown {
    const due =
      (this.#step === 'their-accept' && kind === FrameKind.accept) ||
      (this.#step === 'their-open' && kind === FrameKind.open)
    if (!due) {
      throw new FrameError(closeReason(CloseReasons.ProtocolViolation, `frame of kind ${kind} out of order`))
    }
    return readOpening(body, this.#options.network)
  }

  /** OPEN has come: from here on the owner of the link decides, with a new deadline. */
  awaitAnswer(): void {
    this.#stopWaiting()
    this.#step = 'our-answer'
    this.#timer = this.#startTimer()
    this.#heard.resolve()
  }

  /** Both sides have said their part. */
  succeed(): void {
    this.#stopWaiting()
    this.#heard.resolve()
  }

  /** Has the link closed with the reason, and whoever waits for the opening told the cause. */
  giveUp(cause: unknown, reason: CloseReason): void {
    this.#failure = { cause }
    this.#options.onGivenUp(reason)
  }

  /** The link has ended. Where we gave up ourselves, the cause of that says more than the ending it led to. */
  fail(cause: unknown): void {
    this.#stopWaiting()
    this.#heard.reject(this.#failure === undefined ? cause : this.#failure.cause)
  }

  #startTimer(): Timer {
    const { clock, timeoutMs } = this.#options
    return clock.after(timeoutMs, () => {
      const message = `${lateness[this.#step]} within ${timeoutMs} ms`
      this.giveUp(new TimeoutError(message), closeReason(CloseReasons.Timeout, message))
    })
  }

  #stopWaiting(): void {
    this.#timer.cancel()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
  }
}
