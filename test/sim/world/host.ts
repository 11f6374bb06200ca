import { toHex, type Random } from '#framework/primitives'
import type { MemberId } from '../../../framework/groups/raft/types.js'
import { DiskCorruptError, SimDisk, type CrashLoss } from '../environment/disk.js'
import type { Timeline } from '../environment/timeline.js'
import { recover, type JournalRecord } from '../group/journal.js'
import { memberId, SimMember, type MemberObserver } from '../group/member.js'
import type { SimMessage } from '../group/messages.js'
import type { WorldPlan } from './plan.js'

/** What a host has around it. */
export interface HostSurroundings {
  readonly plan: WorldPlan
  readonly timeline: Timeline
  readonly random: Random
  readonly observer: MemberObserver
  send(from: number, to: number, message: SimMessage): void
  /** Something reached the disk of the member. */
  durable(member: MemberId, record: JournalRecord): void
  /** The member lost its disk: nobody of that name will be there again. */
  lost(member: MemberId): void
  /** A member has done something, and nothing more at the moment. */
  stepped(member: SimMember): void
  /** The member is there for the first time, or its founding never reached the disk. */
  isNew(member: SimMember): void
  readonly trace: (host: number, what: string) => void
}

/** When clocks of hosts begin: 2025. */
const EPOCH_MS = Date.UTC(2025, 0, 1)

/** After how long a member that could not go on is started again. */
const RESTART_MS = 1_000

/** A machine with a disk and a clock of its own, on which a member runs, stands still, or is down. */
export class SimHost {
  readonly number: number
  readonly #surroundings: HostSurroundings
  readonly disk: SimDisk<JournalRecord>
  /** How fast its clock is, in terms of true time. */
  readonly #speed: number
  #wallOffsetMs = EPOCH_MS
  #id: MemberId
  #member: SimMember | undefined
  /** Distinguishes the processes that ran here, so that what was planned by one does not happen to another. */
  #process = 0
  /** What came in since the process stands still. Undefined while it runs. */
  #backlog: (() => void)[] | undefined
  #missedTicks = 0

  constructor(number: number, surroundings: HostSurroundings) {
    const { random, plan } = surroundings
    this.number = number
    this.#surroundings = surroundings
    this.#speed = 1 + plan.driftMax * (2 * random.float() - 1)
    this.disk = new SimDisk((record) => surroundings.durable(this.#id, record))
    this.#id = this.#mintId()
  }

  /** The name of the member that runs here, or would. */
  get id(): MemberId {
    return this.#id
  }

  /** Undefined when it is down. */
  get member(): SimMember | undefined {
    return this.#member
  }

  get isPaused(): boolean {
    return this.#backlog !== undefined
  }

  /** Runs and does not stand still. */
  get isRunning(): boolean {
    return this.#member !== undefined && !this.isPaused
  }

  jumpClock(ms: number): void {
    this.#wallOffsetMs += ms
  }

  start(): void {
    if (this.#member) return
    const process = ++this.#process
    // First of all, because a disk that cannot be read makes a new member.
    const recovered = recover(this.#readDisk())
    const { plan, random, observer, timeline } = this.#surroundings
    this.#member = new SimMember(
      {
        id: this.#id,
        host: this.number,
        disk: this.disk,
        random,
        settings: plan.settings,
        observer,
        wallClockMs: () => Math.floor(this.#wallOffsetMs + timeline.nowMs * this.#speed),
        send: (to, message) => this.#surroundings.send(this.number, to, message),
        startSync: (done) => {
          const syncMs = plan.syncMs[this.number]! * (0.5 + random.float())
          this.disk.whenResponsive(() => this.#later(process, syncMs, done))
        },
        fail: (reason) => this.#stopItself(process, reason),
      },
      recovered,
    )
    this.#surroundings.trace(this.number, `starts as ${this.#id}`)
    if (this.#member.core.clusterId === undefined) this.#surroundings.isNew(this.#member)
    this.#surroundings.stepped(this.#member)
    timeline.after(this.#tickMs * random.float(), () => this.#tick(process))
  }

  /** Ends the process, and with `loss` other than `none` the machine. */
  crash(loss: CrashLoss): void {
    if (!this.#member) return
    this.#surroundings.trace(this.number, `crashes, losing ${loss}`)
    this.#end()
    this.disk.crash(loss, this.#surroundings.random)
    if (this.#surroundings.plan.isVolatile) this.loseDisk()
  }

  /** A new and empty disk, for a member that is down. */
  loseDisk(): void {
    this.#surroundings.trace(this.number, 'has an empty disk')
    this.disk.wipe()
    if (this.#surroundings.plan.settings.driverBugs.reusesIncarnation) return
    this.#surroundings.lost(this.#id)
    this.#id = this.#mintId()
  }

  pause(): void {
    if (!this.isRunning) return
    this.#surroundings.trace(this.number, 'stands still')
    this.#backlog = []
  }

  resume(): void {
    const backlog = this.#backlog
    const member = this.#member
    if (!backlog || !member) return
    this.#surroundings.trace(this.number, `goes on after ${this.#missedTicks} ticks`)
    this.#backlog = undefined
    const missedTicks = this.#missedTicks
    this.#missedTicks = 0
    // How much time has passed is the first thing to learn for somebody who may hold a lease.
    if (!this.#surroundings.plan.settings.driverBugs.losesTicksInPause) member.tick(missedTicks)
    this.#surroundings.stepped(member)
    const process = this.#process
    for (const run of backlog) if (process === this.#process) run()
  }

  receive(from: number, message: SimMessage): void {
    const process = this.#process
    this.#run(process, (member) => member.receive(from, message))
  }

  /** Does something with the member that runs here, if one does. */
  use(run: (member: SimMember) => void): void {
    if (this.isRunning) this.#run(this.#process, run)
  }

  transferLeadership(target: MemberId): void {
    this.use((member) => member.transferLeadership(target))
  }

  #run(process: number, run: (member: SimMember) => void): void {
    const member = this.#member
    if (!member || process !== this.#process) return
    if (this.#backlog) {
      this.#backlog.push(() => this.#run(process, run))
      return
    }
    run(member)
    this.#surroundings.stepped(member)
  }

  #later(process: number, delayMs: number, run: () => void): void {
    this.#surroundings.timeline.after(delayMs, () => this.#run(process, run))
  }

  #tick(process: number): void {
    if (process !== this.#process || !this.#member) return
    if (this.#backlog) this.#missedTicks++
    else this.#run(process, (member) => member.tick(1))
    this.#surroundings.timeline.after(this.#tickMs, () => this.#tick(process))
  }

  /** The member cannot go on; somebody starts it again. */
  #stopItself(process: number, reason: string): void {
    const { timeline, trace } = this.#surroundings
    timeline.after(0, () => {
      if (process !== this.#process) return
      trace(this.number, `stops: ${reason}`)
      this.#end()
      this.disk.crash('none', this.#surroundings.random)
      timeline.after(RESTART_MS, () => this.start())
    })
  }

  #end(): void {
    this.#member = undefined
    this.#backlog = undefined
    this.#missedTicks = 0
    this.#process++
  }

  #readDisk(): JournalRecord[] {
    try {
      return this.disk.recover()
    } catch (error) {
      if (!(error instanceof DiskCorruptError)) throw error
      if (this.#surroundings.plan.settings.driverBugs.cutsOffCorruption) return this.disk.cutOffCorruption()
      // It is not known what was there, and whom this member voted for: it begins anew, as somebody else.
      this.loseDisk()
      return []
    }
  }

  get #tickMs(): number {
    return this.#surroundings.plan.tickMs / this.#speed
  }

  #mintId(): MemberId {
    return memberId(this.number, toHex(this.#surroundings.random.bytes(8)))
  }
}
