import type { PeerId } from '#framework/primitives'
import type { ProducerProgress } from './producer-progress.js'

/** Whoever has been away longer than so many others is met as a stranger: what was missed of it will not be known. */
const producersMax = 1024

/**
 * How far a consumer is with each producer that it has or had a subscription to. Outlives the subscriptions, so that nothing is
 * lost unnoticed when a producer leaves the catalog, or is left for a better one, and comes back.
 */
export class ResumePoints {
  /** Those that were set last are last. */
  readonly #points = new Map<PeerId, ProducerProgress>()

  get(producer: PeerId): ProducerProgress | undefined {
    return this.#points.get(producer)
  }

  set(progress: ProducerProgress): void {
    const { producer } = progress
    this.#points.delete(producer)
    this.#points.set(producer, progress)
    if (this.#points.size <= producersMax) return
    const [oldest] = this.#points.keys()
    if (oldest !== undefined) this.#points.delete(oldest)
  }
}
