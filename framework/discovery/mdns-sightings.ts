import { TokenBucket, type PeerId } from '#framework/primitives'
import type { Sighting } from './mdns-records.js'

/** How many sightings are remembered. */
const SIGHTINGS_MAX = 128

/** How many new sightings are taken in: all of a network that starts, but not what somebody makes up without end. */
const NEW_SIGHTINGS = { capacity: SIGHTINGS_MAX, perSecond: 1 }

/** `limited`: not remembered, so that it is looked at again when it is repeated. */
export type SightingResult = 'new' | 'known' | 'gone' | 'limited'

interface Remembered {
  readonly addresses: string
  readonly expiresAtMs: number
}

/** What was seen and is still good, so that each sighting is reported once. Pure; times are on the monotonic clock. */
export class MdnsSightings {
  readonly #remembered = new Map<string, Remembered>()
  readonly #bucket: TokenBucket

  constructor(nowMs: number) {
    this.#bucket = new TokenBucket(NEW_SIGHTINGS, nowMs)
  }

  /** How many are remembered. */
  get size(): number {
    return this.#remembered.size
  }

  /** @param link Where it was seen: one host can be seen on several links, with other addresses on each. */
  see(link: string, { peer, addresses, ttlSeconds }: Sighting, nowMs: number): SightingResult {
    this.#expire(nowMs)
    const key = keyOf(link, peer)
    const known = this.#remembered.get(key)
    if (ttlSeconds === 0) {
      this.#remembered.delete(key)
      return 'gone'
    }
    const seen = { addresses: addresses.toSorted().join(' '), expiresAtMs: nowMs + 1_000 * ttlSeconds }
    if (known?.addresses !== seen.addresses) {
      const hasRoom = known !== undefined || this.#remembered.size < SIGHTINGS_MAX
      if (!hasRoom || !this.#bucket.tryTake(nowMs)) return 'limited'
      this.#remembered.set(key, seen)
      return 'new'
    }
    this.#remembered.set(key, seen)
    return 'known'
  }

  #expire(nowMs: number): void {
    for (const [key, { expiresAtMs }] of this.#remembered) {
      if (expiresAtMs <= nowMs) this.#remembered.delete(key)
    }
  }
}

function keyOf(link: string, peer: PeerId): string {
  return `${peer} ${link}`
}
