import type { Random } from '#framework/primitives'
import type { CoreFaults } from '../../../framework/groups/raft/faults.js'
import { RaftCore } from '../../../framework/groups/raft/raft-core.js'
import type { ProposeOutcome, ReadId, Ready } from '../../../framework/groups/raft/ready.js'
import type {
  ClusterId,
  Configuration,
  Entry,
  Index,
  MemberId,
  SnapshotFacts,
  Term,
} from '../../../framework/groups/raft/types.js'
import type { RegisterInput } from '../clients/register.js'
import { DiskFullError, type SimDisk } from '../environment/disk.js'
import { SimBonds } from './bonds.js'
import type { DriverBugs } from './driver-bugs.js'
import { bytesOfRecord, recordsOf, type JournalRecord, type Recovered, type Snapshot } from './journal.js'
import type { ClientAnswer, ClientRequest, SimMessage } from './messages.js'
import { ReadQuestions } from './read-questions.js'
import { encodeCommands, Registers, type Applied } from './registers.js'

/** How the members of a world are set up. */
export interface MemberSettings {
  readonly heartbeatTicks: number
  readonly electionTicks: number
  readonly electionJitterTicks: number
  readonly clockDriftMax: number
  /** Infinity: the group is never quiescent. */
  readonly quiesceAfterTicks: number
  /** Applied entries between checkpoints. */
  readonly checkpointEvery: number
  /** Entries that compaction leaves. */
  readonly tailEntriesMax: number
  /** Entries of one append: with few of them a follower is behind for longer. */
  readonly appendEntriesMax: number
  readonly inFlightMessagesMax: number
  readonly coreFaults: CoreFaults
  readonly driverBugs: DriverBugs
}

/** What happens at a member, for those who watch that all is well. */
export interface MemberObserver {
  started(member: SimMember, recovered: Recovered): void
  /** The core has handed out what there is to do; nothing of it is done yet. */
  handedOut(member: SimMember, ready: Ready): void
  applied(member: SimMember, entry: Entry, applied: readonly Applied[]): void
  restored(member: SimMember, snapshot: Snapshot): void
  answeredRead(member: SimMember, request: ClientRequest): void
}

/** What a member has around it. */
export interface MemberSurroundings {
  readonly id: MemberId
  readonly host: number
  readonly disk: SimDisk<JournalRecord>
  readonly random: Random
  readonly settings: MemberSettings
  readonly observer: MemberObserver
  /** What the machine's clock says, in Unix milliseconds. */
  wallClockMs(): number
  send(host: number, message: SimMessage): void
  /** Calls back when a sync that starts now is through. Never when the process ends first. */
  startSync(done: () => void): void
  /** The member cannot go on: the disk is full, or the core has diverged. */
  fail(reason: 'disk-full' | 'stopped'): void
}

interface WaitingWrite {
  readonly term: Term
  /** The client's last attempt. */
  request: ClientRequest
}

interface WaitingRead {
  readonly index: Index
  readonly request: ClientRequest
}

/**
 * One running member: the core of production, and around it what a driver does, in one thread and without promises. Writes
 * go to a simulated disk, one sync at a time for everything that waits; messages go to the simulated network.
 */
export class SimMember {
  readonly core: RaftCore
  readonly machine = new Registers()
  readonly #surroundings: MemberSurroundings
  /** Undefined in a group that is never quiescent. */
  readonly #bonds: SimBonds | undefined
  readonly #writes = new Map<Index, WaitingWrite>()
  readonly #unconfirmedReads = new Map<ReadId, ClientRequest>()
  #confirmedReads: WaitingRead[] = []
  readonly #readQuestions: ReadQuestions
  /** What was applied when the last checkpoint was due. */
  #checkpointIndex: Index = 0
  /** A snapshot that the core was told of and has not handed out yet. */
  #arrived: Snapshot | undefined
  #appliedIndex: Index = 0
  /** The last Ready that was written. */
  #writtenId = 0
  /** The last Ready of which the core knows that it is durable. */
  #persistedId = 0
  #isSyncing = false
  #hasFailed = false

  constructor(surroundings: MemberSurroundings, recovered: Recovered) {
    this.#surroundings = surroundings
    const { settings, random, id } = surroundings
    this.core = new RaftCore({
      id,
      restored: settings.driverBugs.forgetsHardState ? withoutVote(recovered) : recovered.restored,
      random,
      heartbeatTicks: settings.heartbeatTicks,
      electionTicks: settings.electionTicks,
      electionJitterTicks: settings.electionJitterTicks,
      clockDriftMax: settings.clockDriftMax,
      quiesceAfterTicks: settings.quiesceAfterTicks,
      limits: settings,
      faults: settings.coreFaults,
    })
    if (settings.quiesceAfterTicks < Infinity) {
      this.#bonds = new SimBonds({
        core: this.core,
        heartbeatTicks: settings.heartbeatTicks,
        hostOf,
        ping: (host) => surroundings.send(host, { kind: 'ping' }),
      })
    }
    this.#readQuestions = new ReadQuestions({
      core: this.core,
      faults: settings.coreFaults,
      send: (to, message) => surroundings.send(hostOf(to), message),
      onConfirmed: (request, index) => void this.#confirmedReads.push({ index, request }),
      onRefused: (request, leader) => this.#refuse(request, leader),
    })
    surroundings.observer.started(this, recovered)
    if (recovered.snapshot) this.#restoreMachine(recovered.snapshot)
    this.#handleReady()
  }

  get id(): MemberId {
    return this.#surroundings.id
  }

  get host(): number {
    return this.#surroundings.host
  }

  get appliedIndex(): Index {
    return this.#appliedIndex
  }

  found(clusterId: ClusterId, configuration: Configuration): void {
    this.core.found(clusterId, configuration)
    this.#handleReady()
  }

  tick(count: number): void {
    if (count > 0) (this.#bonds ?? this.core).tick(count)
    this.#handleReady()
  }

  receive(from: number, message: SimMessage): void {
    if (this.#hasFailed) return
    this.#bonds?.hear(from)
    switch (message.kind) {
      case 'raft':
        this.core.step(message.message)
        break
      case 'request':
        this.#serve(message)
        break
      case 'snapshot-request':
        this.#offerSnapshot(from, message.aboveIndex)
        break
      case 'snapshot-answer':
        this.#installSnapshot(message.snapshot)
        break
      case 'read-index-question':
      case 'term-question':
      case 'read-index-answer':
      case 'term-answer':
        this.#readQuestions.receive(message)
        this.#answerReads()
        break
      case 'ping':
      case 'answer':
        break
    }
    this.#handleReady()
  }

  proposeConfiguration(next: Configuration): ProposeOutcome {
    this.#bonds?.catchUp()
    const outcome = this.core.proposeConfiguration(next, this.#surroundings.wallClockMs())
    this.#handleReady()
    return outcome
  }

  transferLeadership(target: MemberId): void {
    this.#bonds?.catchUp()
    this.core.transferLeadership(target)
    this.#handleReady()
  }

  #serve(request: ClientRequest): void {
    if (request.input.kind === 'read') return this.#serveRead(request)
    for (const waiting of this.#writes.values()) {
      if (isSameCommand(waiting.request, request) && !this.#bugs.hasNoSessions) {
        // It is on its way already, and the client is asking again.
        waiting.request = request
        return
      }
    }
    const payload = encodeCommands([this.#commandOf(request, request.input)])
    const outcome = this.core.propose([{ payload }], this.#surroundings.wallClockMs())
    if (!outcome.accepted) return this.#refuse(request, outcome.leader)
    this.#writes.set(outcome.lastIndex, { term: outcome.term, request })
    if (this.#bugs.answersWhenAppended) {
      this.#finish(request, outcome.lastIndex, { value: valueOf(request.input), done: true })
    }
  }

  #commandOf({ client, sequence, attempt }: ClientRequest, input: RegisterInput) {
    // A client of its own for every attempt is what having no sessions amounts to.
    return this.#bugs.hasNoSessions
      ? { client: client + 1e3 * sequence + 1e7 * attempt, sequence, input }
      : { client, sequence, input }
  }

  #serveRead(request: ClientRequest): void {
    const outcome = this.core.read(request.consistency)
    if (!outcome.accepted) {
      // Some are left to the leader, to confirm in its own way.
      const isAsked =
        request.consistency === 'strong' && request.sequence % 4 !== 0 && this.#readQuestions.ask(request)
      if (!isAsked) this.#refuse(request, outcome.leader)
      return
    }
    this.#unconfirmedReads.set(outcome.id, request)
  }

  #refuse(request: ClientRequest, leader: MemberId | undefined): void {
    const leaderHost = leader === undefined ? undefined : hostOf(leader)
    this.#answer(request, { type: 'refused', leaderHost })
  }

  #finish(request: ClientRequest, index: Index, output: { value: string; done: boolean }): void {
    this.#answer(request, { type: 'done', output, index })
  }

  #answer(request: ClientRequest, outcome: ClientAnswer['outcome']): void {
    const { client, sequence, attempt } = request
    this.#surroundings.send(client, { kind: 'answer', sequence, attempt, outcome })
  }

  /** Does what the core asks for until it asks for nothing more. */
  #handleReady(): void {
    while (this.core.hasReady && !this.#hasFailed) {
      const ready = this.core.takeReady()
      this.#surroundings.observer.handedOut(this, ready)
      if (ready.mustPersist && !this.#write(ready)) return
      for (const message of ready.messages) {
        this.#surroundings.send(hostOf(message.to), { kind: 'raft', message })
      }
      if (ready.snapshot && this.#arrived) this.#restoreMachine(this.#arrived)
      for (const entry of ready.committed) this.#apply(entry)
      this.#handleReads(ready)
      if (ready.role && ready.role.role !== 'leader') this.#refuseWrites(ready.role.leader)
      if (ready.syncRequired) {
        const { leader } = ready.syncRequired
        this.#surroundings.send(hostOf(leader), { kind: 'snapshot-request', aboveIndex: this.#appliedIndex })
      }
      if (ready.incidents.some(({ type }) => type === 'diverged')) this.#fail('stopped')
    }
    this.#maybeCheckpoint()
  }

  #write(ready: Ready): boolean {
    if (!this.#append(recordsOf(ready, this.#arrived))) return false
    this.#writtenId = ready.id
    if (this.#bugs.doesNotSync) this.core.persisted(ready.id)
    else this.#sync()
    return true
  }

  #append(records: readonly JournalRecord[]): boolean {
    try {
      this.#surroundings.disk.append(records, bytesOfRecord)
      return true
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error
      this.#fail('disk-full')
      return false
    }
  }

  #sync(): void {
    if (this.#isSyncing) return
    this.#isSyncing = true
    const { disk } = this.#surroundings
    const count = disk.unsyncedCount
    const writtenId = this.#writtenId
    this.#surroundings.startSync(() => {
      disk.sync(count)
      this.#isSyncing = false
      if (writtenId > this.#persistedId) this.core.persisted(writtenId)
      this.#persistedId = writtenId
      if (disk.unsyncedCount > 0) this.#sync()
      this.#handleReady()
    })
  }

  #apply(entry: Entry): void {
    const applied = entry.kind === 'command' ? this.machine.apply(entry) : []
    this.#appliedIndex = entry.index
    this.#surroundings.observer.applied(this, entry, applied)
    const waiting = this.#writes.get(entry.index)
    if (!waiting) return
    this.#writes.delete(entry.index)
    const { request, term } = waiting
    const output = applied[0]?.output
    const isTheSame = entry.term === term || this.#bugs.resolvesByIndex
    if (isTheSame && output) this.#finish(request, entry.index, output)
    else this.#refuse(request, undefined)
  }

  #handleReads(ready: Ready): void {
    for (const { id, index } of ready.reads) {
      const request = this.#unconfirmedReads.get(id)
      this.#unconfirmedReads.delete(id)
      if (request) this.#confirmedReads.push({ index, request })
    }
    for (const id of ready.failedReads) {
      const request = this.#unconfirmedReads.get(id)
      this.#unconfirmedReads.delete(id)
      if (request) this.#refuse(request, undefined)
    }
    this.#answerReads()
  }

  #answerReads(): void {
    if (this.#confirmedReads.length === 0) return
    for (const { index, request } of this.#confirmedReads) {
      if (index > this.#appliedIndex) continue
      this.#surroundings.observer.answeredRead(this, request)
      const value = this.machine.read(request.input.key)
      this.#finish(request, this.#appliedIndex, { value, done: true })
    }
    this.#confirmedReads = this.#confirmedReads.filter(({ index }) => index > this.#appliedIndex)
  }

  /** Nobody here will know in time what becomes of them; the clients ask again elsewhere. */
  #refuseWrites(leader: MemberId | undefined): void {
    if (this.#bugs.resolvesByIndex) return
    for (const { request } of this.#writes.values()) this.#refuse(request, leader)
    this.#writes.clear()
  }

  #offerSnapshot(to: number, aboveIndex: Index): void {
    if (this.#appliedIndex <= aboveIndex) return
    const facts = this.core.snapshotFactsAt(this.#appliedIndex)
    if (facts) this.#surroundings.send(to, { kind: 'snapshot-answer', snapshot: this.#snapshotOf(facts) })
  }

  #snapshotOf(facts: SnapshotFacts): Snapshot {
    const machine = this.machine.snapshot()
    return this.#bugs.snapshotForgetsSessions
      ? { facts, machine: { ...machine, sessions: new Map() } }
      : { facts, machine }
  }

  #installSnapshot(snapshot: Snapshot): void {
    if (this.core.installSnapshot(snapshot.facts)) this.#arrived = snapshot
    else if (this.#bugs.restoresOldSnapshot) this.machine.restore(snapshot.machine)
  }

  #restoreMachine(snapshot: Snapshot): void {
    this.machine.restore(snapshot.machine)
    this.#checkpointIndex = snapshot.facts.index
    this.#arrived = undefined
    this.#appliedIndex = snapshot.facts.index
    this.#surroundings.observer.restored(this, snapshot)
  }

  /** Puts the state of the machine in the place of old entries, in memory and on disk. */
  #maybeCheckpoint(): void {
    const { settings, disk } = this.#surroundings
    if (this.#hasFailed || this.#appliedIndex - this.#checkpointIndex < settings.checkpointEvery) return
    this.#checkpointIndex = this.#appliedIndex
    const facts = this.core.snapshotFactsAt(this.#appliedIndex)
    const base = facts && this.core.compact(facts.index)
    if (!base) return
    const { durableIndex, lastIndex } = this.core.status
    const isEarly = this.#bugs.checkpointsOvertakeLog === true
    const records: JournalRecord[] = [
      { kind: 'hard-state', hardState: this.core.hardState },
      { kind: 'checkpoint', snapshot: this.#snapshotOf(facts), base },
      ...this.#entriesBehind(base.index, isEarly ? durableIndex : lastIndex),
    ]
    try {
      if (isEarly) disk.replaceAtOnce(records, bytesOfRecord)
      else disk.replace(records, bytesOfRecord)
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error
      return this.#fail('disk-full')
    }
    this.#sync()
  }

  #entriesBehind(index: Index, lastIndex: Index): JournalRecord[] {
    const records: JournalRecord[] = []
    for (let next = index + 1; next <= lastIndex; next++) {
      records.push({ kind: 'entry', entry: this.core.entryAt(next)! })
    }
    return records
  }

  #fail(reason: 'disk-full' | 'stopped'): void {
    this.#hasFailed = true
    this.#surroundings.fail(reason)
  }

  get #bugs(): DriverBugs {
    return this.#surroundings.settings.driverBugs
  }
}

/** Members are named after the number of their host: `h3/<incarnation>`. */
export function memberId(host: number, incarnation: string): MemberId {
  return `h${host}/${incarnation}` as MemberId
}

export function hostOf(id: MemberId): number {
  return Number(id.slice(1, id.indexOf('/')))
}

function isSameCommand(a: ClientRequest, b: ClientRequest): boolean {
  return a.client === b.client && a.sequence === b.sequence
}

function valueOf(input: RegisterInput): string {
  return input.kind === 'read' ? '' : input.value
}

function withoutVote({ restored }: Recovered): Recovered['restored'] {
  const { clusterId } = restored.hardState
  return { ...restored, hardState: { clusterId, term: 0, votedFor: undefined } }
}
