import { Watch, type PeerId } from '#framework/primitives'
import type { Bond } from './bond.js'

/** The bonds of a group at one moment. Immutable. */
export interface MeshSnapshot {
  /** Grows with every change: by which a reader says what it has seen. */
  readonly cursor: number
  /** In the order of peer ids. */
  readonly bonds: ReadonlyMap<PeerId, Bond>
}

/** How changes of a mesh are followed. */
export interface MeshChangesOptions {
  /** The cursor of what the reader has seen already. Default: the cursor at the moment of the call. */
  readonly after?: number
  readonly signal?: AbortSignal
}

/** A live view of the bonds that this node has in one group. Iterating goes over them in the order of peer ids. */
export interface Mesh extends Iterable<Bond> {
  readonly size: number
  has(peer: PeerId): boolean
  get(peer: PeerId): Bond | undefined
  /** What there is now. */
  readonly snapshot: MeshSnapshot
  /**
   * What there is, whenever that is something else than what was seen: nothing that has changed since `after` is missed,
   * and nothing is told twice. Changes while the loop is busy are told as one. Over when the group is left.
   *
   * @throws The signal's reason, when it aborts.
   */
  changes(options?: MeshChangesOptions): AsyncIterable<MeshSnapshot>
}

/** The bonds of one group, at most one with each peer. */
export class BondTable implements Mesh {
  readonly #watch = new Watch<MeshSnapshot>({ cursor: 0, bonds: new Map() })

  get size(): number {
    return this.snapshot.bonds.size
  }

  get snapshot(): MeshSnapshot {
    return this.#watch.value
  }

  has(peer: PeerId): boolean {
    return this.snapshot.bonds.has(peer)
  }

  get(peer: PeerId): Bond | undefined {
    return this.snapshot.bonds.get(peer)
  }

  [Symbol.iterator](): Iterator<Bond> {
    return this.snapshot.bonds.values()
  }

  async *changes({
    after = this.snapshot.cursor,
    signal,
  }: MeshChangesOptions = {}): AsyncGenerator<MeshSnapshot> {
    for await (const snapshot of this.#watch.changes({ signal })) {
      if (snapshot.cursor > after) yield snapshot
    }
  }

  /** Takes the place of the bond with that peer, if there is one. */
  put(bond: Bond): void {
    this.#set([...this.snapshot.bonds, [bond.peer, bond]])
  }

  /** False when it is not there, or another one is in its place. */
  remove(bond: Bond): boolean {
    if (this.get(bond.peer) !== bond) return false
    this.#set([...this.snapshot.bonds].filter(([, other]) => other !== bond))
    return true
  }

  /** There will be no more bonds. */
  end(): void {
    this.#watch.end()
  }

  #set(entries: readonly (readonly [PeerId, Bond])[]): void {
    const cursor = this.snapshot.cursor + 1
    // Of two with the same peer the later one stays.
    const bonds = new Map([...new Map(entries)].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    this.#watch.set({ cursor, bonds })
  }
}
