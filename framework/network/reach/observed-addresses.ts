import { isIPv6 } from 'node:net'
import type { PeerId } from '#framework/primitives'
import { parseAddress, transportOf, withoutPeer } from '../addresses.js'
import { endpointOf, neighbourhoodOf, scopeOf } from './address-scope.js'

/** Observations kept; the oldest goes first. */
const OBSERVATIONS_MAX = 128
/** How long an observation counts after its connection has ended: a NAT may give us another address at any time. */
const AFTERLIFE_MS = 10 * 60_000
/** How long a peer's report that it reached us counts. */
const CONFIRMED_MS = 30 * 60_000
/** Confirmed addresses kept; the oldest goes first. */
const CONFIRMED_MAX = 16
/** An IP address counts as ours when so many neighbourhoods see us there. */
const WITNESSES = 2
/** Addresses that are worth asking about at once. */
const CANDIDATES_MAX = 4

/** What a peer said about where it sees us. */
export interface Observation {
  /** The connection it was said on. */
  readonly connection: string
  readonly by: PeerId
  /** The IP address at which we see that peer. */
  readonly byIp: string
  /** The IP address at which it sees us. */
  readonly ip: string
}

interface Kept extends Observation {
  expiresAt: number
}

/**
 * What peers say about where they see us, and what follows from it. Pure.
 *
 * The port at which an outgoing connection is seen is not the listener's, so only the IP address is taken, and the
 * listener's port with it is a candidate, nothing more. It becomes an address of ours when two peers in different
 * neighbourhoods see us at that IP address and one of them has dialled us there: a single peer, whatever it says, cannot
 * make us publish somebody else's address. Addresses of our own network interfaces need none of this.
 */
export class ObservedAddresses {
  /** By connection, oldest first. */
  readonly #observations = new Map<string, Kept>()
  /** By address: until when it counts as reached. */
  readonly #confirmed = new Map<string, number>()

  get size(): number {
    return this.#observations.size
  }

  note(observation: Observation): void {
    this.#observations.delete(observation.connection)
    this.#observations.set(observation.connection, { ...observation, expiresAt: Infinity })
    if (this.#observations.size <= OBSERVATIONS_MAX) return
    const [oldest] = this.#observations.keys()
    if (oldest !== undefined) this.#observations.delete(oldest)
  }

  /** The connection has ended; what was said on it counts for a while. */
  ended(connection: string, nowMs: number): void {
    const kept = this.#observations.get(connection)
    if (kept !== undefined) kept.expiresAt = nowMs + AFTERLIFE_MS
  }

  /** Forgets everything: we are somewhere else now. */
  clear(): void {
    this.#observations.clear()
    this.#confirmed.clear()
  }

  /** Where a peer could try to dial us back, if it sees us at that IP address. Without the peer, QUIC first. */
  candidates(ip: string, listening: readonly string[]): string[] {
    const family = isIPv6(ip) ? 'ip6' : 'ip4'
    const found = new Set<string>()
    for (const text of listening) {
      const address = parseAddress(text)
      const own = endpointOf(address)
      if (own === undefined || scopeOf(own.ip) === 'machine' || isIPv6(own.ip) !== isIPv6(ip)) continue
      if (transportOf(address) === 'quic') found.add(`/${family}/${ip}/udp/${own.port}/quic-v1`)
      if (transportOf(address) === 'tcp') found.add(`/${family}/${ip}/tcp/${own.port}`)
    }
    return [...found].slice(0, CANDIDATES_MAX)
  }

  /** A peer has dialled us at that address, and we have seen it come. */
  confirmed(address: string, nowMs: number): void {
    const text = withoutPeer(parseAddress(address))
    this.#confirmed.delete(text)
    this.#confirmed.set(text, nowMs + CONFIRMED_MS)
    if (this.#confirmed.size <= CONFIRMED_MAX) return
    const [oldest] = this.#confirmed.keys()
    if (oldest !== undefined) this.#confirmed.delete(oldest)
  }

  /** A peer that sees us there could not dial us at that address. */
  refuted(address: string): void {
    this.#confirmed.delete(withoutPeer(parseAddress(address)))
  }

  /** The addresses that are ours though no interface of ours has them. Without the peer. */
  ours(nowMs: number): string[] {
    this.#forget(nowMs)
    return [...this.#confirmed.keys()].filter((text) => {
      const endpoint = endpointOf(parseAddress(text))
      return endpoint !== undefined && this.#witnessesOf(endpoint.ip) >= WITNESSES
    })
  }

  #witnessesOf(ip: string): number {
    const seen = [...this.#observations.values()].filter((observation) => observation.ip === ip)
    // One peer with two addresses, and two peers in one neighbourhood, are one witness each.
    const peers = new Set(seen.map(({ by }) => by)).size
    return Math.min(peers, new Set(seen.map(({ byIp }) => neighbourhoodOf(byIp))).size)
  }

  #forget(nowMs: number): void {
    for (const [connection, { expiresAt }] of this.#observations) {
      if (expiresAt <= nowMs) this.#observations.delete(connection)
    }
    for (const [address, expiresAt] of this.#confirmed) {
      if (expiresAt <= nowMs) this.#confirmed.delete(address)
    }
  }
}
