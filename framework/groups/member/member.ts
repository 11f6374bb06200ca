import {
  invariant,
  MosaikError,
  nextTurn,
  raceSignal,
  type Clock,
  type Digest,
  type Random,
} from '#framework/primitives'
import type { AppliedSubmission, ReplicatedMachine } from '../machine/replicated-machine.js'
import {
  RaftCore,
  type ClusterId,
  type Configuration,
  type Entry,
  type Incident,
  type Index,
  type MemberId,
  type MemberProgress,
  type Message,
  type Proposal,
  type ProposeOutcome,
  type RaftOptions,
  type RaftStatus,
  type ReadId,
  type ReadIndex,
  type Ready,
  type Refusal,
  type RoleFacts,
  type StepOutcome,
  type SyncDemand,
  type Term,
  type TransferOutcome,
} from '../raft/index.js'
import {
  lastIndexOf,
  type GroupStorage,
  type RestoredGroup,
  type StagedSnapshot,
  type StorageWrite,
} from '../storage/index.js'
import { AppliedWaits } from './applied-waits.js'
import { Checkpoints } from './checkpoints.js'
import { Hedge } from './hedge.js'
import { completionOf, type Unwritten } from './unwritten.js'

/** Whom a member tells what happens. Called synchronously, and must not throw. */
export interface MemberEvents<R> {
  /** To be sent to another member. Losing it is harmless. */
  onMessage(message: Message): void
  /** An entry was applied. `submission`: what it has come to, if somebody submitted it. */
  onApplied(entry: Entry, submission: AppliedSubmission<R> | undefined): void
  /** The machine was put to the state of a snapshot: what was applied by it did not come one by one. */
  onRestored(): void
  onRole(facts: RoleFacts): void
  /** There is another configuration in the log. */
  onConfiguration(): void
  /** What this member needs next is not in the leader's memory any more. */
  onSyncRequired(demand: SyncDemand): void
  onIncident(incident: Incident): void
  /** It is over: the storage has failed, or the machine has, or the log is not the leader's. Told once. */
  onEnded(cause: unknown): void
}

export interface MemberOptions<C, R, Q, A> {
  readonly id: MemberId
  readonly storage: GroupStorage
  readonly restored: RestoredGroup
  /** Its state may be ahead of the stored snapshot, when this is not its first life. */
  readonly machine: ReplicatedMachine<C, R, Q, A>
  /** {@link Member.unwritten} of the member before, if its storage had failed. */
  readonly unwritten?: Unwritten | undefined
  /** Ticks, limits and so on. */
  readonly raft?: Omit<RaftOptions, 'id' | 'restored' | 'random'> | undefined
  /** How many entries are applied between two snapshots, or before the log in memory is let go. Default 10 000. */
  readonly checkpointEntries?: number | undefined
  readonly clock: Clock
  readonly random: Random
  readonly events: MemberEvents<R>
}

/** A read was not confirmed because this member leads no more, or never did. Nothing is known but that. */
export class ReadRefusedError extends MosaikError {
  readonly refusal: Refusal | undefined

  constructor(refusal?: Refusal) {
    super('GROUP_READ_REFUSED', 'this member may not answer for the group')
    this.refusal = refusal
  }
}

/**
 * One member of a group, from when its storage is opened until that fails or is closed: the consensus core, and around it
 * what the core cannot do. What it decides goes to the storage, to other members and to the machine in the order that
 * the core demands; nothing is said that is not durable yet.
 */
export class Member<C = unknown, R = unknown, Q = unknown, A = unknown> {
  readonly #core: RaftCore
  readonly #incarnation: string
  readonly #storage: GroupStorage
  readonly #machine: ReplicatedMachine<C, R, Q, A>
  readonly #clock: Clock
  readonly #events: MemberEvents<R>
  readonly #checkpoints: Checkpoints
  readonly #waits = new AppliedWaits()
  readonly #reads = new Map<ReadId, PromiseWithResolvers<Index>>()
  readonly #readHedge: Hedge
  readonly #appendHedge: Hedge
  /** Committed, and not applied yet. */
  #committed: Entry[] = []
  /** Snapshots that have arrived, until the core has them written. */
  #staged: StagedSnapshot | undefined
  #configuration: Configuration
  #isRestoring = false
  #isPumpDue = false
  #isPumping = false
  #end: { readonly cause: unknown } | undefined

  private constructor(options: MemberOptions<C, R, Q, A>) {
    const { id, storage, restored, machine, raft, checkpointEntries, clock, random, events } = options
    this.#core = new RaftCore({
      ...raft,
      id,
      random,
      restored: { ...restored, appliedIndex: machine.appliedIndex },
    })
    this.#configuration = this.#core.configuration
    this.#incarnation = restored.incarnation
    this.#storage = storage
    this.#machine = machine
    this.#clock = clock
    this.#events = events
    this.#checkpoints = new Checkpoints({
      core: this.#core,
      storage,
      machine,
      snapshot: restored.snapshot,
      entriesBetween: checkpointEntries,
    })
    const hedge = (widen: () => void): Hedge =>
      new Hedge({
        clock,
        widen: () => {
          widen()
          this.#schedule()
        },
      })
    this.#readHedge = hedge(() => this.#core.widenReads())
    this.#appendHedge = hedge(() => this.#core.widenAppends())
  }

  /**
   * Begins where the storage says. The machine is put to the state of the stored snapshot, unless it is further already.
   *
   * @throws GroupStorageError when what had been applied cannot be written; what is wrong with the snapshot, as the storage
   *   or the machine says it.
   */
  static async start<C, R, Q, A>(options: MemberOptions<C, R, Q, A>): Promise<Member<C, R, Q, A>> {
    const { storage, machine } = options
    const restored = await withAllApplied(options)
    const snapshot = storage.currentSnapshot()
    if (snapshot !== undefined && machine.appliedIndex < snapshot.facts.index) await machine.restore(snapshot)
    const member = new Member({ ...options, restored })
    member.#schedule()
    return member
  }

  get id(): MemberId {
    return this.#core.id
  }

  get clusterId(): ClusterId | undefined {
    return this.#core.clusterId
  }

  get status(): RaftStatus {
    return this.#core.status
  }

  /** The one in force. */
  get configuration(): Configuration {
    return this.#core.configuration
  }

  /** The latest one that is known to be committed. */
  get committedConfiguration(): Configuration {
    return this.#core.committedConfiguration
  }

  /** What the leader knows of the others; empty elsewhere. */
  get progress(): readonly MemberProgress[] {
    return this.#core.progress
  }

  /** Nothing happens any more. */
  get isOver(): boolean {
    return this.#end !== undefined
  }

  /**
   * What the storage may not have though it was applied, and all behind it, when the member is over. Undefined: it has
   * everything that was.
   */
  get unwritten(): Unwritten | undefined {
    if (this.#machine.appliedIndex <= this.#core.status.durableIndex) return undefined
    const { hardState, undurable: entries = [] } = this.#core
    return { incarnation: this.#incarnation, hardState, entries }
  }

  /** As {@link RaftCore.isQuiescent}. */
  get isQuiescent(): boolean {
    return this.#core.isQuiescent
  }

  /** As {@link RaftCore.mayQuiesce}. */
  get mayQuiesce(): boolean {
    return this.#core.mayQuiesce
  }

  /** Founds a cluster. Only while it belongs to none. */
  found(clusterId: ClusterId, configuration: Configuration): void {
    this.#core.found(clusterId, configuration)
    this.#schedule()
  }

  /** Makes another cluster of the one it belongs to, with its log, and leads that. */
  reform(clusterId: ClusterId, learners: readonly MemberId[]): void {
    this.#core.reform(clusterId, learners)
    this.#schedule()
  }

  /** Goes over, with its log, to a cluster that another member has made of the one it belongs to. */
  adopt(clusterId: ClusterId): void {
    this.#core.adopt(clusterId)
    this.#schedule()
  }

  /** Takes in what another member sent. */
  step(message: Message): StepOutcome {
    if (this.isOver) return 'stopped'
    const outcome = this.#core.step(message)
    this.#schedule()
    return outcome
  }

  /** Lets time pass, as {@link RaftCore.tick}. */
  tick(count: number, nowTick?: number): void {
    if (this.isOver) return
    this.#core.tick(count, nowTick)
    // Most ticks come to nothing, and there may be many groups.
    if (this.#core.hasReady) this.#schedule()
  }

  /** Has the group do without heartbeats, as {@link RaftCore.quiesce}. */
  quiesce(): void {
    if (this.#core.quiesce()) this.#schedule()
  }

  /** Something may be wrong, or about to happen, as {@link RaftCore.wake}. */
  wake(silentTicks?: number): void {
    if (this.isOver) return
    this.#core.wake(silentTicks)
    if (this.#core.hasReady) this.#schedule()
  }

  /** Appends entries, at the leader. What is proposed in one turn of the event loop is written and sent together. */
  propose(proposals: readonly Proposal[]): ProposeOutcome {
    const outcome = this.#core.propose(proposals, this.#clock.now())
    this.#schedule()
    return outcome
  }

  proposeConfiguration(next: Configuration): ProposeOutcome {
    const outcome = this.#core.proposeConfiguration(next, this.#clock.now())
    this.#schedule()
    return outcome
  }

  transferLeadership(target: MemberId): TransferOutcome {
    const outcome = this.#core.transferLeadership(target)
    this.#schedule()
    return outcome
  }

  setObservers(observers: readonly MemberId[]): void {
    this.#core.setObservers(observers)
  }

  /**
   * Resolves when the machine may be asked, at the leader: with everything applied that was acknowledged before the call.
   *
   * @returns The index that is applied.
   * @throws ReadRefusedError; the cause of the end; the signal's reason.
   */
  async read(consistency: 'strong' | 'lease', signal: AbortSignal): Promise<Index> {
    signal.throwIfAborted()
    const outcome = this.#core.read(consistency)
    if (!outcome.accepted) throw new ReadRefusedError(outcome)
    const confirmed = Promise.withResolvers<Index>()
    this.#reads.set(outcome.id, confirmed)
    this.#schedule()
    try {
      const index = await raceSignal(confirmed.promise, signal)
      await this.applied(index, signal)
      return index
    } finally {
      this.#reads.delete(outcome.id)
    }
  }

  /** As {@link RaftCore.readIndex}. */
  readIndex(clusterId: ClusterId, voters: Digest): ReadIndex | undefined {
    if (this.isOver) return undefined
    const readIndex = this.#core.readIndex(clusterId, voters)
    if (this.#core.hasReady) this.#schedule()
    return readIndex
  }

  /** As {@link RaftCore.termIn}. */
  termIn(clusterId: ClusterId): Term | undefined {
    return this.isOver ? undefined : this.#core.termIn(clusterId)
  }

  /**
   * Resolves when everything up to the entry of this index is applied.
   *
   * @throws The cause of the end; the signal's reason.
   */
  async applied(index: Index, signal: AbortSignal): Promise<void> {
    if (this.#machine.appliedIndex >= index) return
    if (this.#end !== undefined) throw this.#end.cause
    await this.#waits.until(index, signal)
  }

  /** Entries that are committed at somebody else than the leader. Says how many of them could be used. */
  appendFetched(entries: readonly Entry[]): number {
    if (this.isOver) return 0
    const count = this.#core.appendFetched(entries)
    this.#schedule()
    return count
  }

  /** An entry that the leader has committed, as it says outside of consensus. Says whether this log has the same. */
  commitFetched(from: MemberId, entry: Entry): boolean {
    if (this.isOver) return false
    const isSame = this.#core.commitFetched(from, entry)
    this.#schedule()
    return isSame
  }

  /** Tells the leader how far the log goes now. */
  announceEnd(): void {
    if (this.isOver) return
    this.#core.announceEnd()
    this.#schedule()
  }

  /**
   * Goes on from a snapshot that was got from another member.
   *
   * @returns False when this member has as much already.
   */
  installSnapshot(staged: StagedSnapshot): boolean {
    if (this.isOver || this.#isRestoring || !this.#core.installSnapshot(staged.facts)) return false
    this.#staged = staged
    this.#isRestoring = true
    this.#checkpoints.onInstalling(staged.facts)
    this.#schedule()
    return true
  }

  /** Puts off the next snapshot until it is disposed of: somebody reads the one that is stored. */
  holdSnapshot(): Disposable {
    return this.#checkpoints.hold()
  }

  /** Lets go. The storage is the owner's to close. Idempotent. */
  end(cause: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { cause }
    this.#committed = []
    this.#waits.rejectAll(cause)
    for (const read of this.#reads.values()) read.reject(cause as Error)
    this.#readHedge.watch(undefined)
    this.#appendHedge.watch(undefined)
    this.#checkpoints.stop()
    this.#events.onEnded(cause)
  }

  /** Whatever is asked for in one go is handled together. */
  #schedule(): void {
    if (this.#isPumpDue || this.isOver) return
    this.#isPumpDue = true
    queueMicrotask(this.#pump)
  }

  readonly #pump = (): void => {
    this.#isPumpDue = false
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (!this.isOver && this.#core.hasReady) {
        const ready = this.#core.takeReady()
        this.#handle(ready)
        if (ready.committed.length === 0) continue
        // There may be far more than fits into one turn, and others wait.
        this.#scheduleLater()
        break
      }
    } catch (error) {
      this.end(error)
    } finally {
      this.#isPumping = false
    }
  }

  #scheduleLater(): void {
    if (this.#isPumpDue) return
    this.#isPumpDue = true
    void nextTurn().then(this.#pump)
  }

  #handle(ready: Ready): void {
    // What is sent promises nothing of this storage, so others need not wait until it has been asked.
    for (const message of ready.messages) this.#events.onMessage(message)
    if (ready.mustPersist) this.#persist(ready)
    if (ready.role !== undefined) this.#events.onRole(ready.role)
    for (const incident of ready.incidents) this.#handleIncident(incident)
    if (ready.syncRequired !== undefined) this.#events.onSyncRequired(ready.syncRequired)
    for (const entry of ready.committed) this.#committed.push(entry)
    this.#applyCommitted()
    for (const { id, index } of ready.reads) this.#reads.get(id)?.resolve(index)
    for (const id of ready.failedReads) this.#reads.get(id)?.reject(new ReadRefusedError())
    if (!this.isOver) {
      this.#readHedge.watch(this.#core.thriftyRound)
      this.#appendHedge.watch(this.#core.thriftyIndex)
    }
    if (this.#core.configuration !== this.#configuration) {
      this.#configuration = this.#core.configuration
      this.#events.onConfiguration()
    }
  }

  #handleIncident(incident: Incident): void {
    this.#events.onIncident(incident)
    if (incident.type === 'diverged')
      this.end(new MosaikError('GROUP_DIVERGED', incident.reason, { details: { index: incident.index } }))
  }

  #persist(ready: Ready): void {
    const { id, isAwaited, hardState, snapshot, truncateFrom, entries } = ready
    const staged = snapshot && this.#staged
    invariant(
      (snapshot === undefined) === (staged === undefined),
      'a snapshot is staged before it is installed',
    )
    const write: StorageWrite = {
      hardState,
      truncateFrom,
      entries,
      mayWait: !isAwaited,
      ...(staged && { snapshot: staged, resetLog: snapshot?.keepsEntries !== true }),
    }
    const onWritten = (): void => {
      if (this.isOver) return
      if (staged !== undefined) this.#restore(staged)
      this.#core.persisted(id)
      this.#schedule()
    }
    this.#storage.write(write).then(onWritten, (error: unknown) => this.end(error))
  }

  #restore(staged: StagedSnapshot): void {
    const snapshot = this.#storage.currentSnapshot()
    invariant(snapshot?.facts.index === staged.facts.index, 'what was written is in force')
    this.#staged = undefined
    const onRestored = (): void => {
      this.#isRestoring = false
      if (this.isOver) return
      this.#waits.release(this.#machine.appliedIndex)
      this.#events.onRestored()
      this.#applyCommitted()
    }
    this.#machine.restore(snapshot).then(onRestored, (error: unknown) => this.end(error))
  }

  #applyCommitted(): void {
    if (this.#isRestoring || this.#committed.length === 0) return
    const entries = this.#committed
    this.#committed = []
    for (const entry of entries) {
      if (this.isOver) return
      // A snapshot may have brought it already.
      if (entry.index <= this.#machine.appliedIndex) continue
      const submission = this.#machine.apply(entry)
      this.#checkpoints.onApplied(entry)
      this.#events.onApplied(entry, submission)
    }
    this.#waits.release(this.#machine.appliedIndex)
    void this.#checkpoints.maybeTake().catch((error: unknown) => this.end(error))
  }
}

/**
 * What is stored, with what the machine has applied by now: entries are applied when they are committed, which may be before
 * they are stored here. A machine of which the log cannot be completed begins anew.
 */
async function withAllApplied<C, R, Q, A>({
  storage,
  restored,
  machine,
  unwritten,
}: MemberOptions<C, R, Q, A>): Promise<RestoredGroup> {
  const completion = unwritten && completionOf(restored, unwritten)
  if (completion !== undefined) {
    await storage.write(completion.write)
    return completion.restored
  }
  if (unwritten !== undefined || machine.appliedIndex > lastIndexOf(restored)) machine.reset()
  return restored
}
