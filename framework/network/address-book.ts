import { MosaikError, type PeerId } from '#framework/primitives'
import { parseAddress, peerOf, transportOf, withoutPeer } from './addresses.js'

/** The bounds of an {@link AddressBook}. */
export interface AddressBookLimits {
  readonly bookPeersMax: number
  readonly bookAddressesMax: number
  readonly bookTtlMs: number
}

/** Who told us an address: the peer itself, in an entry that it has signed; or anybody else, whom nothing backs. */
export type AddressOrigin = 'entry' | 'hint'

/** An address, and why it is in the book. */
export interface BookedAddress {
  /** A multiaddr without the peer at its end. */
  readonly address: string
  readonly origin: AddressOrigin
  /** When we were told last, in monotonic milliseconds. */
  readonly toldAtMs: number
  /** When the peer answered there last, in monotonic milliseconds; absent when it never did. */
  readonly workedAtMs?: number
}

/**
 * Where other peers can be reached, as far as we were told or have found out. Pure; bounded in both directions, and what
 * nobody has repeated for long is forgotten. It is about others only: nothing in it becomes an address of this node.
 *
 * The addresses of a peer are in the order in which they are worth trying: where it has answered, the latest first; then
 * what it says itself; then what others say. Those at the end give way first, so that nobody can push out what a peer
 * has signed by making things up.
 */
export class AddressBook {
  readonly #self: PeerId
  readonly #limits: AddressBookLimits
  /** The peer that was learnt or used last is the last one. */
  readonly #booked = new Map<PeerId, readonly BookedAddress[]>()

  constructor(self: PeerId, limits: AddressBookLimits) {
    this.#self = self
    this.#limits = limits
  }

  /** How many peers it has addresses of. */
  get size(): number {
    return this.#booked.size
  }

  /** Multiaddrs without the peer at their end, the most promising first; none for a stranger. */
  of(peer: PeerId, nowMs: number): readonly string[] {
    return this.entriesOf(peer, nowMs).map(({ address }) => address)
  }

  /** {@link of}, and why each is there. */
  entriesOf(peer: PeerId, nowMs: number): readonly BookedAddress[] {
    return (this.#booked.get(peer) ?? []).filter((entry) => this.#isFresh(entry, nowMs))
  }

  /**
   * Notes addresses. Those that are malformed, of another peer or beyond us are left out. What a peer says itself replaces
   * what it said before, except where it has answered.
   */
  learn(peer: PeerId, addresses: readonly string[], origin: AddressOrigin, nowMs: number): void {
    const usable = new Set(addresses.flatMap((text) => usableAddress(peer, text)))
    if (usable.size === 0) return
    const known = this.entriesOf(peer, nowMs)
    const told = [...usable].map((address): BookedAddress => {
      const before = known.find((entry) => entry.address === address)
      const isEntry = origin === 'entry' || before?.origin === 'entry'
      return { ...before, address, origin: isEntry ? 'entry' : 'hint', toldAtMs: nowMs }
    })
    const kept = known.filter(
      (entry) =>
        !usable.has(entry.address) &&
        (origin === 'hint' || entry.origin === 'hint' || entry.workedAtMs !== undefined),
    )
    this.#put(peer, [...told, ...kept])
  }

  /** The peer has answered at this address. */
  worked(peer: PeerId, address: string, nowMs: number): void {
    const known = this.entriesOf(peer, nowMs)
    const before = known.find((entry) => entry.address === address)
    const entry: BookedAddress = { origin: 'hint', ...before, address, toldAtMs: nowMs, workedAtMs: nowMs }
    this.#put(peer, [entry, ...known.filter((other) => other !== before)])
  }

  #put(peer: PeerId, entries: readonly BookedAddress[]): void {
    if (peer === this.#self) return
    this.#booked.delete(peer)
    this.#booked.set(peer, entries.toSorted(byPromise).slice(0, this.#limits.bookAddressesMax))
    if (this.#booked.size > this.#limits.bookPeersMax) this.#forgetOne(peer)
  }

  /** The stalest of the peers that only others have told us about; when there is none, the stalest of all but this one. */
  #forgetOne(except: PeerId): void {
    let stalest: PeerId | undefined
    for (const [peer, entries] of this.#booked) {
      if (peer === except) continue
      stalest ??= peer
      if (!entries.every(isMereHint)) continue
      stalest = peer
      break
    }
    if (stalest !== undefined) this.#booked.delete(stalest)
  }

  #isFresh({ toldAtMs, workedAtMs = -Infinity }: BookedAddress, nowMs: number): boolean {
    return Math.max(toldAtMs, workedAtMs) + this.#limits.bookTtlMs > nowMs
  }
}

function isMereHint({ origin, workedAtMs }: BookedAddress): boolean {
  return origin === 'hint' && workedAtMs === undefined
}

function byPromise(a: BookedAddress, b: BookedAddress): number {
  const worked = (b.workedAtMs ?? -Infinity) - (a.workedAtMs ?? -Infinity)
  if (worked !== 0 && !Number.isNaN(worked)) return worked
  return Number(a.origin === 'hint') - Number(b.origin === 'hint')
}

function usableAddress(peer: PeerId, text: string): [string] | [] {
  try {
    const address = parseAddress(text)
    const named = peerOf(address)
    if (transportOf(address) === undefined || (named !== undefined && named !== peer)) return []
    return [withoutPeer(address)]
  } catch (error) {
    if (error instanceof MosaikError) return []
    throw error
  }
}
