import { MosaikError } from '#framework/primitives'
import type { ByteStream } from './byte-stream.js'

/** More sends wait for room than a link lets wait. The frame was not sent; the link stays open. Code `LINK_BUSY`. */
export class LinkBusyError extends MosaikError {
  constructor(waitingMax: number) {
    super('LINK_BUSY', `${waitingMax} sends already wait for room on this link`, { details: { waitingMax } })
  }
}

/** A send that somebody waits for: not handed over yet, or handed over and waiting for room. */
interface PendingSend {
  readonly frame: Uint8Array
  readonly done: () => void
  readonly failed: (cause: unknown) => void
}

/** What hears of what becomes of frames. */
export interface OutboxOwner {
  /** A frame was handed to the transport. */
  onHandedOver(frame: Uint8Array): void
  /** The transport refused a write; told once, nothing is written any more. */
  onWriteFailed(): void
}

export interface OutboxOptions {
  readonly stream: ByteStream
  readonly owner: OutboxOwner
  /** How many sends may wait behind the one in the transport. */
  readonly waitingMax: number
}

/**
 * The frames on their way out of a link: strictly first in, first out, and never more than one in the hands of the
 * transport before it reported room again. As long as there is room, a frame costs no promise.
 */
export class LinkOutbox {
  readonly #options: OutboxOptions
  /** Undefined while none has ever waited: a node may have thousands of links. */
  #waiting: Set<PendingSend> | undefined
  /** The send whose frame the transport has taken without having room for more. It stays when the transport fails. */
  #inFlight: PendingSend | undefined

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /**
   * Sends a frame, at once or when its turn comes.
   *
   * @param signal Withdraws the frame while it waits for its turn (rejects with the signal's reason). After it was
   *   handed to the transport it can no longer be taken back, and the signal only ends the wait for room (resolves).
   * @returns `undefined` when the frame was taken and there is room for more, else a promise of that. It rejects with
   *   {@link LinkBusyError} when too many wait already, and with what {@link rejectAll} is given.
   */
  post(frame: Uint8Array, signal?: AbortSignal): undefined | Promise<void> {
    if (this.#isBusy) {
      const { waitingMax } = this.#options
      const waiting = (this.#waiting ??= new Set())
      if (waiting.size >= waitingMax) return Promise.reject(new LinkBusyError(waitingMax))
      const { pending, promise } = this.#pendingSend(frame, signal)
      waiting.add(pending)
      return promise
    }
    const room = this.#write(frame)
    if (room === undefined) return undefined
    const { pending, promise } = this.#pendingSend(frame, signal)
    this.#await(room, pending)
    return promise
  }

  /** Sends a last frame behind all others, however many wait. `onOut` is told when the transport has room again. */
  postLast(frame: Uint8Array, onOut: () => void): void {
    const pending = { frame, done: onOut, failed: () => {} }
    this.#waiting ??= new Set()
    this.#waiting.add(pending)
    if (!this.#isBusy) this.#drain()
  }

  /** Sends a frame if that needs no waiting; says nothing about whether it worked. */
  tryPost(frame: Uint8Array): void {
    // The room it leaves is of no interest: whoever tries is about to abort the stream.
    if (!this.#isBusy) this.#write(frame)?.catch(() => {})
  }

  /** Rejects everybody who waits, for their turn or for room, and forgets their frames. */
  rejectAll(cause: () => unknown): void {
    const pending = [...(this.#waiting ?? [])]
    this.#waiting?.clear()
    this.#inFlight?.failed(cause())
    for (const send of pending) send.failed(cause())
  }

  get #isBusy(): boolean {
    return this.#inFlight !== undefined
  }

  #pendingSend(
    frame: Uint8Array,
    signal: AbortSignal | undefined,
  ): { pending: PendingSend; promise: Promise<void> } {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal === undefined) return { pending: { frame, done: resolve, failed: reject }, promise }
    const onAbort = (): void => {
      if (this.#waiting?.delete(pending) === true) reject(signal.reason)
      else resolve()
    }
    const pending = {
      frame,
      done: (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      },
      failed: (cause: unknown): void => {
        signal.removeEventListener('abort', onAbort)
        reject(cause)
      },
    }
    signal.addEventListener('abort', onAbort, { once: true })
    return { pending, promise }
  }

  #write(frame: Uint8Array): undefined | Promise<void> {
    const { stream, owner } = this.#options
    try {
      const room = stream.write(frame)
      owner.onHandedOver(frame)
      return room
    } catch (error) {
      // A throw and a rejection mean the same; one way of handling them is enough.
      return Promise.reject(error)
    }
  }

  #await(room: Promise<void>, pending: PendingSend): void {
    this.#inFlight = pending
    room.then(
      () => {
        this.#inFlight = undefined
        pending.done()
        this.#drain()
      },
      () => this.#options.owner.onWriteFailed(),
    )
  }

  /** Hands over what waits, for as long as there is room. */
  #drain(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    for (const pending of waiting) {
      waiting.delete(pending)
      const room = this.#write(pending.frame)
      if (room !== undefined) {
        this.#await(room, pending)
        return
      }
      pending.done()
    }
  }
}
