import { MosaikError, type PeerId } from '#framework/primitives'
import { parseAddress, peerOf, transportOf, withoutPeer } from './addresses.js'

/** The bounds of an {@link AddressBook}. */
export interface AddressBookLimits {
  readonly bookPeersMax: number
  readonly bookAddressesMax: number
}

/**
 * Where peers can be reached, as far as we were told. Pure; bounded in both directions. The addresses of a peer are in
 * the order of use: what worked last comes first.
 */
export class AddressBook {
  readonly #limits: AddressBookLimits
  readonly #addresses = new Map<PeerId, readonly string[]>()

  constructor(limits: AddressBookLimits) {
    this.#limits = limits
  }

  /** How many peers it has addresses of. */
  get size(): number {
    return this.#addresses.size
  }

  /** Multiaddrs without the peer at their end; none for a stranger. */
  of(peer: PeerId): readonly string[] {
    return this.#addresses.get(peer) ?? []
  }

  /** Notes addresses in front of the known ones. Those that are malformed, of another peer or beyond us are left out. */
  learn(peer: PeerId, addresses: readonly string[]): void {
    const usable = addresses.flatMap((text) => usableAddress(peer, text))
    if (usable.length > 0) this.#put(peer, usable)
  }

  /** Puts the address that just worked in front. */
  worked(peer: PeerId, address: string): void {
    this.#put(peer, [address])
  }

  #put(peer: PeerId, first: readonly string[]): void {
    const all = [...new Set([...first, ...this.of(peer)])]
    this.#addresses.delete(peer)
    this.#addresses.set(peer, all.slice(0, this.#limits.bookAddressesMax))
    if (this.#addresses.size <= this.#limits.bookPeersMax) return
    const [stalest] = this.#addresses.keys()
    if (stalest !== undefined) this.#addresses.delete(stalest)
  }
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
