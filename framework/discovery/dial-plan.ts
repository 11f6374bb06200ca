import type { DialTarget } from '#framework/network'
import { Backoff, type BackoffOptions, type PeerId, type Random } from '#framework/primitives'

/** How many attempts to connect run at a time. */
const CONCURRENT_MAX = 4

/** How many bootstrap candidates are remembered. */
const CANDIDATES_MAX = 256

/**
 * How often to try a candidate while other peers are connected, in milliseconds. Rarely, for nothing is wrong; but never
 * not at all, because the candidate may be the only way to another part of the network.
 */
const CANDIDATE_RECHECK_MS = 60_000

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
}

interface Attempts {
  readonly backoff: Backoff
  notBeforeMs: number
  running: boolean
}

interface Candidate {
  readonly target: DialTarget
  /** Who answered there, when somebody has. */
  peer: PeerId | undefined
}

export interface DialPlanOptions {
  readonly meshPeers: number
  readonly reconnect: Partial<BackoffOptions>
  readonly random: Random
}

/**
 * Whom to connect to, and when: every bootstrap candidate, and peers of the catalog up to the number that makes a good
 * gossip mesh. Both for as long as it takes, each with its own back-off; being alone starts all of them over. Pure; all
 * times are on the monotonic clock.
 */
export class DialPlan {
  readonly #meshPeers: number
  readonly #reconnect: Partial<BackoffOptions>
  readonly #random: Random
  readonly #candidates = new Map<string, Candidate>()
  readonly #attempts = new Map<string, Attempts>()
  readonly #meshBackoff: Backoff
  /** When to make the mesh denser next. */
  #meshAtMs = -Infinity
  #wasConnected = false

  constructor(options: DialPlanOptions) {
    this.#meshPeers = options.meshPeers
    this.#reconnect = options.reconnect
    this.#random = options.random
    this.#meshBackoff = new Backoff(options.reconnect, options.random)
  }

  /**
   * Adds a candidate, to be dialled at once; one that is known already is tried again at once. False when there are too
   * many to remember this one.
   */
  add(target: DialTarget): boolean {
    const key = candidateKeyOf(target)
    const known = this.#attempts.get(key)
    if (known && !known.running) this.#attempts.delete(key)
    if (this.#candidates.has(key)) return true
    if (this.#candidates.size >= CANDIDATES_MAX) return false
    this.#candidates.set(key, { target, peer: target.peer })
    return true
  }

  /** What to dial now, each to be reported by {@link onConnected} or {@link onFailed}; and when to ask again at the latest. */
  next(situation: DialSituation, nowMs: number): { dials: Dial[]; atMs: number } {
    this.#forget(situation)
    this.#noteConnected(situation, nowMs)
    const dials: Dial[] = []
    let atMs = Infinity
    let room = CONCURRENT_MAX - this.#countRunning()
    const consider = (dial: Dial, attempts: Attempts): boolean => {
      if (attempts.notBeforeMs > nowMs) atMs = Math.min(atMs, attempts.notBeforeMs)
      if (attempts.running || attempts.notBeforeMs > nowMs || room === 0) return false
      attempts.running = true
      room--
      dials.push(dial)
      return true
    }
    for (const [key, { target, peer }] of this.#candidates) {
      if (peer !== undefined && (peer === situation.self || situation.connected.has(peer))) continue
      consider({ key, target }, this.#attemptsAt(key, nowMs))
    }
    let missing = this.#meshPeers - situation.connected.size - this.#countRunning()
    if (situation.connected.size > 0) {
      missing = Math.min(missing, MESH_CONCURRENT_MAX - this.#countRunning())
      if (missing > 0 && this.#meshAtMs > nowMs) {
        atMs = Math.min(atMs, this.#meshAtMs)
        missing = 0
      }
    }
    for (const peer of missing > 0 ? this.#shuffled(situation) : []) {
      const key = peerKeyOf(peer)
      const attempts = this.#attemptsAt(key, nowMs + this.#firstDelayMs(situation))
      if (missing > 0 && consider({ key, target: { peer } }, attempts)) missing--
    }
    return { dials, atMs }
  }

  /** Who answered. */
  onConnected(dial: Dial, peer: PeerId, nowMs: number): void {
    const candidate = this.#candidates.get(dial.key)
    if (candidate) candidate.peer = peer
    const attempts = this.#attempts.get(dial.key)
    if (!attempts) return
    attempts.running = false
    attempts.backoff.reset()
    // A connection that is lost as soon as it is made must not be made again and again without a pause.
    attempts.notBeforeMs = nowMs + attempts.backoff.next()
    this.#meshBackoff.reset()
    this.#meshAtMs = nowMs + this.#meshPauseMs()
  }

  /** @param connected Whether there are other connections, so that nothing presses. */
  onFailed(dial: Dial, connected: boolean, nowMs: number): void {
    const attempts = this.#attempts.get(dial.key)
    if (!attempts) return
    attempts.running = false
    const patienceMs = connected && this.#candidates.has(dial.key) ? CANDIDATE_RECHECK_MS : 0
    attempts.notBeforeMs = nowMs + Math.max(attempts.backoff.next(), patienceMs)
    // When one attempt fails because this machine or the network is overloaded, others had better not follow at once.
    this.#meshAtMs = nowMs + Math.max(this.#meshBackoff.next(), this.#meshPauseMs())
  }

  #forget({ peers }: DialSituation): void {
    for (const [key, { running }] of this.#attempts) {
      if (running || this.#candidates.has(key) || peers.has(peerOfKey(key))) continue
      this.#attempts.delete(key)
    }
  }

  /** The moment when the last connection is lost starts all back-offs over. */
  #noteConnected({ connected }: DialSituation, nowMs: number): void {
    const isConnected = connected.size > 0
    if (this.#wasConnected && !isConnected) {
      for (const [key, { running }] of this.#attempts) if (!running) this.#attempts.delete(key)
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

  #attemptsAt(key: string, firstAtMs: number): Attempts {
    let attempts = this.#attempts.get(key)
    if (!attempts) {
      attempts = {
        backoff: new Backoff(this.#reconnect, this.#random),
        notBeforeMs: firstAtMs,
        running: false,
      }
      this.#attempts.set(key, attempts)
    }
    return attempts
  }

  /** The peers of the catalog that we are not connected with, in random order. */
  #shuffled({ peers, connected }: DialSituation): PeerId[] {
    return [...peers.keys()]
      .filter((peer) => !connected.has(peer))
      .map((peer) => ({ peer, place: this.#random.float() }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ peer }) => peer)
  }

  #countRunning(): number {
    let count = 0
    for (const { running } of this.#attempts.values()) if (running) count++
    return count
  }
}

const PEER_KEY = 'peer:'

function peerKeyOf(peer: PeerId): string {
  return PEER_KEY + peer
}

function peerOfKey(key: string): PeerId {
  return key.slice(PEER_KEY.length) as PeerId
}

function candidateKeyOf({ peer, addresses }: DialTarget): string {
  return `candidate:${peer ?? ''}:${(addresses ?? []).join(',')}`
}
