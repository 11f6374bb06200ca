import { Mailbox, type PeerId } from '#framework/primitives'
import type { DepartureCause } from './catalog.js'
import type { PeerEntry } from './entry.js'

/** By which way a record reached this node. */
export type Via = 'gossip' | 'sync' | 'feed' | 'local'

/** Something that happened to the catalog, or to this node's place in it. */
export type DiscoveryEvent =
  | { readonly type: 'discovered' | 'updated'; readonly entry: PeerEntry; readonly via: Via }
  | {
      readonly type: 'departed'
      readonly peer: PeerId
      /** What the peer had said of itself last. */
      readonly entry?: PeerEntry
      readonly cause: DepartureCause
    }
  /** Another process uses this node's identity. Both are told; neither can be relied on until one of them stops. */
  | { readonly type: 'duplicate-identity'; readonly peer: PeerId }
  /** A peer's clock is so far ahead of ours that its records are refused. Told once, until one is accepted. */
  | { readonly type: 'clock-skewed'; readonly peer: PeerId; readonly aheadMs: number }
  /** This subscriber was too slow and has missed that many events: it should read the catalog again. */
  | { readonly type: 'lagged'; readonly missed: number }

/**
 * Hands events to any number of subscribers, each at its own pace and with a bounded backlog: a slow one loses the oldest
 * and is told how many.
 */
export class EventHub {
  readonly #backlog: number
  readonly #onMissed: () => void
  readonly #subscribers = new Set<Mailbox<DiscoveryEvent>>()
  #ended: { cause: unknown } | undefined

  constructor(options: { backlog: number; onMissed: () => void }) {
    this.#backlog = options.backlog
    this.#onMissed = options.onMissed
  }

  emit(event: DiscoveryEvent): void {
    for (const mailbox of this.#subscribers) {
      const before = mailbox.droppedCount
      mailbox.post(event)
      if (mailbox.droppedCount > before) this.#onMissed()
    }
  }

  /**
   * The events from this call on, whenever the iteration starts. Leaving the loop unsubscribes. Over when discovery is
   * closed, after the events that were waiting; throws the cause when discovery failed.
   *
   * @throws The signal's reason, when it aborts.
   */
  subscribe(options: { signal?: AbortSignal } = {}): AsyncIterable<DiscoveryEvent> {
    const mailbox = new Mailbox<DiscoveryEvent>({ capacity: this.#backlog, overflow: 'drop-oldest' })
    if (this.#ended) mailbox.end(this.#ended.cause)
    else this.#subscribers.add(mailbox)
    return this.#read(mailbox, options)
  }

  end(cause?: unknown): void {
    if (this.#ended) return
    this.#ended = { cause }
    for (const mailbox of this.#subscribers) mailbox.end(cause)
    this.#subscribers.clear()
  }

  async *#read(
    mailbox: Mailbox<DiscoveryEvent>,
    options: { signal?: AbortSignal },
  ): AsyncGenerator<DiscoveryEvent, undefined> {
    let missed = 0
    try {
      for (;;) {
        const event = await mailbox.take(options)
        if (event === undefined) return
        if (mailbox.droppedCount > missed) {
          yield { type: 'lagged', missed: mailbox.droppedCount - missed }
          missed = mailbox.droppedCount
        }
        yield event
      }
    } finally {
      this.#subscribers.delete(mailbox)
    }
  }
}
