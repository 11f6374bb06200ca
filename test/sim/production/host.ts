import { messageOf, type PeerId, type Random } from '#framework/primitives'
import type { ByteStream } from '../../../framework/network/byte-stream.js'
import { memberIdOf } from '../../../framework/groups/raft/member-id.js'
import type { Message } from '../../../framework/groups/raft/messages.js'
import type { ClusterId, Entry, MemberId } from '../../../framework/groups/raft/types.js'
import { GroupStorageError } from '../../../framework/groups/storage/storage-error.js'
import { MemoryStorages } from '../../../framework/groups/storage/memory-storage.js'
import type { StorageProvider, StorageWrite } from '../../../framework/groups/storage/storage.js'
import { CONSENSUS } from '../../../framework/groups/wire/control.js'
import { decodeMessage } from '../../../framework/groups/wire/raft-wire.js'
import { SimDisk, type CrashLoss } from '../environment/disk.js'
import type { Timeline } from '../environment/timeline.js'
import type { DriverBugs } from '../group/driver-bugs.js'
import type { DurableChange, FoundOnDisk, HandedOut, WatchedCommand } from '../group/watched-member.js'
import { describeRaft } from '../world/message-text.js'
import type { SimConnections, Reachable } from './connections.js'
import { groupOf, Node, type GroupSetup } from './node.js'
import { NodeMember } from './node-member.js'
import { ObservedMachine } from './observed-machine.js'
import { ObservedStorages } from './observed-storages.js'
import { ProcessClock } from './process-clock.js'
import { Process } from './process.js'
import type { Write } from './registers-machine.js'
import { bytesDamage, type DiskRecord } from './storage/disk-records.js'
import { JournalStorages } from './storage/journal-storages.js'
import { traceLogger } from './trace-logger.js'

/** What happens at a host, for those who watch that all is well. None of it may throw. */
export interface NodeHostObserver {
  started(member: NodeMember, found: FoundOnDisk, cluster: ClusterId | undefined): void
  /** It is about to write that it belongs to this cluster. */
  entering(member: NodeMember, cluster: ClusterId): void
  handedOut(member: NodeMember, handedOut: HandedOut): void
  durable(member: MemberId, change: DurableChange): void
  applied(member: NodeMember, entry: Entry, commands: readonly WatchedCommand[]): void
  restored(member: NodeMember): void
  /** The application was told what is taken back. */
  discarded(commands: readonly Write[]): void
  arriving(from: number, message: Message): void
  failed(why: string): void
}

export interface HostOptions {
  readonly number: number
  readonly setup: GroupSetup
  readonly isVolatile: boolean
  readonly driftMax: number
  readonly syncMs: number
  readonly bugs: DriverBugs
  readonly timeline: Timeline
  readonly random: Random
  readonly connections: SimConnections
  readonly observer: NodeHostObserver
  /** A process here is about to do something. */
  readonly onRun: (process: Process) => void
  readonly trace: (host: number, what: string) => void
}

/** When clocks of hosts begin: 2025. */
const EPOCH_MS = Date.UTC(2025, 0, 1)
/** After how long a program that could not start is started again. */
const RESTART_MS = 1_000
/** How long leaving the group may take. */
const LEAVE_MS = 3_000

/** A machine with a disk and a clock of its own, on which a node of production runs, stands still, or is down. */
export class ProductionHost implements Reachable {
  readonly number: number
  readonly peerId: PeerId
  readonly disk: SimDisk<DiskRecord>
  readonly #options: HostOptions
  /** How fast its clock is, in terms of true time. */
  readonly #speed: number
  #wallOffsetMs = EPOCH_MS
  #process: Process | undefined
  #node: Node | undefined
  #member: NodeMember | undefined
  #incarnation = 'none'
  #cluster: ClusterId | undefined
  /** What its bugs make a process not notice of the time that it has stood still. */
  #unnoticedMs = 0
  #pausedAtMs = 0
  #hasLeft = false
  #isRetired = false

  constructor(options: HostOptions) {
    const { number, setup, driftMax, random, observer } = options
    this.number = number
    this.peerId = setup.peers[number]!
    this.#options = options
    this.#speed = 1 + driftMax * (2 * random.float() - 1)
    const onDurable = ({ incarnation, changes }: DiskRecord): void => {
      const id = memberIdOf(this.peerId, incarnation)
      for (const change of changes) observer.durable(id, change)
    }
    this.disk = new SimDisk(onDurable, bytesDamage)
  }

  /** The name of the member that runs here, or would. */
  get id(): MemberId {
    return memberIdOf(this.peerId, this.#incarnation)
  }

  get process(): Process | undefined {
    return this.#process
  }

  /** Undefined while nothing runs here, or it has not started yet. */
  get node(): Node | undefined {
    return this.#node
  }

  /** Undefined while there is none. */
  get member(): NodeMember | undefined {
    const live = this.#node?.worker.member
    return live !== undefined && live.id === this.#member?.id ? this.#member : undefined
  }

  /** That its latest member belongs to, or belonged to before its storage failed. */
  get cluster(): ClusterId | undefined {
    return this.#cluster
  }

  /** Runs and does not stand still. */
  get isRunning(): boolean {
    return this.#process !== undefined && !this.#process.isPaused
  }

  get hasLeft(): boolean {
    return this.#hasLeft
  }

  jumpClock(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Starts the program, unless it runs and is in the group. */
  start(): void {
    if (this.#isRetired || (this.#process !== undefined && !this.#hasLeft)) return
    this.#end(true)
    const { timeline, onRun, trace } = this.#options
    const process = new Process(timeline, onRun)
    this.#process = process
    this.#unnoticedMs = 0
    process.soon(() => {
      trace(this.number, 'starts')
      void this.#startNode(process)
    })
  }

  /** Ends the process, and with `loss` other than `none` the machine. */
  crash(loss: CrashLoss): void {
    if (this.#process === undefined) return
    this.#options.trace(this.number, `crashes, losing ${loss}`)
    this.#end(loss === 'none')
    this.disk.crash(loss, this.#options.random)
    if (this.#options.isVolatile) this.#incarnation = 'none'
  }

  /** Crashes, and nobody starts it again before {@link comeBack}. */
  retire(loss: CrashLoss): void {
    this.crash(loss)
    this.#isRetired = true
  }

  comeBack(): void {
    this.#isRetired = false
    this.start()
  }

  /** A new and empty disk, for a host that is down. */
  loseDisk(): void {
    this.#options.trace(this.number, 'has an empty disk')
    this.disk.wipe()
    if (this.#options.bugs.reusesIncarnation !== true) this.#incarnation = 'none'
  }

  pause(): void {
    if (!this.isRunning) return
    this.#options.trace(this.number, 'stands still')
    this.#pausedAtMs = this.#options.timeline.nowMs
    this.#process!.pause()
  }

  resume(): void {
    const process = this.#process
    if (process === undefined || !process.isPaused) return
    const { timeline, bugs, random, trace } = this.#options
    const pausedMs = timeline.nowMs - this.#pausedAtMs
    trace(this.number, `goes on after ${pausedMs.toFixed(3)} ms`)
    if (bugs.losesTicksInPause === true) this.#unnoticedMs += pausedMs
    process.resume(random.float() < 0.5 ? 'timers' : 'events')
  }

  /** Leaves the group, or joins it again. */
  toggle(): void {
    const node = this.#node
    if (this.#hasLeft) return this.start()
    if (node === undefined) return
    this.#hasLeft = true
    this.#options.trace(this.number, 'leaves')
    this.#process!.soon(() => void node.leave(LEAVE_MS))
  }

  transferLeadership(target: MemberId): void {
    const node = this.#node
    // Whether it works is nobody's concern here.
    this.#process?.soon(
      () =>
        void node
          ?.handle()
          .transferLeadership(target.split('/')[0] as PeerId)
          .catch(() => {}),
    )
  }

  accept(from: number, protocol: string, stream: ByteStream): void {
    const peer = this.#options.setup.peers[from]!
    const host = this.#node?.host
    if (host === undefined) stream.abort(new Error('nothing listens yet'))
    else void host.accept(peer, protocol, stream)
  }

  async #startNode(process: Process): Promise<void> {
    const { setup, timeline, random, connections, number, bugs, trace, observer } = this.#options
    const clock = new ProcessClock({
      timeline,
      process,
      speed: this.#speed,
      wallClockMs: () => Math.floor(this.#wallOffsetMs + timeline.nowMs * this.#speed),
      unnoticedMs: () => this.#unnoticedMs,
    })
    const machine = new ObservedMachine({
      groupId: groupOf(setup),
      forgetsSessions: bugs.snapshotForgetsSessions === true,
      survivesMerge: bugs.machineSurvivesMerge === true,
      observer: {
        applied: (entry, commands) => observer.applied(this.#member!, entry, commands),
        restored: () => observer.restored(this.#member!),
      },
    })
    try {
      this.#node = await Node.start({
        setup,
        peerId: this.peerId,
        machine,
        storages: this.#observed(this.#storages(process), machine),
        openStream: (peer, protocol) =>
          connections.open(number, process, setup.peers.indexOf(peer), protocol),
        clock,
        random,
        logger: traceLogger(
          (what) => trace(number, what),
          (why) => observer.failed(why),
        ),
        onMessage: (bond, lane, message) => {
          const from = setup.peers.indexOf(bond.peer)
          const isConsensus = lane === 'bulk' || (lane === 'control' && message[0] === CONSENSUS)
          if (!isConsensus) return trace(number, `from ${from}: ${lane} ${message.byteLength}`)
          const ends = { from: bond.member, to: this.id }
          const decoded = decodeMessage(lane === 'bulk' ? message : message.subarray(1), ends)
          trace(number, `from ${from}: ${describeRaft(decoded)}`)
          observer.arriving(from, decoded)
        },
        onBond: (bond, what) => trace(number, `bond with ${setup.peers.indexOf(bond.peer)} ${what}`),
      })
      void this.#listen(this.#node)
    } catch (error) {
      trace(number, `does not start: ${messageOf(error)}`)
      if (!(error instanceof GroupStorageError)) observer.failed(`does not start: ${messageOf(error)}`)
      process.after(RESTART_MS, 'timers', () => {
        this.#end(true)
        this.start()
      })
    }
  }

  async #listen({ worker }: Node): Promise<void> {
    for await (const event of worker.events.subscribe())
      if (event.type === 'forked') this.#options.observer.discarded(event.commands as Write[])
  }

  #storages(process: Process): StorageProvider {
    const { random, isVolatile, syncMs, bugs } = this.#options
    if (isVolatile) return new MemoryStorages({ random })
    return new JournalStorages({
      random,
      bugs,
      diskOf: () => this.disk,
      startSync: (done) => {
        const ownSyncMs = syncMs * (0.5 + random.float())
        this.disk.whenResponsive(() => process.after(ownSyncMs, 'events', done))
      },
      ...(this.#incarnation !== 'none' && { formerIncarnation: this.#incarnation }),
    })
  }

  #observed(storages: StorageProvider, machine: ObservedMachine): StorageProvider {
    const { isVolatile, observer, number } = this.#options
    return new ObservedStorages(storages, {
      opened: (restored) => {
        this.#incarnation = restored.incarnation
        this.#cluster = restored.hardState.clusterId
        const live = () => this.#node?.worker.member
        this.#member = new NodeMember({ id: this.id, host: number, machine, live }, restored)
        observer.started(this.#member, { restored }, restored.hardState.clusterId)
      },
      writing: (write) => {
        if (write.hardState?.clusterId !== undefined) {
          this.#cluster = write.hardState.clusterId
          observer.entering(this.#member!, this.#cluster)
        }
        this.#member!.onWrite(write)
        observer.handedOut(this.#member!, handedOutOf(write))
      },
      written: (write) => {
        if (!isVolatile) return
        for (const change of changesOf(write)) observer.durable(this.id, change)
      },
    })
  }

  #end(isMachineUp: boolean): void {
    this.#process?.kill(isMachineUp)
    this.#process = undefined
    this.#node = undefined
    this.#member = undefined
    this.#hasLeft = false
  }
}

function handedOutOf({ snapshot, resetLog = false, truncateFrom, entries = [] }: StorageWrite): HandedOut {
  return {
    snapshot: snapshot && { facts: snapshot.facts, keepsEntries: !resetLog },
    truncateFrom,
    entries,
    incidents: [],
  }
}

/** What a write in memory changes. */
function changesOf({
  hardState,
  snapshot,
  resetLog = false,
  truncateFrom,
  entries = [],
}: StorageWrite): DurableChange[] {
  return [
    ...(hardState ? [{ kind: 'hard-state', hardState } as const] : []),
    ...(snapshot ? [{ kind: 'snapshot', snapshot, keepsEntries: !resetLog } as const] : []),
    ...(truncateFrom === undefined ? [] : [{ kind: 'truncate', from: truncateFrom } as const]),
    ...entries.map((entry) => ({ kind: 'entry', entry }) as const),
  ]
}
