import { invariant, type PeerId } from '#framework/primitives'

/** The bounds of {@link Admission}. */
export interface AdmissionLimits {
  readonly connectionsMax: number
  readonly connectionsPerPeerMax: number
  readonly unadmittedMax: number
}

/** What becomes of a new connection. */
export type Entry =
  /** It may stay; `evict` has to go in its place. */
  { readonly refused: false; readonly evict?: string } | { readonly refused: true }

interface Entrant {
  readonly peer: PeerId
  readonly direction: 'inbound' | 'outbound'
  admitted: boolean
}

/**
 * Who is in. A connection is let in when it opens, admitted when both sides have shown the same network, and gone when
 * it closes; a peer is there as long as one of its connections is admitted. Pure.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  /** In the order of arrival. */
  readonly #entrants = new Map<string, Entrant>()
  readonly #connectionsOf = new Map<PeerId, Set<string>>()
  #unadmittedInbound = 0
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
    return (
      this.#entrants.size >= this.#limits.connectionsMax ||
      this.#unadmittedInbound >= this.#limits.unadmittedMax
    )
  }

  isAdmitted(connection: string): boolean {
    return this.#entrants.get(connection)?.admitted === true
  }

  /** The connections of a peer, oldest first. */
  connectionsOf(peer: PeerId): readonly string[] {
    return [...(this.#connectionsOf.get(peer) ?? [])]
  }

  /** A connection was opened. */
  enter(connection: string, peer: PeerId, direction: 'inbound' | 'outbound'): Entry {
    invariant(!this.#entrants.has(connection), 'a connection opens once')
    const { connectionsMax, connectionsPerPeerMax } = this.#limits
    if (direction === 'inbound' ? this.isFull : this.#entrants.size >= connectionsMax)
      return { refused: true }
    const siblings = this.#connectionsOf.get(peer) ?? new Set()
    const [oldest] = siblings
    const evict = siblings.size >= connectionsPerPeerMax ? oldest : undefined
    this.#entrants.set(connection, { peer, direction, admitted: false })
    this.#connectionsOf.set(peer, siblings.add(connection))
    if (direction === 'inbound') this.#unadmittedInbound++
    return evict === undefined ? { refused: false } : { refused: false, evict }
  }

  /** Both sides have shown the same network. False when the connection is gone already, or was admitted before. */
  admit(connection: string): boolean {
    const entrant = this.#entrants.get(connection)
    if (entrant === undefined || entrant.admitted) return false
    entrant.admitted = true
    if (entrant.direction === 'inbound') this.#unadmittedInbound--
    if (!this.#peers.has(entrant.peer)) this.#peers = new Set([...this.#peers, entrant.peer])
    return true
  }

  /** A connection is gone. */
  leave(connection: string): void {
    const entrant = this.#entrants.get(connection)
    if (entrant === undefined) return
    this.#entrants.delete(connection)
    if (entrant.direction === 'inbound' && !entrant.admitted) this.#unadmittedInbound--
    const siblings = this.#connectionsOf.get(entrant.peer)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#connectionsOf.delete(entrant.peer)
    const stays = [...(siblings ?? [])].some((sibling) => this.isAdmitted(sibling))
    if (stays || !this.#peers.has(entrant.peer)) return
    this.#peers = new Set([...this.#peers].filter((peer) => peer !== entrant.peer))
  }
}
