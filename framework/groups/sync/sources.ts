import type { Index, MemberId } from '../raft/index.js'
import type { Chunk } from './gap.js'
import type { Availability } from './sync-messages.js'

/** How often in a row somebody may fail before nothing more is asked of it. */
const failuresMax = 5
/** What is asked for at least, however slow somebody is, in bytes. */
const bytesMin = 16 * 1024

/** What is asked of somebody: what it has, a chunk of the log, or the leader's entry at an index. */
export type Asked =
  | { readonly type: 'availability' }
  | { readonly type: 'chunk'; readonly chunk: Chunk; readonly bytesMax: number }
  | { readonly type: 'confirmation'; readonly index: Index }

export interface Request {
  readonly id: number
  readonly asked: Asked
  readonly dueMs: number
}

/** Another member, as somebody to get entries or a snapshot from. At most one request is on its way to it. */
export class Source {
  readonly member: MemberId
  /** What it has said of what it has; undefined when it has not, or was not heard since. */
  availability: Availability | undefined
  request: Request | undefined
  /** When it was last asked what it has. */
  askedMs = -Infinity
  /** It has sent what is not so. */
  isDisbelieved = false
  #failures = 0
  #isSilent = false
  #bytesMax: number

  constructor(member: MemberId, bytesMax: number) {
    this.member = member
    this.#bytesMax = bytesMax
  }

  /** What it is asked for at a time, in bytes. */
  get bytesMax(): number {
    return this.#bytesMax
  }

  get isUsable(): boolean {
    return !this.isDisbelieved && this.#failures < failuresMax
  }

  /** Whether it is known what it has, or that it does not say. */
  get isHeard(): boolean {
    return this.availability !== undefined || this.#isSilent || this.#failures > 0
  }

  onAnswer(availability: Availability): void {
    this.availability = availability
    this.request = undefined
  }

  /** It has not said in time what it has. It is asked again, for it costs little. */
  onSilence(): void {
    this.#isSilent = true
    this.request = undefined
  }

  /** Nothing can be sent to it for now. */
  onUnreachable(): void {
    this.onSilence()
    this.availability = undefined
  }

  onDelivered(): void {
    this.#failures = 0
    this.request = undefined
  }

  /** It does not have what it was asked for. */
  onAbsent(): void {
    this.#failures++
    this.availability = undefined
    this.request = undefined
  }

  /** It has not answered in time. What it had to send may be too much for the way between. */
  onLate(): void {
    this.onAbsent()
    this.#bytesMax = Math.max(bytesMin, Math.floor(this.#bytesMax / 2))
  }
}

/** Whom there is to ask, in the order in which they became known, and the leader last: it has enough to do. */
export class Sources implements Iterable<Source> {
  readonly #sources = new Map<MemberId, Source>()
  readonly #leader: MemberId
  readonly #bytesMax: number

  constructor(leader: MemberId, bytesMax: number) {
    this.#leader = leader
    this.#bytesMax = bytesMax
  }

  get leader(): Source | undefined {
    return this.#sources.get(this.#leader)
  }

  get(member: MemberId): Source | undefined {
    return this.#sources.get(member)
  }

  add(member: MemberId): void {
    if (!this.#sources.has(member)) this.#sources.set(member, new Source(member, this.#bytesMax))
  }

  remove(member: MemberId): Source | undefined {
    const source = this.#sources.get(member)
    this.#sources.delete(member)
    return source
  }

  *[Symbol.iterator](): Iterator<Source> {
    for (const source of this.#sources.values()) if (source.member !== this.#leader) yield source
    if (this.leader !== undefined) yield this.leader
  }

  /** Whether of all who may be of use it is known what they have. */
  get areHeard(): boolean {
    return [...this.#sources.values()].every((source) => !source.isUsable || source.isHeard)
  }
}
