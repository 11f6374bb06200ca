import type { Digest, PeerId } from '#framework/primitives'
import type { Via } from '../events.js'
import { compareRecords, type EntryHeader, type SignedHeader } from '../signed-record.js'

/** How many contents are wanted at a time. More are given up: the next catalog sync brings them. */
const JOBS_MAX = 256

/** How many of these one neighbour may have brought up, so that one that brings up what nobody has leaves room for others. */
const JOBS_PER_SOURCE_MAX = 64

/** How many are asked for at a time, in all and of one peer. */
const CONCURRENT_MAX = 8
const CONCURRENT_PER_SOURCE_MAX = 4

/** How many of those that have handed on a header are asked, before its author. */
const SOURCES_MAX = 3

/** How long to wait after one could not help before the next is asked, in milliseconds. */
const NEXT_SOURCE_MS = 250

/** A header without its content. */
export interface WantedContent {
  readonly header: EntryHeader & SignedHeader
  /** When its author gave this sign of life, on our monotonic clock. */
  readonly heardAtMs: number
  /** How the header came. */
  readonly via: Via
}

/** One request: what is wanted, and who is to be asked. */
export interface FetchTask {
  readonly job: FetchJob
  readonly source: PeerId
}

/** What is wanted of one author. */
export class FetchJob {
  wanted: WantedContent
  /** Who is to be asked, in this order. */
  readonly sources: PeerId[]
  tried = 0
  running = false
  dueAtMs: number

  constructor(wanted: WantedContent, source: PeerId, dueAtMs: number) {
    this.wanted = wanted
    this.sources = [source]
    this.dueAtMs = dueAtMs
  }

  get next(): PeerId | undefined {
    const { peer } = this.wanted.header
    if (this.tried < this.sources.length) return this.sources[this.tried]
    return this.tried === this.sources.length && !this.sources.includes(peer) ? peer : undefined
  }
}

/**
 * Which contents to fetch, when, and from whom: from those who have handed on the header first, from its author last, one
 * at a time for each author and only the latest. Pure; all times are on the monotonic clock.
 */
export class FetchPlan {
  readonly #jobs = new Map<PeerId, FetchJob>()
  /** Who is being asked; a peer more than once, when it is asked for several. */
  readonly #asked: PeerId[] = []

  /** When {@link start} has something to start; Infinity when only a change can bring that about. */
  get dueAtMs(): number {
    if (this.#asked.length >= CONCURRENT_MAX) return Infinity
    let dueAtMs = Infinity
    for (const job of this.#jobs.values()) {
      if (this.#nextOf(job) !== undefined) dueAtMs = Math.min(dueAtMs, job.dueAtMs)
    }
    return dueAtMs
  }

  /** Whether this content is being looked for. */
  wants(peer: PeerId, contentDigest: Digest): boolean {
    return this.#jobs.get(peer)?.wanted.header.contentDigest === contentDigest
  }

  /**
   * Somebody has handed on a header without content.
   *
   * @param delayMs How long to wait before anybody is asked.
   * @returns False when there is no room for it.
   */
  want(wanted: WantedContent, source: PeerId, delayMs: number, nowMs: number): boolean {
    const { header } = wanted
    const job = this.#jobs.get(header.peer)
    const isNewer = job === undefined || compareRecords(header, job.wanted.header) > 0
    if (job?.wanted.header.contentDigest === header.contentDigest) {
      if (isNewer) job.wanted = wanted
      if (job.sources.length < SOURCES_MAX && !job.sources.includes(source)) job.sources.push(source)
      return true
    }
    if (!isNewer) return true
    if (job === undefined && !this.#hasRoomFor(source)) return false
    this.#jobs.set(header.peer, new FetchJob(wanted, source, nowMs + delayMs))
    return true
  }

  /** What to ask for now. Each is running from here on, until {@link onEnd}. */
  start(nowMs: number): FetchTask[] {
    const tasks: FetchTask[] = []
    for (const job of this.#jobs.values()) {
      if (this.#asked.length >= CONCURRENT_MAX) break
      const source = this.#nextOf(job)
      if (source === undefined || job.dueAtMs > nowMs) continue
      job.tried++
      job.running = true
      this.#asked.push(source)
      tasks.push({ job, source })
    }
    return tasks
  }

  /**
   * A request that {@link start} has started is over.
   *
   * @param isDone Whether the content is there, or not wanted any more.
   * @returns False when nobody is left who could be asked.
   */
  onEnd({ job, source }: FetchTask, isDone: boolean, nowMs: number): boolean {
    this.#asked.splice(this.#asked.indexOf(source), 1)
    job.running = false
    job.dueAtMs = nowMs + NEXT_SOURCE_MS
    if (!isDone && job.next !== undefined) return true
    const { peer } = job.wanted.header
    // A later content of the same author may have taken its place meanwhile.
    if (this.#jobs.get(peer) === job) this.#jobs.delete(peer)
    return isDone
  }

  /** Who can be asked for it now. */
  #nextOf(job: FetchJob): PeerId | undefined {
    const { next } = job
    if (job.running || next === undefined) return undefined
    const asked = this.#asked.filter((peer) => peer === next).length
    return asked < CONCURRENT_PER_SOURCE_MAX ? next : undefined
  }

  #hasRoomFor(source: PeerId): boolean {
    if (this.#jobs.size >= JOBS_MAX) return false
    let count = 0
    for (const { sources } of this.#jobs.values()) if (sources[0] === source) count++
    return count < JOBS_PER_SOURCE_MAX
  }
}
