import type { PeerId } from '#framework/primitives'
import type { ProducerProgress } from './producer-progress.js'

/** Whoever was met before so many others and is away is met as a stranger: what was missed of it will not be known. */
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
    if (this.#points.size > producersMax) this.#forgetOne()
  }

  #forgetOne(): void {
    for (const [producer, { isFollowed }] of this.#points) {
      if (isFollowed) continue
      this.#points.delete(producer)
      return
    }
  }
}
