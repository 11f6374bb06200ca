import {
  ComposedWatch,
  Condition,
  EventHub,
  messageOf,
  type Clock,
  type GroupId,
  type Logger,
  type PeerId,
  type Random,
  type ReadonlyWatch,
} from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import type { BondService } from '../bond/bond-service.js'
import type { GroupBonds, MembershipOptions } from '../bond/group-bonds.js'
import type { Lane } from '../bond/lanes.js'
import type { SubmissionPipeline } from '../client/submission-pipeline.js'
import type { GroupEvent, GroupPhase, GroupStatus, MemberStatus } from '../group.js'
import { GroupError } from '../group-error.js'
import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import type { Member } from '../member/member.js'
import {
  type ClusterId,
  type FoundingPolicy,
  type Incident,
  type Index,
  type MembershipLimits,
  type Message,
  type RaftOptions,
} from '../raft/index.js'
import { peerIdOf } from '../raft/member-id.js'
import type { StorageProvider } from '../storage/index.js'
import type { SyncPort } from '../sync/sync-port.js'
import { SyncWorker } from '../sync/sync-worker.js'
import { decodeForward, type ForwardMessage } from '../wire/forward-wire.js'
import { decodeNote, type Note } from '../wire/notes.js'
import { BUNDLE, CONSENSUS, controlMessage, MERGE, NOTE } from '../wire/control.js'
import { MalformedMessageError } from '../wire/message-bytes.js'
import { decodeMessage, encodeMessage } from '../wire/raft-wire.js'
import { bundling, type Bundles } from './bundles.js'
import { CommitWords } from './commit-words.js'
import { ForwardError, Forwarding } from './forwarding.js'
import { GivingWay } from './giving-way.js'
import { Islands } from './islands.js'
import { LeaderRequests } from './leader-requests.js'
import { Life } from './life.js'
import { memberStatuses } from './member-statuses.js'
import { MembershipKeeper } from './membership-keeper.js'
import { quiescence, Quiescing } from './quiescing.js'
import { Reforming } from './reforming.js'
import { SharedReads, type Confirmation } from './shared-reads.js'
import { Submitter } from './submitter.js'
import { tickMs, type Ticker, type Ticking } from './ticker.js'

/** How long a leader may take to confirm a read before it is asked again, in milliseconds. */
const readPatienceMs = 2_000

export interface GroupWorkerOptions<C, R, Q, A> {
  readonly id: GroupId
  readonly peer: PeerId
  readonly bonds: Pick<BondService, 'join' | 'leave'>
  readonly membership: Pick<MembershipOptions, 'key' | 'parameters' | 'role'>
  readonly storages: StorageProvider
  readonly machine: ReplicatedMachine<C, R, Q, A>
  readonly raft: Omit<RaftOptions, 'id' | 'restored' | 'random'>
  /** Entries that are applied between two snapshots. Default 10 000. */
  readonly checkpointEntries?: number | undefined
  readonly founding: FoundingPolicy
  readonly stillbornAfterTicks: number
  readonly limits: MembershipLimits
  /** How long no majority must have been seen for the group to be reformed. Undefined: it waits for one. */
  readonly reformAfterTicks: number | undefined
  readonly ticker: Ticker
  /** Those of the node. */
  readonly bundles: Bundles
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** One group on one node, for all handles: brings together the member, its bonds, its membership and its clients. */
export class GroupWorker<C = unknown, R = unknown, Q = unknown, A = unknown> {
  readonly id: GroupId
  readonly machine: ReplicatedMachine<C, R, Q, A>
  readonly events = new EventHub<GroupEvent>({ backlog: 64 })
  readonly bonds: GroupBonds
  readonly #options: GroupWorkerOptions<C, R, Q, A>
  readonly #life: Life<C, R, Q, A>
  readonly #forwarding = new Forwarding()
  readonly #requests: LeaderRequests
  readonly #commitWords: CommitWords<Bond>
  readonly #reads = new SharedReads((consistency) => this.#confirmRead(consistency))
  readonly #submitter: Submitter<R>
  readonly #keeper: MembershipKeeper
  readonly #islands: Islands
  readonly #givingWay: GivingWay<C, R, Q, A>
  readonly #reforming: Reforming | undefined
  readonly #closing = new AbortController()
  readonly #status: ComposedWatch<GroupStatus>
  readonly #members: ComposedWatch<readonly MemberStatus[]>
  readonly #ticking: Ticking
  readonly #quiescing: Quiescing
  #phase: GroupPhase = 'joining'
  #cause: unknown
  /** Of the member that there is. */
  #sync: SyncWorker | undefined
  #closed: Promise<void> | undefined

  private constructor(options: GroupWorkerOptions<C, R, Q, A>, life: Life<C, R, Q, A>) {
    const {
      id,
      bonds,
      membership,
      machine,
      founding,
      stillbornAfterTicks,
      limits,
      reformAfterTicks,
      random,
      ticker,
      raft,
      logger,
    } = options
    this.id = id
    this.machine = machine
    this.#options = options
    this.#life = life
    const member = (): Member | undefined => life.member as Member | undefined
    this.#submitter = new Submitter<R>({
      forwarding: this.#forwarding,
      member,
      machine: machine as ReplicatedMachine<unknown, R>,
      signal: this.#closing.signal,
    })
    this.bonds = bonds.join({
      ...membership,
      incarnation: life.incarnation,
      capabilities: [bundling, quiescence],
      events: {
        onBonded: (bond) => this.#onBonded(bond),
        onMessage: (bond, lane, message) => this.#onMessage(bond, lane, message),
        onDoubt: (bond, silentMs) => this.#onDoubt(bond, silentMs),
        onLost: (bond) => this.#onLost(bond),
      },
    })
    this.#commitWords = new CommitWords<Bond>({
      clock: options.clock,
      send: (bond, message) => void bond.send('bulk', encodeMessage(message)),
    })
    this.#requests = new LeaderRequests({
      commitWords: this.#commitWords,
      member: () => (this.#givingWay.isUnderWay ? undefined : member()),
      read: (leading, consistency) => this.#read(leading, consistency, this.#closing.signal),
    })
    this.#keeper = new MembershipKeeper({
      founding,
      stillbornAfterTicks,
      limits,
      mesh: this.bonds.mesh,
      member,
      isGivingWay: () => this.#givingWay.isUnderWay,
      survivor: () => this.#reforming?.survivor,
      onStillborn: () => this.#onStillborn(),
      send: (bond, note) => void bond.send('control', controlMessage(NOTE, note)),
    })
    this.#islands = new Islands({
      mesh: this.bonds.mesh,
      member,
      noteOf: (bond) => this.#keeper.noteOf(bond),
      send: (bond, message) => void bond.send('control', controlMessage(MERGE, message)),
    })
    this.#givingWay = new GivingWay({
      machine,
      storage: () => life.storage,
      durableIndex: () => life.member?.status.durableIndex ?? 0,
      isOnRecord: (verdict) => this.#islands.isOnRecord(verdict),
      wordTicks: Math.ceil((2 * membership.parameters.timing.heartbeatIntervalMs) / tickMs),
      logger,
      onDiscarded: (discarded) => {
        if (raft.faults?.discardsSilently !== true) this.events.emit({ type: 'forked', ...discarded })
      },
      onOver: () => this.#beginAnew(),
    })
    this.#reforming =
      reformAfterTicks === undefined
        ? undefined
        : new Reforming({
            afterTicks: reformAfterTicks,
            mesh: this.bonds.mesh,
            member,
            noteOf: (bond) => this.#keeper.noteOf(bond),
            random,
            faults: options.raft.faults,
            onNews: () => this.#keeper.announce(),
            onReformed: (before, clusterId) => this.#onReformed(before, clusterId),
          })
    this.#status = new ComposedWatch(() => this.#currentStatus())
    this.#members = new ComposedWatch(() => this.#currentMembers())
    this.#ticking = ticker.follow((ticks, nowTick) => this.#onTick(ticks, nowTick))
    this.#quiescing = new Quiescing({
      ticking: this.#ticking,
      bonds: this.bonds.mesh,
      member,
      isIdle: () => this.#submitter.isIdle && !this.#givingWay.isUnderWay && this.#closed === undefined,
      isSettled: () => this.#keeper.isSettled,
    })
    life.start({
      onMessage: (message) => this.#send(message),
      onApplied: (entry, submission) => {
        if (submission !== undefined) this.#submitter.onApplied(submission)
        if (entry.kind === 'configuration') this.#onConfigurationCommitted()
        this.#refresh()
      },
      onRestored: () => {
        this.#submitter.onRestored()
        this.#onConfigurationCommitted()
        this.#refresh()
      },
      onRole: () => this.#onRole(),
      onConfiguration: () => {
        this.#keeper.announce()
        this.#refresh()
      },
      onSyncRequired: (demand) => this.#sync?.onSyncRequired(demand),
      onIncident: (incident) => this.#onIncident(incident),
      onBegun: (begun) => this.#onBegun(begun),
      onStalled: (cause) => this.#onEnded('stalled', cause),
      onFailed: (cause) => this.#onEnded('failed', cause),
    })
  }

  /** @throws GroupStorageError; what joining the bonds throws. */
  static async start<C, R, Q, A>(options: GroupWorkerOptions<C, R, Q, A>): Promise<GroupWorker<C, R, Q, A>> {
    const { id: groupId, ...rest } = options
    const life = await Life.open<C, R, Q, A>({ ...rest, groupId })
    try {
      return new GroupWorker(options, life)
    } catch (error) {
      await life.close(error)
      throw error
    }
  }

  get status(): ReadonlyWatch<GroupStatus> {
    return this.#status
  }

  get members(): ReadonlyWatch<readonly MemberStatus[]> {
    return this.#members
  }

  /** The member that takes part in consensus here, to be looked at. Undefined while there is none. */
  get member(): Pick<Member, 'id' | 'status' | 'configuration'> | undefined {
    return this.#life.member
  }

  /** Aborts when the group is over on this node. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }

  /** Takes on what a handle submits. */
  serve(pipeline: SubmissionPipeline<R>): void {
    this.#submitter.add(pipeline)
  }

  /** The handle is gone. */
  unserve(pipeline: SubmissionPipeline<R>): void {
    this.#submitter.delete(pipeline)
  }

  /** There is something to submit. */
  submitSoon(): void {
    this.#quiescing.wake()
    this.#submitter.dispatchSoon()
  }

  /**
   * Resolves when this node may answer from its own state, or rejects, after two seconds at the latest.
   *
   * @throws ForwardError or ReadRefusedError when nobody leads, or whoever does gave no leave: it may be asked again.
   * @throws TimeoutError when the leader took too long; why there is no member.
   */
  readable(consistency: Confirmation): Promise<void> {
    this.#quiescing.wake()
    return this.#reads.confirmed(consistency)
  }

  /** Asks the leader to hand over. @throws as {@link readable}. */
  async transfer(to: PeerId, signal: AbortSignal): Promise<void> {
    this.#quiescing.wake()
    const member = this.#requireMember()
    const target = member.configuration.voters.find((voter) => peerIdOf(voter) === to)
    const leader = this.#leaderBond()
    if (target === undefined) throw new ForwardError('refused')
    if (leader === undefined) throw new ForwardError('not-leader')
    if (leader !== 'self') {
      await this.#forwarding.ask(leader, { type: 'transfer', to: target }, signal)
    } else if (target !== member.id && !member.transferLeadership(target).accepted) {
      throw new ForwardError('refused')
    }
  }

  /**
   * Ends this node's part in the group.
   *
   * @param timeoutMs How long the others may take to go on without this member.
   * @param isComingBack The node stops: a member whose log outlives that stays in the configuration, so that stopping all
   *   nodes one after the other does not leave the group to the last of them.
   */
  close(timeoutMs: number, isComingBack: boolean): Promise<void> {
    this.#quiescing.wake()
    this.#closed ??= this.#close(timeoutMs, isComingBack)
    return this.#closed
  }

  async #close(timeoutMs: number, isComingBack: boolean): Promise<void> {
    if (!this.#closing.signal.aborted && this.bonds.mesh.size > 0) {
      using deadline = this.#options.clock.deadline(timeoutMs, this.#closing.signal)
      const gone =
        isComingBack && !this.#life.isVolatile
          ? this.#handOver(deadline.signal)
          : this.#resign(deadline.signal)
      // What could not be done in time, the others do when they notice that this member is gone.
      await gone.catch(() => {})
    }
    this.#end('left', new GroupError('GROUP_TERMINATED', 'this node has left the group', []))
    await this.#options.bonds.leave(this.bonds)
    await this.#sync?.close()
    await this.#life.close(this.#cause)
  }

  /** Has the others take this member out of the configuration. */
  async #resign(signal: AbortSignal): Promise<void> {
    this.#keeper.leave()
    this.#keeper.look()
    const isOut = (): boolean => {
      const member = this.#life.member
      // Without anybody there is nobody to be taken out by.
      if (member === undefined || this.bonds.mesh.size === 0) return true
      return !member.configuration.voters.includes(member.id)
    }
    await new Condition(this.#members, isOut, { signal })
  }

  /** Has another voter lead, if this member does. */
  async #handOver(signal: AbortSignal): Promise<void> {
    if (!this.#keeper.handOver()) return
    await new Condition(this.#status, ({ role }) => role !== 'leader', { signal })
  }

  #end(phase: GroupPhase, cause: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#commitWords.releaseAll()
    this.#phase = phase
    this.#cause = cause
    const terminated =
      cause instanceof GroupError
        ? cause
        : new GroupError('GROUP_TERMINATED', 'the group has failed on this node', [], { cause })
    this.#ticking.stop()
    this.#closing.abort(terminated)
    this.#refresh()
    this.#status.end(terminated)
    this.#members.end(terminated)
    this.events.end()
  }

  // What the member tells

  #onBegun(member: Member<C, R, Q, A>): void {
    const { clock, logger } = this.#options
    const { storage } = this.#life
    this.#quiescing.resume()
    this.#phase = 'joining'
    this.#cause = undefined
    this.#givingWay.stop()
    this.#endSync()
    if (storage !== undefined) {
      const stateSync = this.machine.hasSnapshots ? 'snapshot' : 'log-replay'
      this.#sync = new SyncWorker({ member, storage, stateSync, port: this.#syncPort(), clock, logger })
    }
    this.bonds.renew(this.#life.incarnation)
    // The machine may be another one than before.
    this.#submitter.onRestored()
    this.#keeper.announce()
    this.#keeper.look()
    this.#maybeGiveWay()
    this.#onRole()
  }

  #onEnded(phase: 'stalled' | 'failed', cause: unknown): void {
    const { logger } = this.#options
    this.#endSync()
    this.#submitter.onLeader(undefined)
    if (phase === 'stalled') {
      this.#phase = phase
      this.#cause = cause
      this.#refresh()
      // If this member led, nobody may have missed it so far.
      this.#keeper.alarm()
      return
    }
    logger.error('a group has failed on this node', { group: this.id, cause: messageOf(cause) })
    this.#end(phase, cause)
    // Others must not count on this node.
    void this.#options.bonds.leave(this.bonds)
  }

  #endSync(): void {
    void this.#sync?.close()
    this.#sync = undefined
  }

  #syncPort(): SyncPort {
    const { mesh } = this.bonds
    return {
      send: (to, message) => {
        const bond = mesh.get(peerIdOf(to))
        return bond?.member === to ? bond.send('sync', message) : 'closed'
      },
      members: () => [...mesh].map((bond) => bond.member),
    }
  }

  #onRole(): void {
    this.#tellLeader()
    this.#keeper.announce()
    this.#refresh()
  }

  #onIncident(incident: Incident): void {
    const { logger } = this.#options
    // Who leaves has asked for it.
    const isExpected = incident.type === 'removed' && this.#closed !== undefined
    logger[isExpected ? 'debug' : 'warn']('consensus', { group: this.id, ...incident })
    if (incident.type === 'diverged')
      this.events.emit({ type: 'diverged', index: incident.index, reason: incident.reason })
    if (incident.type === 'quorum-lost') this.events.emit({ type: 'quorum-lost', term: incident.term })
  }

  /** What was decided about clusters is certain now, and may be about this one. */
  #onConfigurationCommitted(): void {
    this.#keeper.onCommitted()
    this.#islands.onCommitted()
    this.#maybeGiveWay()
  }

  #onNote(bond: Bond, note: Note): void {
    this.#quiescing.wake()
    this.#keeper.onNote(bond, note)
    this.#islands.onNote()
    this.#maybeGiveWay()
  }

  /** If another cluster goes on instead of this one, nothing is taken in any more. */
  #maybeGiveWay(): void {
    const verdict = this.#givingWay.isUnderWay ? undefined : this.#islands.loss
    if (verdict === undefined) return
    this.#givingWay.begin(verdict)
    this.#keeper.giveWay(verdict)
    this.#tellLeader()
  }

  /** The cluster that the member has founded, or was named a founder of, never had a leader. */
  #onStillborn(): void {
    this.#options.logger.info('a founding of which nothing has come is forgotten', { group: this.id })
    this.#beginAnew()
  }

  #beginAnew(): void {
    this.#keeper.reset()
    this.#life.beginAnew()
  }

  /** The member is in another cluster, with all that it had. */
  #onReformed(before: ClusterId, clusterId: ClusterId): void {
    const { lastIndex, committedApplicationIndex: committed } = this.#life.member!.status
    this.#options.logger.warn('a group goes on without its majority', {
      group: this.id,
      before,
      clusterId,
      lastIndex,
      committed,
    })
    this.#keeper.announce()
    this.events.emit({ type: 'reformed', before, clusterId })
  }

  #onTick(ticks: number, nowTick: number): void {
    this.#life.member?.tick(ticks, nowTick)
    this.#keeper.onTick(ticks)
    if (!this.#givingWay.isUnderWay) this.#reforming?.onTick(ticks)
    this.#islands.onTick(ticks)
    this.#givingWay.onTick(ticks)
    this.#submitter.onTick(ticks)
    this.#quiescing.onTick(ticks)
  }

  // Bonds

  #onBonded(bond: Bond): void {
    this.#quiescing.wake()
    this.#options.bundles.add(bond, (message) => this.#step(bond, message))
    this.#keeper.onBonded(bond)
    this.#sync?.onBonded(bond.member)
    this.#tellLeader()
    this.#refresh()
  }

  /** The leader is missed by those who follow it, and everybody by the leader. */
  #onDoubt(bond: Bond, silentMs: number): void {
    const leader = this.#life.member?.status.leader
    if (leader === bond.member) this.#quiescing.wake(silentMs)
    else if (leader === this.#life.member?.id) this.#quiescing.wake()
  }

  #onLost(bond: Bond): void {
    this.#quiescing.wake()
    this.#options.bundles.remove(bond)
    this.#forwarding.onLost(bond)
    this.#commitWords.forget(bond)
    this.#keeper.onLost(bond)
    this.#sync?.onLost(bond.member)
    this.#tellLeader()
    this.#refresh()
  }

  #onMessage(bond: Bond, lane: Lane, message: Uint8Array): void | Promise<void> {
    switch (lane) {
      case 'control':
        if (message[0] === NOTE) return this.#onNote(bond, decodeNote(message.subarray(1)))
        if (message[0] === CONSENSUS) return this.#step(bond, message.subarray(1))
        if (message[0] === MERGE) return this.#onMerge(message.subarray(1))
        if (message[0] === BUNDLE) return this.#options.bundles.receive(bond, message.subarray(1))
        throw new MalformedMessageError('there is no such kind of messages')
      case 'bulk':
        return this.#step(bond, message)
      case 'forward':
        this.#quiescing.resume()
        return this.#onForward(bond, decodeForward(message))
      case 'sync':
        this.#quiescing.resume()
        return this.#sync?.onMessage(bond.member, message)
    }
  }

  #onMerge(message: Uint8Array): void {
    this.#quiescing.wake()
    this.#islands.onMessage(message)
  }

  #step(bond: Bond, bytes: Uint8Array): void {
    this.#quiescing.resume()
    const ends = { from: bond.member, to: this.#life.memberId }
    const message = decodeMessage(bytes, ends)
    this.#life.member?.step(message)
  }

  #send(message: Message): void {
    const bond = this.bonds.mesh.get(peerIdOf(message.to))
    // Another incarnation knows nothing of what is said to this one.
    if (bond?.member !== message.to) return
    // Entries, and what is said of them: a word that they are committed must not arrive before they do. Losing any of it is
    // harmless: what is busy now is tried again with the next heartbeat.
    if (message.type === 'append' && (message.answer === 'when-durable' || message.answer === 'none'))
      return this.#commitWords.pass(bond, message)
    const bytes = encodeMessage(message)
    if (message.type === 'append' || message.type === 'append-answer') this.#options.bundles.send(bond, bytes)
    else bond.send('control', controlMessage(CONSENSUS, bytes))
  }

  #onForward(bond: Bond, message: ForwardMessage): void {
    switch (message.type) {
      case 'submit':
      case 'read':
      case 'transfer':
        return this.#requests.onRequest(bond, message)
      default:
        this.#forwarding.onAnswer(bond, message)
    }
  }

  // Reads

  #read(member: Pick<Member, 'read'>, consistency: Confirmation, signal: AbortSignal): Promise<Index> {
    // When this process was held up, what has arrived may come before the timer that says how much time is gone: and with
    // that, maybe, the lease.
    if (consistency === 'lease') this.#options.ticker.catchUp()
    return member.read(consistency, signal)
  }

  async #confirmRead(consistency: Confirmation): Promise<void> {
    const member = this.#requireMember()
    const leader = this.#leaderBond()
    if (leader === undefined) throw new ForwardError('not-leader')
    using patience = this.#options.clock.deadline(readPatienceMs, this.#closing.signal)
    if (leader === 'self') {
      await this.#read(member, consistency, patience.signal)
      return
    }
    const answer = await this.#forwarding.ask(leader, { type: 'read', consistency }, patience.signal)
    if (answer.type === 'readable') await member.applied(answer.index, patience.signal)
  }

  // Status

  #requireMember(): Member<C, R, Q, A> {
    const { member } = this.#life
    if (member === undefined) throw new ForwardError('not-leader')
    return member
  }

  /** The way to the leader, if one is known and in reach. */
  #leaderBond(): Bond | 'self' | undefined {
    const member = this.#life.member
    const leader = member?.status.leader
    if (member === undefined || leader === undefined || this.#givingWay.isUnderWay) return undefined
    if (leader === member.id) return 'self'
    const bond = this.bonds.mesh.get(peerIdOf(leader))
    return bond?.member === leader ? bond : undefined
  }

  #tellLeader(): void {
    const bond = this.#leaderBond()
    const term = this.#life.member?.status.term ?? 0
    this.#submitter.onLeader(bond && { term, bond: bond === 'self' ? undefined : bond })
  }

  /** What others see of the group is another thing now. */
  #refresh(): void {
    this.#status.invalidate()
    this.#members.invalidate()
  }

  #currentStatus(): GroupStatus {
    const member = this.#life.member
    const status = member?.status
    const voters = member?.configuration.voters.length ?? 0
    const isOnline = this.#phase === 'joining' && status?.leader !== undefined
    return {
      id: this.id,
      phase: isOnline ? 'online' : this.#phase,
      cause: this.#cause,
      role: status?.role ?? 'follower',
      term: status?.term ?? 0,
      leader: status?.leader === undefined ? undefined : peerIdOf(status.leader),
      clusterId: member?.clusterId,
      committed: this.machine.applicationIndex,
      durability: {
        acks: voters === 0 ? 0 : Math.floor(voters / 2) + 1,
        voters,
        isDurable: !this.#life.isVolatile,
      },
    }
  }

  #currentMembers(): readonly MemberStatus[] {
    const { member } = this.#life
    return member === undefined ? [] : memberStatuses(member as Member, this.bonds.mesh)
  }
}
