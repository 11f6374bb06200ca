import { Backoff, type PeerId, type Random } from '#framework/primitives'

const BACKOFF = Object.freeze({ initialMs: 250, factor: 2, jitter: 0.3, maxMs: 10_000 })

/**
 * How long the peer with the larger id leaves it to the other one to dial, in milliseconds. Two peers learn of each other
 * at about the same time; without it, each pair would begin with two dials of which one is in vain.
 */
const HEAD_START_MS = 100

/** A bond that held for less is taken for another failure, so that two peers do not bond and part in a tight loop. */
const STABLE_MS = BACKOFF.maxMs

export interface ReconnectPlanOptions {
  readonly self: PeerId
  readonly random: Random
  /** How many bonds there should be at most, and how many dials at a time. */
  readonly bondsWanted: number
  readonly dialsMax: number
  /** Which of several peers that could be dialled come first: the least. Default: their ids. */
  readonly rank?: (peer: PeerId) => string
}

interface Planned {
  readonly backoff: Backoff
  state: 'waiting' | 'dialled' | 'bonded'
  /** When to dial, while waiting; since when, while bonded. On the monotonic clock. */
  atMs: number
}

/**
 * Whom to dial and when, so that there is a bond with each candidate, or with as many as are wanted: at once when there
 * is news of it, again after 250 ms when it failed or the bond was lost, and then less and less often, up to every 10 s.
 * Pure: is told the time, and dials nobody.
 */
export class ReconnectPlan {
  readonly #options: ReconnectPlanOptions
  /** As many as there are candidates in the catalog, which is bounded. */
  readonly #planned = new Map<PeerId, Planned>()

  constructor(options: ReconnectPlanOptions) {
    this.#options = options
  }

  /** Whether the peer is a candidate. */
  has(peer: PeerId): boolean {
    return this.#planned.has(peer)
  }

  /** The peer is a candidate, and what it says of itself is new: past failures mean nothing any more. */
  offer(peer: PeerId, nowMs: number): void {
    const known = this.#planned.get(peer)
    const planned: Planned = known ?? {
      backoff: new Backoff(BACKOFF, this.#options.random),
      state: 'waiting',
      atMs: Infinity,
    }
    planned.backoff.reset()
    const headStartMs = known === undefined && peer < this.#options.self ? HEAD_START_MS : 0
    if (planned.state === 'waiting') planned.atMs = Math.min(planned.atMs, nowMs + headStartMs)
    this.#planned.set(peer, planned)
  }

  /** The peer is no candidate any more. An attempt that is under way and a bond are not touched. */
  withdraw(peer: PeerId): void {
    this.#planned.delete(peer)
  }

  /** What has failed before may work now, because of a change on this side. */
  retryAll(nowMs: number): void {
    for (const planned of this.#planned.values()) {
      planned.backoff.reset()
      if (planned.state === 'waiting') planned.atMs = Math.min(planned.atMs, nowMs)
    }
  }

  /** The peers to dial now; each is to be told {@link failed} or {@link bonded} of. */
  take(nowMs: number): readonly PeerId[] {
    const { rank = (peer) => peer } = this.#options
    const due = [...this.#planned].filter(([, { state, atMs }]) => state === 'waiting' && atMs <= nowMs)
    const peers = due.map(([peer]) => [rank(peer), peer] as const).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const taken = peers.slice(0, this.#places).map(([, peer]) => peer)
    for (const peer of taken) this.#planned.get(peer)!.state = 'dialled'
    return taken
  }

  /** When {@link take} has something next, if nothing happens before; Infinity when never. */
  get nextMs(): number {
    if (this.#places <= 0) return Infinity
    let nextMs = Infinity
    for (const { state, atMs } of this.#planned.values()) {
      if (state === 'waiting') nextMs = Math.min(nextMs, atMs)
    }
    return nextMs
  }

  /** A dial came to nothing. */
  failed(peer: PeerId, nowMs: number): void {
    const planned = this.#planned.get(peer)
    if (planned?.state === 'dialled') this.#wait(planned, nowMs + planned.backoff.next())
  }

  /** There is a bond with the peer, whoever dialled. */
  bonded(peer: PeerId, nowMs: number): void {
    const planned = this.#planned.get(peer)
    if (planned === undefined || planned.state === 'bonded') return
    planned.state = 'bonded'
    planned.atMs = nowMs
  }

  /**
   * The bond with the peer has ended.
   *
   * @param hasLeft The peer has said that it leaves: unless there is news of it, there is no hurry.
   */
  lost(peer: PeerId, nowMs: number, hasLeft: boolean): void {
    const planned = this.#planned.get(peer)
    if (planned?.state !== 'bonded') return
    if (nowMs - planned.atMs >= STABLE_MS) planned.backoff.reset()
    this.#wait(planned, nowMs + (hasLeft ? BACKOFF.maxMs : planned.backoff.next()))
  }

  get #places(): number {
    const { bondsWanted, dialsMax } = this.#options
    let dialled = 0
    let bonded = 0
    for (const { state } of this.#planned.values()) {
      if (state === 'dialled') dialled++
      if (state === 'bonded') bonded++
    }
    return Math.max(0, Math.min(dialsMax - dialled, bondsWanted - dialled - bonded))
  }

  #wait(planned: Planned, atMs: number): void {
    planned.state = 'waiting'
    planned.atMs = atMs
  }
}
