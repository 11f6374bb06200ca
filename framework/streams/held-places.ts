import type { Clock, Timer } from '#framework/primitives'
import type { LogQueue } from './log-queue.js'
import type { DropCause } from './metrics.js'

export interface HeldPlacesOptions {
  /** How long a place is kept, in milliseconds. */
  readonly holdMs: number
  /** How many are kept; of more, the oldest is given up. */
  readonly countMax: number
  readonly clock: Clock
  /** Datums of a place were given up, while it was kept or because it is not kept any longer. */
  readonly onDropped: (cause: DropCause, count: number) => void
  /** A place was given up. */
  readonly onGivenUp: (queue: LogQueue) => void
}

interface HeldPlace {
  readonly queue: LogQueue
  readonly timer: Timer
  /** What the queue had dropped before. */
  readonly droppedBefore: number
}

/** What waits for consumers of a producer with acknowledgement that were lost, until they come back or their time is over. */
export class HeldPlaces {
  readonly #options: HeldPlacesOptions
  /** By consumer, the one first that was lost first. */
  readonly #places = new Map<string, HeldPlace>()

  constructor(options: HeldPlacesOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#places.size
  }

  get(key: string): LogQueue | undefined {
    return this.#places.get(key)?.queue
  }

  *queues(): IterableIterator<LogQueue> {
    for (const { queue } of this.#places.values()) yield queue
  }

  /** Keeps what waits for a consumer. */
  hold(key: string, queue: LogQueue): void {
    const { clock, holdMs, countMax } = this.#options
    const timer = clock.after(holdMs, () => this.giveUp(key))
    this.#places.set(key, { queue, timer, droppedBefore: queue.droppedCount })
    const [oldest] = this.#places.keys()
    if (this.#places.size > countMax && oldest !== undefined) this.giveUp(oldest)
  }

  /** The consumer is back: what waited for it is no longer kept here. */
  take(key: string): LogQueue | undefined {
    const place = this.#remove(key)
    if (place === undefined) return undefined
    this.#options.onDropped('lagging', place.queue.droppedCount - place.droppedBefore)
    return place.queue
  }

  giveUp(key: string): void {
    const place = this.#remove(key)
    if (place === undefined) return
    const { queue, droppedBefore } = place
    queue.abandon()
    this.#options.onDropped('disconnected', queue.droppedCount - droppedBefore)
    this.#options.onGivenUp(queue)
  }

  /** Gives up the places that have no room for a datum of this size. */
  giveUpFull(byteLength: number): void {
    for (const [key, { queue }] of this.#places) if (!queue.hasRoomFor(byteLength)) this.giveUp(key)
  }

  giveUpAll(): void {
    for (const key of this.#places.keys()) this.giveUp(key)
  }

  #remove(key: string): HeldPlace | undefined {
    const place = this.#places.get(key)
    this.#places.delete(key)
    place?.timer.cancel()
    return place
  }
}
