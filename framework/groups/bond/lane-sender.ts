import type { Link } from '#framework/network'
import { Ring } from '#framework/primitives'
import { ByteBudget } from './byte-budget.js'

/** What came of a message: it is on its way; too much waits already; or the bond is over. */
export type SendResult = 'sent' | 'busy' | 'closed'

export interface LaneSenderOptions {
  /** The lane's link; or what opens it, when there is something to send for the first time. */
  readonly link: Link | (() => Promise<Link>)
  readonly bytesMax: number
  /** The lane could not be opened, or has broken. Told once; nothing is sent any more. */
  readonly onFailed: (cause: unknown) => void
}

/**
 * The sending end of a lane: a queue that is bounded in bytes, in front of a link that is opened when it is needed. Most
 * bonds never use most of their lanes.
 */
export class LaneSender {
  readonly #options: LaneSenderOptions
  readonly #budget: ByteBudget
  readonly #queue: Ring<Uint8Array>
  readonly #waiters = new Set<() => void>()
  #link: Link | undefined
  #isDraining = false
  #isClosed = false

  constructor(options: LaneSenderOptions) {
    this.#options = options
    this.#budget = new ByteBudget(options.bytesMax)
    this.#queue = new Ring(this.#budget.messagesMax)
    if (typeof options.link !== 'function') this.#link = options.link
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#budget.used === 0
  }

  /** The link, once there is one. */
  get link(): Link | undefined {
    return this.#link
  }

  /** Sends a complete frame, which must not be changed any more. Costs no promise while the network takes everything. */
  send(frame: Uint8Array): SendResult {
    if (this.#isClosed) return 'closed'
    const { byteLength } = frame
    if (!this.#budget.tryTake(byteLength)) return 'busy'
    if (this.#isDraining || this.#link === undefined) {
      this.#queue.pushBack(frame)
      if (!this.#isDraining) void this.#drain(undefined)
      return 'sent'
    }
    const room = this.#link.sendFrame(frame)
    if (room === undefined) this.#budget.giveBack(byteLength)
    else void this.#drain({ room, byteLength })
    return 'sent'
  }

  /**
   * Resolves when a message of that length would be taken and at most half of what may wait does: whoever waited sends
   * several, and does not wait for each.
   *
   * @throws The signal's reason.
   */
  async room(byteLength: number, signal?: AbortSignal): Promise<void> {
    while (!this.#isClosed && !this.#budget.isWorthwhile(byteLength)) await this.#change(signal)
  }

  /**
   * Resolves when nothing waits any more.
   *
   * @throws The signal's reason.
   */
  async idle(signal: AbortSignal): Promise<void> {
    while (!this.#isClosed && !this.isIdle) await this.#change(signal)
  }

  /** Sends no more, and drops what waits. The link is the caller's to close. */
  close(): void {
    this.#isClosed = true
    this.#queue.clear()
    this.#wake()
  }

  /** Hands what waits to the link, one frame at a time. There is never more than one of these. */
  async #drain(
    inFlight: { readonly room: Promise<void>; readonly byteLength: number } | undefined,
  ): Promise<void> {
    this.#isDraining = true
    try {
      if (inFlight !== undefined) {
        await inFlight.room
        this.#budget.giveBack(inFlight.byteLength)
        this.#wake()
      }
      const link = (this.#link ??= await this.#open())
      for (let frame = this.#queue.popFront(); frame !== undefined; frame = this.#queue.popFront()) {
        const room = link.sendFrame(frame)
        if (room !== undefined) await room
        this.#budget.giveBack(frame.byteLength)
        this.#wake()
      }
    } catch (error) {
      if (this.#isClosed) return
      this.close()
      this.#options.onFailed(error)
    } finally {
      this.#isDraining = false
    }
  }

  async #open(): Promise<Link> {
    const { link } = this.#options
    return typeof link === 'function' ? await link() : link
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onChange = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        this.#waiters.delete(onChange)
        reject(signal?.reason)
      }
      this.#waiters.add(onChange)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #wake(): void {
    if (this.#waiters.size === 0) return
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}
