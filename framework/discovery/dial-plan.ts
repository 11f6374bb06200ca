import type { DialTarget } from '#framework/network'
import { Backoff, type BackoffOptions, type PeerId, type Random } from '#framework/primitives'
import { DialAttempts } from './dial-attempts.js'
import { DialCandidates, type AddResult, type Candidate, type CandidateOrigin } from './dial-candidates.js'

/** How many attempts to connect run at a time. */
const CONCURRENT_MAX = 4

/**
 * How often to try a lasting candidate while other peers are connected, in milliseconds. Rarely, for nothing is wrong; but
 * never not at all, because the candidate may be the only way to another part of the network.
 */
const LASTING_RECHECK_MS = 60_000

/** How soon to try another candidate again while other peers are connected; twice as long after each failure, up to the limit. */
const FOUND_RECHECK_MS = 5_000
const FOUND_RECHECK_MS_MAX = 16 * 60_000

/** How many candidates that are not lasting are dialled at a time while other peers are connected. */
const FOUND_CONCURRENT_MAX = 2

/** A candidate that is found once more is tried at once, but not more often than this, in milliseconds. */
const FOUND_AGAIN_MS = 10_000

/** How long to stay away from a peer that has let us go because it has too many connections, in milliseconds, ±50 %. */
const PRUNED_MS = 600_000

/** The same while nobody else is connected. */
const PRUNED_ALONE_MS = 5_000

/** How many peers of the catalog are dialled at a time while we are connected: nothing presses then. */
const MESH_CONCURRENT_MAX = 1

/**
 * The time between dials that only make the mesh denser, in milliseconds, on average. A whole fleet that starts would dial
 * all at once; and others who dial us do half of what we need.
 */
const MESH_PAUSE_MS = 1_000

/** Peers that are alone and learn of each other at the same moment wait up to this long, or each of two would dial the other. */
const FIRST_DIAL_SPREAD_MS = 300

/** Something to connect to. */
export interface Dial {
  readonly key: string
  readonly target: DialTarget
}

/** What a plan is made from. */
export interface DialSituation {
  /** Ourselves, never to be dialled. */
  readonly self: PeerId
  readonly connected: ReadonlySet<PeerId>
  /** The peers of the catalog. */
  readonly peers: ReadonlyMap<PeerId, unknown>
  /** Whether the peer has said goodbye. */
  readonly hasDeparted: (peer: PeerId) => boolean
  /** Whether we have been told an address of the peer. */
  readonly isAddressKnown: (peer: PeerId) => boolean
}

export interface DialPlanOptions {
  readonly meshPeers: number
  readonly reconnect: Partial<BackoffOptions>
  readonly random: Random
}

/** How a candidate stands, for people who want to know whom a node tries to reach. */
export interface CandidateStatus {
  /** The name of the source that has found it. */
  readonly source: string
  /** Who is meant, or who has answered there. */
  readonly peer?: PeerId
  readonly addresses: readonly string[]
  /**
   * Connected; being dialled; to be dialled later; without an address at which it could be; left to the mesh, because the
   * peer is in the catalog; or this node itself.
   */
  readonly state: 'connected' | 'dialling' | 'waiting' | 'unlocated' | 'known' | 'self'
  /** How many attempts have failed since it has answered last. */
  readonly failures: number
  /** Why the last one failed. */
  readonly lastError?: string
  /** How long until the next attempt, in milliseconds, where it is waiting. */
  readonly nextAttemptInMs?: number
}

/** A queue of dials that are due, of one group. */
interface Due {
  readonly dial: Dial
  readonly peer: PeerId | undefined
  readonly attempts: DialAttempts
}

/**
 * Whom to connect to, and when: candidates, and peers of the catalog up to the number that makes a good gossip mesh. All
 * for as long as it takes, each with its own back-off; being alone starts all of them over. Candidates that are not
 * lasting are left to the mesh once their peer is in the catalog. The groups of candidates, one for each source, take
 * turns with each other and with the catalog, so that none keeps the others waiting. Pure; times are on the monotonic
 * clock.
 */
export class DialPlan {
  readonly #meshPeers: number
  readonly #reconnect: Partial<BackoffOptions>
  readonly #random: Random
  readonly #candidates: DialCandidates
  /** Attempts to reach peers of the catalog, by key. */
  readonly #mesh = new Map<string, DialAttempts>()
  readonly #meshBackoff: Backoff
  /** When to make the mesh denser next. */
  #meshAtMs = -Infinity
  #wasConnected = false
  #turn = 0

  constructor(options: DialPlanOptions) {
    this.#meshPeers = options.meshPeers
    this.#reconnect = options.reconnect
    this.#random = options.random
    this.#candidates = new DialCandidates(() => this.#newAttempts(-Infinity))
    this.#meshBackoff = new Backoff(options.reconnect, options.random)
  }

  /** How many candidates there are. */
  get candidateCount(): number {
    return this.#candidates.size
  }

  /** Adds a candidate, to be dialled at once, or notes that it was found again. `full` when there are too many of its source. */
  add(target: DialTarget, origin: CandidateOrigin, nowMs: number): AddResult {
    const result = this.#candidates.add(target, origin, nowMs)
    if (result === 'full' || result === 'added') return result
    const isSame = ({ peer, addresses }: Candidate): boolean =>
      target.peer === undefined
        ? target.addresses?.some((address) => addresses.includes(address)) === true
        : peer === target.peer
    for (const candidate of this.#candidates) {
      const { attempts, source } = candidate
      if (source !== origin.source || attempts.isRunning || !isSame(candidate)) continue
      const isUrgent = origin.isLasting || result === 'renewed'
      const soonestMs = isUrgent ? nowMs : Math.max(nowMs, attempts.lastAtMs + FOUND_AGAIN_MS)
      attempts.notBeforeMs = Math.min(attempts.notBeforeMs, soonestMs)
    }
    return result
  }

  /** What to dial now, each to be reported by {@link onConnected} or {@link onFailed}; and when to ask again at the latest. */
  next(situation: DialSituation, nowMs: number): { dials: Dial[]; atMs: number } {
    this.#forget(situation, nowMs)
    this.#noteConnected(situation, nowMs)
    const { due, atMs } = this.#collect(situation, nowMs)
    const dials: Dial[] = []
    const groups = [...due.keys()]
    const busy = this.#peersBeingDialled()
    let idle = 0
    for (let room = CONCURRENT_MAX - this.#countRunning(); room > 0 && idle < groups.length;) {
      const group = groups[this.#turn++ % groups.length] ?? ''
      const next = this.#mayTake(group, situation) ? due.get(group)?.shift() : undefined
      if (!next) idle++
      else if (next.peer === undefined || !busy.has(next.peer)) {
        idle = 0
        room--
        if (next.peer !== undefined) busy.add(next.peer)
        next.attempts.start(nowMs)
        dials.push(next.dial)
      }
    }
    if (groups.length > 0) this.#turn %= groups.length
    return { dials, atMs }
  }

  /** Who answered. */
  onConnected(dial: Dial, peer: PeerId, nowMs: number): void {
    const candidate = this.#candidates.get(dial.key)
    if (candidate) {
      candidate.peer = peer
      candidate.freshAtMs = nowMs
    }
    const attempts = this.#attemptsOf(dial.key)
    if (!attempts) return
    attempts.succeeded(nowMs)
    this.#meshBackoff.reset()
    this.#meshAtMs = nowMs + this.#meshPauseMs()
  }

  /**
   * @param connected Whether there are other connections, so that nothing presses.
   * @param error Why.
   */
  onFailed(dial: Dial, connected: boolean, nowMs: number, error?: string): void {
    const candidate = this.#candidates.get(dial.key)
    this.#attemptsOf(dial.key)?.failed(nowMs, connected && candidate ? patienceMs(candidate) : 0, error)
    // When one attempt fails because this machine or the network is overloaded, others had better not follow at once.
    this.#meshAtMs = nowMs + Math.max(this.#meshBackoff.next(), this.#meshPauseMs())
  }

  /** The peer has let us go, because it has more connections than it needs: it is left alone for a while. */
  onPruned(peer: PeerId, nowMs: number): void {
    const notBeforeMs = nowMs + PRUNED_MS * (0.5 + this.#random.float())
    const away = (attempts: DialAttempts): void => {
      attempts.isPruned = true
      attempts.notBeforeMs = Math.max(attempts.notBeforeMs, notBeforeMs)
    }
    for (const candidate of this.#candidates) if (candidate.peer === peer) away(candidate.attempts)
    away(this.#meshAttempts(meshKeyOf(peer), notBeforeMs))
  }

  /** The peers to stay connected with, whatever else is let go: those of lasting candidates. */
  keep(): Set<PeerId> {
    const peers = [...this.#candidates].flatMap(({ isLasting, peer }) => (isLasting && peer) || [])
    return new Set(peers)
  }

  /** How many candidates there are of each source. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { source } of this.#candidates) counts.set(source, (counts.get(source) ?? 0) + 1)
    return counts
  }

  /** How each candidate stands. */
  statuses(situation: DialSituation, nowMs: number): CandidateStatus[] {
    return [...this.#candidates].map((candidate) => {
      const { source, peer, addresses, attempts } = candidate
      const state = this.#stateOf(candidate, situation)
      return {
        source,
        ...(peer !== undefined && { peer }),
        addresses,
        state,
        failures: attempts.failures,
        ...(attempts.lastError !== undefined && { lastError: attempts.lastError }),
        ...(state === 'waiting' && { nextAttemptInMs: Math.max(0, attempts.notBeforeMs - nowMs) }),
      }
    })
  }

  /** What is due of each group, in the order in which it is to be tried, and when more will be. */
  #collect(situation: DialSituation, nowMs: number): { due: Map<string, Due[]>; atMs: number } {
    const due = new Map<string, Due[]>()
    let atMs = Infinity
    const isDue = ({ notBeforeMs }: DialAttempts): boolean => {
      if (notBeforeMs > nowMs) atMs = Math.min(atMs, notBeforeMs)
      return notBeforeMs <= nowMs
    }
    for (const [group, candidates] of this.#candidates.groups()) {
      const waiting = candidates
        .filter((candidate) => this.#stateOf(candidate, situation) === 'waiting' && isDue(candidate.attempts))
        .toSorted((a, b) => a.attempts.lastAtMs - b.attempts.lastAtMs || 0)
      due.set(
        group,
        waiting.map(({ key, named, peer, addresses, attempts }) => ({
          dial: { key, target: { ...(named !== undefined && { peer: named }), addresses } },
          peer,
          attempts,
        })),
      )
    }
    const missing = this.#meshMissing(situation)
    if (missing > 0 && situation.connected.size > 0 && this.#meshAtMs > nowMs) {
      return { due, atMs: Math.min(atMs, this.#meshAtMs) }
    }
    const mesh: Due[] = []
    for (const peer of missing > 0 ? this.#shuffled(situation) : []) {
      const key = meshKeyOf(peer)
      const attempts = this.#meshAttempts(key, nowMs + this.#firstDelayMs(situation))
      if (!attempts.isRunning && isDue(attempts))
        mesh.push({ dial: { key, target: { peer } }, peer, attempts })
    }
    due.set(MESH_GROUP, mesh)
    return { due, atMs }
  }

  #stateOf(candidate: Candidate, situation: DialSituation): CandidateStatus['state'] {
    const { peer, addresses, isLasting, attempts } = candidate
    if (peer === situation.self) return 'self'
    if (peer !== undefined && situation.connected.has(peer)) return 'connected'
    if (attempts.isRunning) return 'dialling'
    if (peer !== undefined && addresses.length === 0 && !situation.isAddressKnown(peer)) return 'unlocated'
    const isMeshsAffair = !isLasting && peer !== undefined && situation.peers.has(peer)
    return isMeshsAffair && situation.connected.size > 0 ? 'known' : 'waiting'
  }

  /** Whether another dial of that group may start now. */
  #mayTake(group: string, situation: DialSituation): boolean {
    if (group === MESH_GROUP) return this.#meshMissing(situation) > 0
    if (group === 'lasting' || situation.connected.size === 0) return true
    let running = 0
    for (const { isLasting, attempts } of this.#candidates) if (!isLasting && attempts.isRunning) running++
    return running < FOUND_CONCURRENT_MAX
  }

  /** How many more peers of the catalog to dial now. */
  #meshMissing({ connected }: DialSituation): number {
    const running = this.#countRunning()
    const missing = this.#meshPeers - connected.size - running
    return connected.size > 0 ? Math.min(missing, MESH_CONCURRENT_MAX - running) : missing
  }

  #forget({ peers, connected, hasDeparted }: DialSituation, nowMs: number): void {
    for (const [key, { isRunning }] of this.#mesh) {
      if (!isRunning && !peers.has(peerOfKey(key))) this.#mesh.delete(key)
    }
    for (const candidate of this.#candidates) {
      const { peer, isLasting, attempts } = candidate
      if (!isLasting && !attempts.isRunning && peer !== undefined && hasDeparted(peer)) {
        this.#candidates.remove(candidate)
      }
    }
    // Alone, even an old candidate is better than none.
    if (connected.size > 0) this.#candidates.expire(nowMs)
  }

  /** The moment when the last connection is lost starts all back-offs over. */
  #noteConnected({ connected }: DialSituation, nowMs: number): void {
    const isConnected = connected.size > 0
    if (this.#wasConnected && !isConnected) {
      for (const [key, { isRunning, isPruned }] of this.#mesh) {
        if (!isRunning && !isPruned) this.#mesh.delete(key)
      }
      const all = [...this.#mesh.values(), ...[...this.#candidates].map(({ attempts }) => attempts)]
      for (const attempts of all) {
        const pauseMs = attempts.isPruned ? PRUNED_ALONE_MS * (0.5 + this.#random.float()) : -Infinity
        if (!attempts.isRunning) attempts.startOver(nowMs + pauseMs)
      }
    } else if (isConnected && !this.#wasConnected) {
      this.#meshAtMs = nowMs + this.#meshPauseMs()
    }
    this.#wasConnected = isConnected
  }

  #meshPauseMs(): number {
    return 2 * MESH_PAUSE_MS * this.#random.float()
  }

  #firstDelayMs({ connected }: DialSituation): number {
    return connected.size > 0 ? 0 : FIRST_DIAL_SPREAD_MS * this.#random.float()
  }

  #attemptsOf(key: string): DialAttempts | undefined {
    return this.#candidates.get(key)?.attempts ?? this.#mesh.get(key)
  }

  #meshAttempts(key: string, firstAtMs: number): DialAttempts {
    let attempts = this.#mesh.get(key)
    if (!attempts) {
      attempts = this.#newAttempts(firstAtMs)
      this.#mesh.set(key, attempts)
    }
    return attempts
  }

  #newAttempts(firstAtMs: number): DialAttempts {
    return new DialAttempts(this.#reconnect, this.#random, firstAtMs)
  }

  /** The peers of the catalog that we are not connected with, in random order. */
  #shuffled({ peers, connected }: DialSituation): PeerId[] {
    return [...peers.keys()]
      .filter((peer) => !connected.has(peer))
      .map((peer) => ({ peer, place: this.#random.float() }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ peer }) => peer)
  }

  #peersBeingDialled(): Set<PeerId> {
    const candidates = [...this.#candidates].flatMap(
      ({ peer, attempts }) => (attempts.isRunning && peer) || [],
    )
    const mesh = [...this.#mesh].flatMap(([key, { isRunning }]) => (isRunning ? peerOfKey(key) : []))
    return new Set([...candidates, ...mesh])
  }

  #countRunning(): number {
    let count = 0
    for (const { attempts } of this.#candidates) if (attempts.isRunning) count++
    for (const { isRunning } of this.#mesh.values()) if (isRunning) count++
    return count
  }
}

/** How long to leave a candidate alone that has just failed once more, while others are connected. */
function patienceMs({ isLasting, attempts }: Candidate): number {
  if (isLasting) return LASTING_RECHECK_MS
  return Math.min(FOUND_RECHECK_MS * 2 ** attempts.failures, FOUND_RECHECK_MS_MAX)
}

const MESH_GROUP = 'mesh'
const MESH_KEY = 'mesh '

function meshKeyOf(peer: PeerId): string {
  return MESH_KEY + peer
}

function peerOfKey(key: string): PeerId {
  return key.slice(MESH_KEY.length) as PeerId
}
