import type { PeerId } from '#framework/primitives'

/** Where a subscription to a producer ended: everything of that epoch below `sequence` arrived, or is known to be lost. */
export interface ResumePoint {
  readonly epoch: string
  readonly sequence: number
}

/** Whoever has been away longer than so many others is met as a stranger: what was missed of it will not be known. */
const producersMax = 1024

/**
 * Where a consumer was with each producer that it had a subscription to. Outlives the subscriptions, so that nothing is
 * lost unnoticed when a producer leaves the catalog, or is left for a better one, and comes back.
 */
export class ResumePoints {
  /** Those that were set last are last. */
  readonly #points = new Map<PeerId, ResumePoint>()

  get(producer: PeerId): ResumePoint | undefined {
    return this.#points.get(producer)
  }

  set(producer: PeerId, point: ResumePoint): void {
    this.#points.delete(producer)
    this.#points.set(producer, point)
    if (this.#points.size <= producersMax) return
    const [oldest] = this.#points.keys()
    if (oldest !== undefined) this.#points.delete(oldest)
  }
}
