import { Backoff, type BackoffOptions, type PeerId, type Random } from '#framework/primitives'

/** How many syncs this node starts at a time. Few, so that a newcomer does not load the same catalog from everybody. */
const CONCURRENT_MAX = 2

/** Of two peers that meet, the one with the smaller id syncs at once; the other when this has passed without a sync. */
const GRACE_MS = 3_000

/**
 * How soon to sync again after a sync that brought news: while a network forms, or after it was split, there is more where
 * that came from. The time doubles with each sync that brings none, up to the interval.
 */
const NEWS_MS = 2_000

/** After a doubt, when the next sync is due: spread, because many nodes tend to doubt at the same moment. */
const DOUBT_SPREAD_MS = 1_000

/** The least time between syncs that doubts cause, so that nobody can make us do nothing else. */
const DOUBT_SPACING_MS = 5_000

interface Meeting {
  /** When to sync because we have met; Infinity once we have. */
  dueAtMs: number
  running: boolean
  readonly backoff: Backoff
}

export interface SyncScheduleOptions {
  readonly self: PeerId
  readonly intervalMs: number
  readonly reconnect: Partial<BackoffOptions>
  readonly random: Random
}

/**
 * With whom to sync, and when: once with every peer that gets connected, by one of the two; again after failures; and in
 * rounds with a random one, for what gossip may have lost. Rounds are frequent while they bring news and become rare when
 * they do not. Pure; all times are on the monotonic clock.
 */
export class SyncSchedule {
  readonly #self: PeerId
  readonly #intervalMs: number
  readonly #reconnect: Partial<BackoffOptions>
  readonly #random: Random
  readonly #meetings = new Map<PeerId, Meeting>()
  #running = 0
  #pauseMs: number
  #roundAtMs: number
  #lastRoundAtMs = -Infinity

  constructor(options: SyncScheduleOptions, nowMs: number) {
    this.#self = options.self
    this.#intervalMs = options.intervalMs
    this.#reconnect = options.reconnect
    this.#random = options.random
    this.#pauseMs = options.intervalMs
    this.#roundAtMs = nowMs + this.#pause()
  }

  /** When {@link start} has something to start; Infinity when only a change can bring that about. */
  get dueAtMs(): number {
    if (this.#running >= CONCURRENT_MAX) return Infinity
    const idle = this.#idle()
    return idle.length === 0 ? Infinity : Math.min(this.#roundAtMs, ...idle.map(([, { dueAtMs }]) => dueAtMs))
  }

  /** These peers are connected now. */
  onConnections(peers: ReadonlySet<PeerId>, nowMs: number): void {
    for (const [peer, { running }] of this.#meetings) {
      // The session that runs will notice by itself, and is counted until it ends.
      if (!peers.has(peer) && !running) this.#meetings.delete(peer)
    }
    for (const peer of peers) {
      if (this.#meetings.has(peer)) continue
      const dueAtMs = this.#self < peer ? nowMs : nowMs + GRACE_MS
      this.#meetings.set(peer, {
        dueAtMs,
        running: false,
        backoff: new Backoff(this.#reconnect, this.#random),
      })
    }
  }

  /** The peers to start a sync with now. Each is running from here on, until {@link onEnd}. */
  start(nowMs: number): PeerId[] {
    const started: PeerId[] = []
    const begin = ([peer, meeting]: readonly [PeerId, Meeting]): void => {
      meeting.running = true
      this.#running++
      started.push(peer)
    }
    for (const entry of this.#idle()) {
      if (entry[1].dueAtMs <= nowMs && this.#running < CONCURRENT_MAX) begin(entry)
    }
    const idle = this.#idle()
    const chosen = idle[this.#random.int(Math.max(1, idle.length))]
    // A round for which there is nobody left waits until there is.
    if (chosen && this.#roundAtMs <= nowMs && this.#running < CONCURRENT_MAX) {
      begin(chosen)
      this.#pauseMs = Math.min(2 * this.#pauseMs, this.#intervalMs)
      this.#lastRoundAtMs = nowMs
      this.#roundAtMs = nowMs + this.#pause()
    }
    return started
  }

  /** A sync that {@link start} has started is over. */
  onEnd(peer: PeerId, succeeded: boolean, connected: boolean, nowMs: number): void {
    this.#running--
    const meeting = this.#meetings.get(peer)
    if (!meeting) return
    meeting.running = false
    if (!connected) this.#meetings.delete(peer)
    else if (succeeded) this.onSynced(peer)
    else meeting.dueAtMs = nowMs + meeting.backoff.next()
  }

  /** A sync with the peer has succeeded, whoever started it. */
  onSynced(peer: PeerId): void {
    const meeting = this.#meetings.get(peer)
    if (!meeting) return
    meeting.dueAtMs = Infinity
    meeting.backoff.reset()
  }

  /** A sync has brought something that others may not know either, and that may not be all. */
  onNews(nowMs: number): void {
    this.#pauseMs = Math.min(NEWS_MS, this.#intervalMs)
    this.#roundAtMs = Math.min(this.#roundAtMs, nowMs + this.#pause())
  }

  /** Gossip has brought something that a sync can clear up. */
  onDoubt(nowMs: number): void {
    const soon = nowMs + this.#random.float() * DOUBT_SPREAD_MS
    this.#roundAtMs = Math.min(this.#roundAtMs, Math.max(soon, this.#lastRoundAtMs + DOUBT_SPACING_MS))
  }

  #idle(): [PeerId, Meeting][] {
    return [...this.#meetings].filter(([, { running }]) => !running)
  }

  /** ±50 %, so that nodes that were started together do not sync together. */
  #pause(): number {
    return this.#pauseMs * (0.5 + this.#random.float())
  }
}
