import {
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
import type { SubmissionPipeline } from '../client/submission-pipeline.js'
import type { GroupEvent, GroupPhase, GroupStatus, MemberStatus } from '../group.js'
import { GroupError } from '../group-error.js'
import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import type { Member } from '../member/member.js'
import {
  type ClusterId,
  type FoundingPolicy,
  type Incident,
  type MembershipLimits,
  type RaftOptions,
} from '../raft/index.js'
import type { StorageProvider } from '../storage/index.js'
import { SyncWorker } from '../sync/sync-worker.js'
import { type Note } from '../wire/notes.js'
import { controlMessage, MERGE, NOTE } from '../wire/control.js'
import { encodeMessage } from '../wire/raft-wire.js'
import { BondTraffic } from './bond-traffic.js'
import { bundling, type Bundles } from './bundles.js'
import { HeldAppends } from './held-appends.js'
import { handOver, resign } from './departure.js'
import { Forwarding } from './forwarding.js'
import { GivingWay } from './giving-way.js'
import { GroupView } from './group-view.js'
import { Islands } from './islands.js'
import { LeaderAccess } from './leader-access.js'
import { LeaderRequests } from './leader-requests.js'
import { Life } from './life.js'
import { MembershipKeeper } from './membership-keeper.js'
import { quiescence, Quiescing } from './quiescing.js'
import { ReadAsker, readConfirmation } from './read-asker.js'
import { Reforming } from './reforming.js'
import { type Confirmation } from './shared-reads.js'
import { Submitter } from './submitter.js'
import { tickMs, type Ticker, type Ticking } from './ticker.js'

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
  readonly #heldAppends: HeldAppends<Bond>
  readonly #access: LeaderAccess
  readonly #traffic: BondTraffic
  readonly #submitter: Submitter<R>
  readonly #keeper: MembershipKeeper
  readonly #islands: Islands
  readonly #givingWay: GivingWay<C, R, Q, A>
  readonly #reforming: Reforming | undefined
  readonly #closing = new AbortController()
  readonly #view: GroupView
  readonly #ticking: Ticking
  readonly #quiescing: Quiescing
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
      bundles,
      raft,
      clock,
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
      capabilities: [bundling, quiescence, readConfirmation],
      events: {
        onBonded: (bond) => this.#onBonded(bond),
        onMessage: (bond, lane, message) => this.#traffic.onMessage(bond, lane, message),
        onDoubt: (bond, silentMs) => this.#onDoubt(bond, silentMs),
        onLost: (bond) => this.#onLost(bond),
      },
    })
    const { mesh } = this.bonds
    const isGivingWay = (): boolean => this.#givingWay.isUnderWay
    this.#view = new GroupView({ id, mesh, machine, member, isVolatile: () => life.isVolatile })
    this.#heldAppends = new HeldAppends<Bond>({
      clock,
      send: (bond, message) => void bond.send('bulk', encodeMessage(message)),
    })
    this.#access = new LeaderAccess({
      mesh,
      member,
      isGivingWay,
      forwarding: this.#forwarding,
      asker: new ReadAsker({ mesh, forwarding: this.#forwarding, clock, faults: raft.faults }),
      ticker,
      clock,
      signal: this.#closing.signal,
    })
    this.#traffic = new BondTraffic({
      mesh,
      bundles,
      heldAppends: this.#heldAppends,
      member,
      memberId: () => life.memberId,
      forwarding: this.#forwarding,
      requests: new LeaderRequests({
        heldAppends: this.#heldAppends,
        member: () => (isGivingWay() ? undefined : member()),
        read: (leading, consistency) => this.#access.read(leading, consistency, this.#closing.signal),
      }),
      quiescing: () => this.#quiescing,
      onNote: (bond, note) => this.#onNote(bond, note),
      onMerge: (message) => this.#islands.onMessage(message),
      onSync: (from, message) => this.#sync?.onMessage(from, message),
    })
    this.#keeper = new MembershipKeeper({
      founding,
      stillbornAfterTicks,
      limits,
      mesh,
      member,
      isGivingWay,
      gaveWay: life.gaveWay,
      survivor: () => this.#reforming?.survivor,
      onStillborn: () => this.#onStillborn(),
      send: (bond, note) => void bond.send('control', controlMessage(NOTE, note)),
    })
    this.#islands = new Islands({
      mesh,
      member,
      noteOf: (bond) => this.#keeper.noteOf(bond),
      gaveWay: () => this.#keeper.gaveWay,
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
            mesh,
            member,
            noteOf: (bond) => this.#keeper.noteOf(bond),
            random,
            faults: raft.faults,
            onNews: () => this.#keeper.announce(),
            onReformed: (before, clusterId) => this.#onReformed(before, clusterId),
          })
    this.#ticking = ticker.follow((ticks, nowTick) => this.#onTick(ticks, nowTick))
    this.#quiescing = new Quiescing({
      ticking: this.#ticking,
      bonds: mesh,
      member,
      isIdle: () => this.#submitter.isIdle && !isGivingWay() && this.#closed === undefined,
      isSettled: () => this.#keeper.isSettled,
    })
    life.start({
      onMessage: (message) => this.#traffic.send(message),
      onApplied: (entry, submission) => {
        if (submission !== undefined) this.#submitter.onApplied(submission)
        if (entry.kind === 'configuration') this.#onConfigurationCommitted()
        this.#view.refresh()
      },
      onRestored: () => {
        this.#submitter.onRestored()
        this.#onConfigurationCommitted()
        this.#view.refresh()
      },
      onRole: () => this.#onRole(),
      onConfiguration: () => {
        this.#keeper.announce()
        this.#view.refresh()
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
    return this.#view.status
  }

  get members(): ReadonlyWatch<readonly MemberStatus[]> {
    return this.#view.members
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

  /** {@link LeaderAccess.readable} */
  readable(consistency: Confirmation): Promise<void> {
    this.#quiescing.wake()
    return this.#access.readable(consistency)
  }

  /** {@link LeaderAccess.transfer} */
  transfer(to: PeerId, signal: AbortSignal): Promise<void> {
    this.#quiescing.wake()
    return this.#access.transfer(to, signal)
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
      const depart = isComingBack && !this.#life.isVolatile ? handOver : resign
      const departure = {
        keeper: this.#keeper,
        view: this.#view,
        mesh: this.bonds.mesh,
        member: () => this.#life.member as Member | undefined,
      }
      // What could not be done in time, the others do when they notice that this member is gone.
      await depart(departure, deadline.signal).catch(() => {})
    }
    this.#end('left', new GroupError('GROUP_TERMINATED', 'this node has left the group', []))
    await this.#options.bonds.leave(this.bonds)
    await this.#sync?.close()
    await this.#life.close(this.#view.cause)
  }

  #end(phase: GroupPhase, cause: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#heldAppends.releaseAll()
    this.#view.enter(phase, cause)
    const terminated =
      cause instanceof GroupError
        ? cause
        : new GroupError('GROUP_TERMINATED', 'the group has failed on this node', [], { cause })
    this.#ticking.stop()
    this.#closing.abort(terminated)
    this.#view.end(terminated)
    this.events.end()
  }

  // What the member tells

  #onBegun(member: Member<C, R, Q, A>): void {
    const { clock, logger } = this.#options
    const { storage } = this.#life
    this.#quiescing.resume()
    this.#view.enter('joining')
    this.#givingWay.stop()
    this.#endSync()
    if (storage !== undefined) {
      const stateSync = this.machine.hasSnapshots ? 'snapshot' : 'log-replay'
      this.#sync = new SyncWorker({ member, storage, stateSync, port: this.#traffic.sync, clock, logger })
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
      this.#view.enter(phase, cause)
      this.#view.refresh()
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

  #onRole(): void {
    this.#tellLeader()
    this.#keeper.announce()
    this.#view.refresh()
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
    this.#life.beginAnew(this.#keeper.gaveWay)
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
    this.#options.bundles.add(bond, (message) => this.#traffic.step(bond, message))
    this.#keeper.onBonded(bond)
    this.#sync?.onBonded(bond.member)
    this.#tellLeader()
    this.#view.refresh()
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
    this.#heldAppends.forget(bond)
    this.#keeper.onLost(bond)
    this.#sync?.onLost(bond.member)
    this.#tellLeader()
    this.#view.refresh()
  }

  #tellLeader(): void {
    const bond = this.#access.leader
    const term = this.#life.member?.status.term ?? 0
    this.#submitter.onLeader(bond && { term, bond: bond === 'self' ? undefined : bond })
  }
}
