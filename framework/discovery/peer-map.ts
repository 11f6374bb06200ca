import type { PeerId } from '#framework/primitives'

/** Sorted by key. Arrays this short beat trees. */
type Shard<V> = readonly (readonly [PeerId, V])[]

const SHARD_COUNT = 256
const noEntries: Shard<never> = []

/**
 * A persistent map from peers: a change returns a new map that shares everything else with the old one, so that a
 * snapshot of a catalog costs nothing. Iterates in the order of the peer ids' bytes, the same on every node.
 *
 * Entries lie in 256 sorted shards, by the first byte of the peer id. Peer ids are public keys, so the shards fill
 * evenly: a change of one peer among ten thousand copies 256 pointers and one shard of about forty entries.
 */
export class PeerMap<V> implements ReadonlyMap<PeerId, V> {
  readonly size: number
  /** What all values weigh together. */
  readonly weight: number
  readonly #shards: readonly Shard<V>[]
  readonly #weigh: (value: V) => number

  private constructor(
    shards: readonly Shard<V>[],
    size: number,
    weight: number,
    weigh: (value: V) => number,
  ) {
    this.#shards = shards
    this.size = size
    this.weight = weight
    this.#weigh = weigh
  }

  /** @param weigh What a value weighs, a whole number. Nothing by default. */
  static empty<V>(weigh: (value: V) => number = () => 0): PeerMap<V> {
    const shards: Shard<V>[] = Array.from({ length: SHARD_COUNT }, () => noEntries)
    return new PeerMap<V>(shards, 0, 0, weigh)
  }

  get(peer: PeerId): V | undefined {
    const shard = this.#shards[shardOf(peer)] ?? noEntries
    const entry = shard[positionOf(shard, peer)]
    return entry?.[0] === peer ? entry[1] : undefined
  }

  has(peer: PeerId): boolean {
    const shard = this.#shards[shardOf(peer)] ?? noEntries
    return shard[positionOf(shard, peer)]?.[0] === peer
  }

  /** This map with the peer set to the value; this very map when it already is. */
  with(peer: PeerId, value: V): PeerMap<V> {
    const index = shardOf(peer)
    const shard = this.#shards[index] ?? noEntries
    const position = positionOf(shard, peer)
    const entry = shard[position]
    const known = entry?.[0] === peer
    if (known && Object.is(entry[1], value)) return this
    const changed = shard.toSpliced(position, known ? 1 : 0, [peer, value])
    const weight = this.weight + this.#weigh(value) - (known ? this.#weigh(entry[1]) : 0)
    return new PeerMap(this.#shards.with(index, changed), this.size + (known ? 0 : 1), weight, this.#weigh)
  }

  /** This map without the peer; this very map when it was not there. */
  without(peer: PeerId): PeerMap<V> {
    const index = shardOf(peer)
    const shard = this.#shards[index] ?? noEntries
    const position = positionOf(shard, peer)
    const entry = shard[position]
    if (entry?.[0] !== peer) return this
    const weight = this.weight - this.#weigh(entry[1])
    return new PeerMap(
      this.#shards.with(index, shard.toSpliced(position, 1)),
      this.size - 1,
      weight,
      this.#weigh,
    )
  }

  /**
   * The peers whose value differs from that in another map, each once, in no particular order. Two maps of which one was
   * made from the other are compared at the price of what has changed between them.
   */
  changedSince(earlier: PeerMap<V>): PeerId[] {
    const changed: PeerId[] = []
    for (const [index, shard] of this.#shards.entries()) {
      const before = earlier.#shards[index] ?? noEntries
      if (shard === before) continue
      for (const [peer, value] of shard) {
        const entry = before[positionOf(before, peer)]
        if (entry?.[0] !== peer || !Object.is(entry[1], value)) changed.push(peer)
      }
      for (const [peer] of before) if (!this.has(peer)) changed.push(peer)
    }
    return changed
  }

  forEach(run: (value: V, peer: PeerId, map: ReadonlyMap<PeerId, V>) => void): void {
    for (const [peer, value] of this) run(value, peer, this)
  }

  *entries(): Generator<[PeerId, V], undefined> {
    for (const shard of this.#shards) for (const [peer, value] of shard) yield [peer, value]
  }

  *keys(): Generator<PeerId, undefined> {
    for (const shard of this.#shards) for (const [peer] of shard) yield peer
  }

  *values(): Generator<V, undefined> {
    for (const shard of this.#shards) for (const [, value] of shard) yield value
  }

  [Symbol.iterator](): Generator<[PeerId, V], undefined> {
    return this.entries()
  }
}

function shardOf(peer: PeerId): number {
  return Number.parseInt(peer.slice(0, 2), 16)
}

/** Where the peer is in the shard, or where it would have to be inserted. */
function positionOf(shard: Shard<unknown>, peer: PeerId): number {
  let low = 0
  let high = shard.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = shard[middle]
    if (entry !== undefined && entry[0] < peer) low = middle + 1
    else high = middle
  }
  return low
}
