import { CloseReasons, type CloseReason } from '#framework/network'
import type { Random } from '#framework/primitives'
import type { BackoffPolicy } from '../consumer.js'

/**
 * What the end of a subscription means for the next attempt:
 *
 * - `retry`: it may work again soon;
 * - `refused`: it will not work until something changes on one of the two sides;
 * - `ended`: the producer has retired the stream, and will announce it when it is back.
 */
export type Verdict = 'retry' | 'refused' | 'ended'

const verdicts: ReadonlyMap<number, Verdict> = new Map([
  [CloseReasons.GracefulShutdown.code, 'ended'],
  [CloseReasons.StreamNotFound.code, 'ended'],
  [CloseReasons.NotAllowed.code, 'refused'],
  [CloseReasons.SchemaMismatch.code, 'refused'],
  [CloseReasons.DifferentNetwork.code, 'refused'],
  [CloseReasons.ProtocolViolation.code, 'refused'],
])

/** Everything else is worth another attempt: lost connections, deadlines, NoCapacity, TooSlow, codes of later versions. */
export function verdictOf(reason: CloseReason): Verdict {
  return verdicts.get(reason.code) ?? 'retry'
}

/** A subscription that held this long, or brought a datum, was a success: the back-off starts over. */
const stableAfterMs = 5_000
const refusedMaxMs = 60_000

/**
 * When a consumer tries one producer again. Pure: it is told what happened and says how long to wait.
 *
 * Refused and retired producers are tried again now and then too, in case the change that matters was one that nobody
 * announces.
 */
export class RetryPolicy {
  readonly #backoff: BackoffPolicy
  readonly #refusedMaxMs: number
  readonly #random: Random
  #verdict: Verdict = 'retry'
  #isExhausted = false

  /** @param options.refusedMaxMs How long to leave a producer alone that refused or retired, at most. Default 60 000. */
  constructor(
    backoff: BackoffPolicy,
    random: Random,
    options: { readonly refusedMaxMs?: number | undefined } = {},
  ) {
    this.#backoff = backoff
    this.#refusedMaxMs = options.refusedMaxMs ?? refusedMaxMs
    this.#random = random
  }

  /** Why there is a wait: of the end that was told last. */
  get verdict(): Verdict {
    return this.#verdict
  }

  /**
   * A link ended or could not be opened.
   *
   * @param subscription How long it was connected (0 when never), and how many datums it brought.
   * @returns How long to wait, in milliseconds; undefined when the back-off has given up: then until something changes.
   */
  onEnded(
    reason: CloseReason,
    subscription: { readonly connectedMs: number; readonly datums: number },
  ): number | undefined {
    this.#verdict = verdictOf(reason)
    if (subscription.datums > 0 || subscription.connectedMs >= stableAfterMs) this.#backoff.reset()
    this.#isExhausted = false
    if (this.#verdict === 'retry') {
      const delayMs = this.#backoff.next()
      this.#isExhausted = delayMs === undefined
      return delayMs
    }
    // Spread over the second half of the delay, so that the consumers a producer has turned away do not come all at once.
    return this.#refusedMaxMs * (1 - this.#random.float() / 2)
  }

  /** The producer's entry says something new, which is worth an attempt at once, whatever the wait is for. */
  onProducerChanged(): void {
    this.#backoff.reset()
  }

  /** Whether news about this node itself are worth an attempt at once. */
  get isWorthRetryingAfterOwnChange(): boolean {
    return this.#verdict === 'refused' || this.#isExhausted
  }
}
