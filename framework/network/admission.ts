import { invariant, type PeerId } from '#framework/primitives'
import { LOOPBACK_BLOCK } from './address-block.js'
import type { BlockLimits, NetworkLimits } from './limits.js'

/** The bounds of {@link Admission}. */
export type AdmissionLimits = Pick<
  NetworkLimits,
  'connectionsMax' | 'connectionsPerPeerMax' | 'unadmittedMax' | 'perBlock' | 'perLoopback'
>

/** Why a connection has no place: there are too many in all, or too many from its block of addresses. */
export type Refusal = 'capacity' | 'block'

/** What becomes of a new connection. */
export type Entry =
  /** It may stay; `evict` has to go in its place. */
  { readonly refused: undefined; readonly evict?: string } | { readonly refused: Refusal }

/** A new connection, as far as its place is concerned. */
export interface Arrival {
  readonly peer: PeerId
  readonly direction: 'inbound' | 'outbound'
  /** See {@link blockOf}. */
  readonly block: string | undefined
}

interface Entrant extends Arrival {
  admitted: boolean
}

/** Inbound connections of one kind, in all and by block. */
class Counts {
  readonly #byBlock = new Map<string, number>()
  total = 0

  of(block: string): number {
    return this.#byBlock.get(block) ?? 0
  }

  add(block: string | undefined, n: 1 | -1): void {
    this.total += n
    if (block === undefined) return
    const count = this.of(block) + n
    if (count === 0) this.#byBlock.delete(block)
    else this.#byBlock.set(block, count)
  }
}

/**
 * Who is in. An inbound connection knocks when it arrives, and is let in when its handshake has shown a key; any
 * connection is admitted when both sides have shown the same network, and gone when it closes; a peer is there as long
 * as one of its connections is admitted. What is not admitted yet is bounded in all and for each block of addresses, so
 * that nobody can take all places at the door from one place. Pure.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  /** In the order of arrival. */
  readonly #entrants = new Map<string, Entrant>()
  readonly #connectionsOf = new Map<PeerId, Set<string>>()
  /** Inbound connections whose handshake is under way, those that are not admitted yet, and all that are in. */
  readonly #knocking = new Counts()
  readonly #unadmitted = new Counts()
  readonly #inbound = new Counts()
  #peers: ReadonlySet<PeerId> = new Set()

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** The peers with an admitted connection: a new set whenever it changes. */
  get peers(): ReadonlySet<PeerId> {
    return this.#peers
  }

  /** Connections, admitted or not. */
  get connectionCount(): number {
    return this.#entrants.size
  }

  /** Whether one more inbound connection would be refused, whoever it is. */
  get isFull(): boolean {
    return this.#refusalOf(undefined, this.#unadmitted) !== undefined
  }

  /**
   * An inbound connection has arrived from that block, and its handshake begins unless it is refused. To be followed by
   * {@link knocked} when the handshake is over, well or not.
   */
  knock(block: string | undefined): Refusal | undefined {
    const refusal = this.#refusalOf(block, this.#knocking)
    if (refusal === undefined) this.#knocking.add(block, 1)
    return refusal
  }

  knocked(block: string | undefined): void {
    this.#knocking.add(block, -1)
  }

  isAdmitted(connection: string): boolean {
    return this.#entrants.get(connection)?.admitted === true
  }

  /** The connections of a peer, oldest first. */
  connectionsOf(peer: PeerId): readonly string[] {
    return [...(this.#connectionsOf.get(peer) ?? [])]
  }

  /** A connection was opened. */
  enter(connection: string, arrival: Arrival): Entry {
    invariant(!this.#entrants.has(connection), 'a connection opens once')
    const { peer, direction, block } = arrival
    const { connectionsMax, connectionsPerPeerMax } = this.#limits
    if (direction === 'inbound') {
      const refusal = this.#refusalOf(block, this.#unadmitted)
      if (refusal !== undefined) return { refused: refusal }
    } else if (this.#entrants.size >= connectionsMax) {
      return { refused: 'capacity' }
    }
    const siblings = this.#connectionsOf.get(peer) ?? new Set()
    const [oldest] = siblings
    const evict = siblings.size >= connectionsPerPeerMax ? oldest : undefined
    this.#entrants.set(connection, { ...arrival, admitted: false })
    this.#connectionsOf.set(peer, siblings.add(connection))
    if (direction === 'inbound') {
      this.#unadmitted.add(block, 1)
      this.#inbound.add(block, 1)
    }
    return evict === undefined ? { refused: undefined } : { refused: undefined, evict }
  }

  /** Both sides have shown the same network. False when the connection is gone already, or was admitted before. */
  admit(connection: string): boolean {
    const entrant = this.#entrants.get(connection)
    if (entrant === undefined || entrant.admitted) return false
    entrant.admitted = true
    if (entrant.direction === 'inbound') this.#unadmitted.add(entrant.block, -1)
    if (!this.#peers.has(entrant.peer)) this.#peers = new Set([...this.#peers, entrant.peer])
    return true
  }

  /** A connection is gone. */
  leave(connection: string): void {
    const entrant = this.#entrants.get(connection)
    if (entrant === undefined) return
    this.#entrants.delete(connection)
    if (entrant.direction === 'inbound') {
      this.#inbound.add(entrant.block, -1)
      if (!entrant.admitted) this.#unadmitted.add(entrant.block, -1)
    }
    const siblings = this.#connectionsOf.get(entrant.peer)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#connectionsOf.delete(entrant.peer)
    const stays = [...(siblings ?? [])].some((sibling) => this.isAdmitted(sibling))
    if (stays || !this.#peers.has(entrant.peer)) return
    this.#peers = new Set([...this.#peers].filter((peer) => peer !== entrant.peer))
  }

  /** Why one more inbound connection is refused that would wait with those counts; `undefined` when it is not. */
  #refusalOf(block: string | undefined, waiting: Counts): Refusal | undefined {
    const { connectionsMax, unadmittedMax } = this.#limits
    if (this.#entrants.size >= connectionsMax || waiting.total >= unadmittedMax) return 'capacity'
    if (block === undefined) return undefined
    const limits = this.#limitsOf(block)
    const isOver =
      this.#inbound.of(block) >= limits.connectionsMax || waiting.of(block) >= limits.unadmittedMax
    return isOver ? 'block' : undefined
  }

  #limitsOf(block: string): BlockLimits {
    return block === LOOPBACK_BLOCK ? this.#limits.perLoopback : this.#limits.perBlock
  }
}
