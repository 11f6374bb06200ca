import type { Entry, Index, MemberId, SyncDemand } from '../raft/index.js'
import { Doubts } from './doubts.js'
import { Gap, holds } from './gap.js'
import { Sources, type Asked, type Source } from './sources.js'
import type { Absent, Availability, Entries, SnapshotOffer } from './sync-messages.js'
import type { SyncSettings } from './sync-settings.js'

/** Chunks that are on their way or wait for those before them. */
const chunksMax = 16
/** Chunks that are appended before the leader is asked whether they are its own, and before nothing more is appended. */
const confirmEvery = 4
const unconfirmedMax = 16
/** Entries that may wait to be durable before nothing more is appended. */
const unsyncedMax = 32_768
/** How soon it is looked again whether they are, in milliseconds. */
const syncPollMs = 10
/** A snapshot is not worth it for fewer entries, nor when each costs less than so many bytes of it. */
const replayMin = 10_000
const bytesPerReplayed = 256
/** By how much further back the next look is for where the own log leaves that of the others. */
const strideGrowth = 8

/** How far the own log goes. */
export interface OwnLog {
  readonly lastIndex: Index
  readonly commitIndex: Index
  readonly durableIndex: Index
}

/** What is to be done, one thing after the other. What comes of it is told as it says. */
export type CatchUpAction =
  /** Ask what there is: {@link CatchUpPlan.onAvailability}. */
  | { readonly type: 'ask'; readonly member: MemberId; readonly requestId: number }
  /** Ask for entries: {@link CatchUpPlan.onEntries}, {@link CatchUpPlan.onAbsent}. */
  | {
      readonly type: 'fetch'
      readonly member: MemberId
      readonly requestId: number
      readonly firstIndex: Index
      readonly lastIndex: Index
      readonly bytesMax: number
    }
  /** Append to the own log: {@link CatchUpPlan.onAppended}, at once. */
  | { readonly type: 'append'; readonly entries: readonly Entry[] }
  /** Commit up to an entry of the leader's, if the own log has it: {@link CatchUpPlan.onCommitted}, at once. */
  | { readonly type: 'commit'; readonly leader: MemberId; readonly entry: Entry }
  /** Get a snapshot: {@link CatchUpPlan.onPiece}, {@link CatchUpPlan.onSnapshot}. */
  | { readonly type: 'install'; readonly member: MemberId; readonly snapshot: SnapshotOffer }

export interface CatchUpPlanOptions {
  readonly demand: SyncDemand
  /** Whom there is to ask. */
  readonly members: Iterable<MemberId>
  readonly own: OwnLog
  readonly nowMs: number
  /** Whether the machine can be put to the state of a snapshot. */
  readonly takesSnapshots: boolean
  readonly settings: SyncSettings
  /** A number that no other request has. */
  readonly nextRequestId: () => number
}

/** `caught-up`: the log is the leader's up to where it was committed when it last said so; `stalled`: given up. */
export type CatchUpOutcome = 'caught-up' | 'stalled'

/**
 * How a member gets what its leader has compacted: one episode, as decisions alone. Entries come from several members at
 * once, the leader asked last, and each is taken only if its hash says that it follows. When nobody has the entry that is
 * next, or there are more than a snapshot is worth, it is a snapshot that is fetched. Nothing is committed before the
 * leader has sent one entry that proves that its log is the same up to there.
 *
 * Whoever sends what does not follow is asked nothing more. When nothing comes of it all for a while, the episode is over;
 * the next demand of the leader begins another one.
 */
export class CatchUpPlan {
  readonly #settings: SyncSettings
  readonly #nextRequestId: () => number
  readonly #takesSnapshots: boolean
  readonly #sources: Sources
  readonly #gap: Gap
  #demand: SyncDemand
  /** When anything last came of it, and how far that went. */
  #progressMs: number
  #progressIndex: Index
  /** Where the logs part is looked for, and how far back from there the next look will be. */
  #search: { readonly from: Index; readonly stride: number } | undefined
  readonly #doubts = new Doubts()
  /** What the leader has at an index that it was asked for. */
  #confirmation: Entry | undefined
  /** From whom a snapshot is on its way. */
  #installing: MemberId | undefined
  #outcome: CatchUpOutcome | undefined

  constructor({ demand, members, own, nowMs, takesSnapshots, settings, nextRequestId }: CatchUpPlanOptions) {
    this.#settings = settings
    this.#nextRequestId = nextRequestId
    this.#takesSnapshots = takesSnapshots
    this.#demand = demand
    this.#progressMs = nowMs
    this.#progressIndex = own.lastIndex
    this.#sources = new Sources(demand.leader, settings.batchBytes)
    for (const member of members) this.#sources.add(member)
    this.#gap = new Gap(own.lastIndex + 1, chunksMax)
    this.#beginSearch(own)
  }

  get leader(): MemberId {
    return this.#demand.leader
  }

  /** Undefined while it goes on. */
  get outcome(): CatchUpOutcome | undefined {
    return this.#outcome
  }

  /** When {@link next} is to be asked again, whatever happens. */
  nextMs(nowMs: number): number {
    let dueMs = this.#progressMs + this.#settings.stallTimeoutMs
    for (const source of this.#sources) {
      const { request, askedMs } = source
      if (request !== undefined) dueMs = Math.min(dueMs, request.dueMs)
      else if (this.#mayAsk(source)) dueMs = Math.min(dueMs, askedMs + this.#settings.askIntervalMs)
    }
    if (this.#gap.arrived !== undefined) dueMs = Math.min(dueMs, nowMs + syncPollMs)
    return dueMs
  }

  /** The same leader asks again: it may have committed, or compacted, more by now. */
  onDemand(demand: SyncDemand): void {
    this.#demand = demand
  }

  onBonded(member: MemberId): void {
    this.#sources.add(member)
  }

  onLost(member: MemberId): void {
    const asked = this.#sources.remove(member)?.request?.asked
    if (asked?.type === 'chunk') this.#gap.release(asked.chunk)
  }

  onAvailability(member: MemberId, answer: Availability): void {
    if (this.#answered(member, answer, 'availability') === undefined) return
    this.#sources.get(member)!.onAnswer(answer)
  }

  onEntries(member: MemberId, { requestId, firstIndex, entries }: Entries): void {
    const asked = this.#answered(member, { requestId }, 'chunk', 'confirmation')
    if (asked === undefined) return
    const source = this.#sources.get(member)!
    source.onDelivered()
    if (asked.type === 'confirmation') {
      if (firstIndex === asked.index) this.#confirmation = entries[0]
      return
    }
    const { chunk } = asked
    if (!this.#gap.has(chunk)) return
    if (firstIndex === chunk.firstIndex && entries.length <= chunk.lastIndex - firstIndex + 1) {
      this.#gap.arrive(chunk, { from: member, entries })
    } else {
      this.#gap.release(chunk)
      this.#disbelieve(source)
    }
  }

  onAbsent(member: MemberId, answer: Absent): void {
    const asked = this.#answered(member, answer, 'availability', 'chunk', 'confirmation')
    if (asked === undefined) return
    this.#sources.get(member)!.onAbsent()
    if (asked.type === 'chunk') this.#gap.release(asked.chunk)
  }

  /** A request could not be sent. Whoever it was for is asked again later. */
  onUnsent(member: MemberId, requestId: number): void {
    const asked = this.#answered(member, { requestId }, 'availability', 'chunk', 'confirmation')
    if (asked === undefined) return
    this.#sources.get(member)!.onUnreachable()
    if (asked.type === 'chunk') this.#gap.release(asked.chunk)
  }

  /** So many of the entries, from the first on, follow or were there. */
  onAppended(count: number, own: OwnLog, nowMs: number): void {
    const { from, entries } = this.#gap.arrived!
    const isSearching = this.#search !== undefined
    if (count > 0) {
      this.#search = undefined
      if (own.lastIndex > this.#progressIndex) this.#noteProgress(own, nowMs)
      this.#doubts.onAppended(from)
    }
    if (count === entries.length) return this.#gap.append(count)
    if (isSearching && count === 0 && this.#gap.firstIndex > own.commitIndex + 1)
      return this.#searchBefore(this.#gap.firstIndex, own)
    if (count === 0 && !isSearching && this.#isDoubtful(from, own)) {
      this.#doubts.isDisputed = true
      return
    }
    const source = this.#sources.get(from)
    if (source !== undefined) this.#disbelieve(source)
    if (isSearching && count === 0) this.#beginSearch(own)
    else this.#gap.append(count)
  }

  /** Whether the own log has the leader's entry. */
  onCommitted(isSame: boolean, entry: Entry, own: OwnLog, nowMs: number): void {
    this.#doubts.onConfirmed()
    if (isSame) {
      this.#noteProgress(own, nowMs)
      if (entry.index >= this.#gap.firstIndex - 1) this.#doubts.settle()
      return
    }
    const member = this.#doubts.blame()
    const source = member === undefined ? undefined : this.#sources.get(member)
    if (source !== undefined) this.#disbelieve(source)
    this.#searchAnew(entry.index, own)
  }

  /** Another piece of the snapshot has come. */
  onPiece(nowMs: number): void {
    this.#progressMs = nowMs
  }

  /** The snapshot is the own log's beginning from now on, or will not come. */
  onSnapshot(result: 'installed' | 'absent' | 'late', own: OwnLog, nowMs: number): void {
    const source = this.#installing === undefined ? undefined : this.#sources.get(this.#installing)
    this.#installing = undefined
    if (result === 'installed') this.#noteProgress(own, nowMs)
    else if (result === 'late') source?.onLate()
    else source?.onAbsent()
    this.#beginSearch(own)
  }

  /** The next thing to be done; undefined when there is nothing to do for now. */
  next(own: OwnLog, nowMs: number): CatchUpAction | undefined {
    this.#expire(nowMs)
    if (this.#outcome !== undefined) return undefined
    if (own.commitIndex >= this.#demand.commitIndex) {
      this.#outcome = 'caught-up'
      return undefined
    }
    if (nowMs - this.#progressMs >= this.#settings.stallTimeoutMs) {
      this.#outcome = 'stalled'
      return undefined
    }
    // The leader may have taken back what was there.
    if (this.#gap.firstIndex > own.lastIndex + 1) this.#beginSearch(own)
    if (this.#doubts.isDisputed) this.#judge(own)
    // Requests first, so that others are busy while this member is; the leader's confirmation before its next chunk.
    return (
      this.#commit() ??
      this.#install(own) ??
      this.#confirm(own, nowMs) ??
      this.#fetch(nowMs) ??
      this.#ask(nowMs) ??
      this.#append(own)
    )
  }

  #noteProgress({ lastIndex }: OwnLog, nowMs: number): void {
    this.#progressMs = nowMs
    this.#progressIndex = lastIndex
  }

  /** What was asked of somebody, if this is the answer to it and of the right kind. */
  #answered<T extends Asked['type']>(
    member: MemberId,
    { requestId }: { readonly requestId: number },
    ...types: readonly T[]
  ): Extract<Asked, { type: T }> | undefined {
    const request = this.#sources.get(member)?.request
    if (request?.id !== requestId) return undefined
    const { asked } = request
    return types.includes(asked.type as T) ? (asked as Extract<Asked, { type: T }>) : undefined
  }

  #expire(nowMs: number): void {
    for (const source of this.#sources) {
      const { request } = source
      if (request === undefined || request.dueMs > nowMs) continue
      if (request.asked.type === 'availability') source.onSilence()
      else source.onLate()
      if (request.asked.type === 'chunk') this.#gap.release(request.asked.chunk)
    }
  }

  /** An entry in the own log that is not committed may be one that no other log has. */
  #beginSearch({ lastIndex, commitIndex }: OwnLog): void {
    // Beyond what the leader has committed, its confirmation will tell.
    const isSure = lastIndex === commitIndex || lastIndex >= this.#demand.commitIndex
    const from = lastIndex + 1
    this.#search = isSure ? undefined : { from, stride: this.#settings.batchEntries }
    this.#gap.restart(from)
  }

  #searchBefore(index: Index, { commitIndex }: OwnLog): void {
    const stride = this.#search?.stride ?? this.#settings.batchEntries
    const from = Math.max(commitIndex + 1, index - stride)
    this.#search = { from, stride: stride * strideGrowth }
    this.#gap.restart(from)
  }

  /** Begins to look for where the logs part before an index at which they do not agree. */
  #searchAnew(index: Index, own: OwnLog): void {
    this.#doubts.settle()
    this.#search = undefined
    this.#searchBefore(index, own)
  }

  /** Whether what does not follow may be right, and what others sent before it wrong. */
  #isDoubtful(from: MemberId, { commitIndex }: OwnLog): boolean {
    return this.#doubts.hasOthersThan(from) && commitIndex < this.#gap.firstIndex - 1
  }

  /** What a dispute comes to without the leader's confirmation. */
  #judge(own: OwnLog): void {
    const index = this.#gap.firstIndex
    if (own.commitIndex >= index - 1) this.#doubts.settle()
    else if (!this.#leaderConfirms(index - 1)) {
      this.#doubts.isWary = true
      this.#searchAnew(index, own)
    }
  }

  #disbelieve(source: Source): void {
    source.isDisbelieved = true
    this.#gap.disbelieve(source.member)
  }

  #commit(): CatchUpAction | undefined {
    const entry = this.#confirmation
    if (entry === undefined) return undefined
    this.#confirmation = undefined
    return { type: 'commit', leader: this.leader, entry }
  }

  #append({ lastIndex, durableIndex }: OwnLog): CatchUpAction | undefined {
    const { arrived } = this.#gap
    if (arrived === undefined || lastIndex - durableIndex >= unsyncedMax) return undefined
    return this.#isHeldBack ? undefined : { type: 'append', entries: arrived.entries }
  }

  /** Whether nothing more is appended before the leader has confirmed what was. */
  get #isHeldBack(): boolean {
    const { isDisputed, chunkCount } = this.#doubts
    if (isDisputed) return true
    return chunkCount >= unconfirmedMax && this.#leaderConfirms(this.#gap.firstIndex - 1)
  }

  #leaderConfirms(index: Index): boolean {
    const availability = this.#sources.leader?.availability
    return availability === undefined || availability.firstIndex <= index
  }

  #confirm(own: OwnLog, nowMs: number): CatchUpAction | undefined {
    const source = this.#sources.leader
    if (source?.availability === undefined || source.request !== undefined) return undefined
    if (this.#search !== undefined || this.#confirmation !== undefined) return undefined
    const { firstIndex, lastIndex } = source.availability
    const { isDisputed, chunkCount } = this.#doubts
    // What is behind that is of the own log alone, and was not looked at.
    const reached = Math.min(own.lastIndex, this.#gap.firstIndex - 1)
    const isDue = isDisputed || reached >= this.#demand.commitIndex || chunkCount >= confirmEvery
    const index = Math.min(reached, this.#demand.commitIndex, lastIndex)
    if (!isDue || index < firstIndex || index <= own.commitIndex) return undefined
    return this.#fetchFrom(source, { type: 'confirmation', index }, index, index, nowMs)
  }

  #install(own: OwnLog): CatchUpAction | undefined {
    if (!this.#takesSnapshots || this.#installing !== undefined) return undefined
    const isNeeded = this.#sources.areHeard && !this.#isFetchable
    for (const { member, isUsable, request, availability } of this.#sources) {
      const snapshot = availability?.snapshot
      if (snapshot === undefined || !isUsable || request !== undefined) continue
      const { facts, byteLength } = snapshot
      const replayed = facts.index - own.lastIndex
      const isWorthIt = replayed >= replayMin && replayed * bytesPerReplayed > byteLength
      if (!isWorthIt && !(isNeeded && facts.index > own.commitIndex)) continue
      this.#installing = member
      this.#gap.restart(own.lastIndex + 1)
      return { type: 'install', member, snapshot }
    }
    return undefined
  }

  /**
   * Whether somebody has the next entry that is not on its way, or none is needed. Who has those before it alone is behind too,
   * and may wait for this member.
   */
  get #isFetchable(): boolean {
    const index = this.#gap.firstOpenIndex
    if (index > this.#demand.commitIndex || this.#gap.arrived !== undefined) return true
    return [...this.#sources].some(
      ({ isUsable, availability, request }) =>
        isUsable &&
        ((availability !== undefined && holds(availability, index)) || request?.asked.type === 'chunk'),
    )
  }

  #fetch(nowMs: number): CatchUpAction | undefined {
    if (this.#installing !== undefined || this.#isHeldBack) return undefined
    for (const source of this.#sources) {
      const { availability, isUsable, request, bytesMax } = source
      if (availability === undefined || !isUsable || request !== undefined) continue
      if (this.#doubts.isWary && this.#isAnyoneElseAsked(source)) continue
      const firstOpenIndex = this.#gap.firstOpenIndex
      // Until it is known that the logs are one, whatever else came would be of no use.
      if (this.#search !== undefined && firstOpenIndex !== this.#search.from) return undefined
      // Whoever alone is asked must have what is next, or nobody would ever be asked for that.
      const isInOrder = this.#search !== undefined || this.#doubts.isWary
      if (isInOrder && !holds(availability, firstOpenIndex)) continue
      const chunk = this.#gap.claim(availability, this.#demand.commitIndex, this.#settings.batchEntries)
      if (chunk === undefined) continue
      const asked = { type: 'chunk', chunk, bytesMax } as const
      return this.#fetchFrom(source, asked, chunk.firstIndex, chunk.lastIndex, nowMs)
    }
    return undefined
  }

  /** Whether what is not confirmed yet comes, or may come, from somebody else who is still believed. */
  #isAnyoneElseAsked(source: Source): boolean {
    if (this.#doubts.has(source.member)) return false
    const others = [...this.#sources].filter((other) => other !== source && other.isUsable)
    return others.some(
      ({ member, request }) =>
        request?.asked.type === 'chunk' || this.#gap.holds(member) || this.#doubts.has(member),
    )
  }

  #fetchFrom(
    source: Source,
    asked: Asked,
    firstIndex: Index,
    lastIndex: Index,
    nowMs: number,
  ): CatchUpAction {
    const { member, bytesMax } = source
    const requestId = this.#nextRequestId()
    source.request = { id: requestId, asked, dueMs: nowMs + this.#settings.fetchTimeoutMs }
    return { type: 'fetch', member, requestId, firstIndex, lastIndex, bytesMax }
  }

  /** The leader's word is needed in any case. */
  #mayAsk({ member, isUsable }: Source): boolean {
    return (isUsable || member === this.leader) && member !== this.#installing
  }

  /** Who has nothing to do may have more by now. */
  #ask(nowMs: number): CatchUpAction | undefined {
    const { askIntervalMs } = this.#settings
    for (const source of this.#sources) {
      const { member, request, askedMs } = source
      if (request !== undefined || !this.#mayAsk(source) || nowMs < askedMs + askIntervalMs) continue
      const requestId = this.#nextRequestId()
      source.request = { id: requestId, asked: { type: 'availability' }, dueMs: nowMs + askIntervalMs }
      source.askedMs = nowMs
      return { type: 'ask', member, requestId }
    }
    return undefined
  }
}
