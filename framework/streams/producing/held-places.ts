import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '#framework/primitives'
import type { ConsumerQueue } from './consumer-queue.js'
import type { DropCause } from '../metrics.js'

export interface HeldPlacesOptions {
  /** How long a place is kept, in milliseconds. */
  readonly holdMs: number
  /** How many are kept; of more, the oldest is given up. */
  readonly countMax: number
  readonly clock: Clock
  /** Datums of a place were given up, while it was kept or because it is not kept any longer. */
  readonly onDropped: (cause: DropCause, count: number) => void
  /** A place was given up. */
  readonly onGivenUp: (queue: ConsumerQueue) => void
}

interface HeldPlace {
  readonly queue: ConsumerQueue
  /** What the consumer had asked for: for another selection the queue is of no use. */
  readonly criteria: unknown
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

  get queues(): readonly ConsumerQueue[] {
    return [...this.#places.values()].map(({ queue }) => queue)
  }

  /** What waits for a consumer that asks for the same selection as before. */
  get(key: string, criteria: unknown): ConsumerQueue | undefined {
    const place = this.#places.get(key)
    return place !== undefined && isDeepStrictEqual(place.criteria, criteria) ? place.queue : undefined
  }

  /** Keeps what waits for a consumer. */
  hold(key: string, queue: ConsumerQueue, criteria: unknown): void {
    const { clock, holdMs, countMax } = this.#options
    const timer = clock.after(holdMs, () => this.#giveUp(key))
    this.#places.set(key, { queue, criteria, timer, droppedBefore: queue.droppedCount })
    const [oldest] = this.#places.keys()
    if (this.#places.size > countMax && oldest !== undefined) this.#giveUp(oldest)
  }

  /** The consumer is back: what waited for it is no longer kept here. Given up when it asks for another selection. */
  take(key: string, criteria: unknown): ConsumerQueue | undefined {
    if (this.get(key, criteria) === undefined) {
      this.#giveUp(key)
      return undefined
    }
    const place = this.#remove(key)!
    this.#options.onDropped('lagging', place.queue.droppedCount - place.droppedBefore)
    return place.queue
  }

  /** Does nothing when it is not kept here. */
  giveUp(queue: ConsumerQueue): void {
    for (const [key, place] of this.#places) if (place.queue === queue) this.#giveUp(key)
  }

  giveUpAll(): void {
    for (const key of this.#places.keys()) this.#giveUp(key)
  }

  #giveUp(key: string): void {
    const place = this.#remove(key)
    if (place === undefined) return
    const { queue, droppedBefore } = place
    queue.abandon()
    this.#options.onDropped('disconnected', queue.droppedCount - droppedBefore)
    this.#options.onGivenUp(queue)
  }

  #remove(key: string): HeldPlace | undefined {
    const place = this.#places.get(key)
    this.#places.delete(key)
    place?.timer.cancel()
    return place
  }
}
