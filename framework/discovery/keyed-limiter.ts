import { TokenBucket, type PeerId, type TokenBucketOptions } from '#framework/primitives'

/**
 * A rate limit for each of many peers. Remembers a bounded number of them, the latest; a peer that was forgotten starts
 * over with a full allowance.
 */
export class KeyedLimiter {
  readonly #options: TokenBucketOptions
  readonly #peersMax: number
  readonly #buckets = new Map<PeerId, TokenBucket>()

  constructor(options: TokenBucketOptions, peersMax: number) {
    this.#options = options
    this.#peersMax = peersMax
  }

  /** Whether the peer may do it once more now. */
  tryTake(peer: PeerId, nowMs: number): boolean {
    const bucket = this.#buckets.get(peer) ?? new TokenBucket(this.#options, nowMs)
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > this.#peersMax) {
      const [longestUnused] = this.#buckets.keys()
      if (longestUnused !== undefined) this.#buckets.delete(longestUnused)
    }
    return bucket.tryTake(nowMs)
  }
}
