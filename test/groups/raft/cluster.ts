import { seededRandom } from '#framework/primitives'
import {
  RaftCore,
  configurationOf,
  type ClusterId,
  type ConfirmedRead,
  type Entry,
  type HardState,
  type Incident,
  type Index,
  type MemberId,
  type Message,
  type ProposeOutcome,
  type RaftOptions,
  type Ready,
  type SnapshotFacts,
} from '#framework/groups/raft'

export const CLUSTER = 'c0'.repeat(16) as ClusterId

/** What a member has on its disk. */
interface Disk {
  hardState: HardState
  base: SnapshotFacts | undefined
  entries: Entry[]
}

export interface ClusterOptions {
  /** For all members; `options` of {@link Cluster.start} for one. */
  readonly core?: Partial<RaftOptions>
  /** Default 1. */
  readonly seed?: number
}

/** A member with its disk: the writes of a Ready reach it when told to, or at once. */
export class Member {
  readonly disk: Disk = {
    hardState: { clusterId: undefined, term: 0, votedFor: undefined },
    base: undefined,
    entries: [],
  }
  /** What came out to be applied since the member started. */
  applied: Entry[] = []
  readonly confirmedReads: ConfirmedRead[] = []
  readonly failedReads: number[] = []
  readonly incidents: Incident[] = []
  readonly roles: string[] = []
  /** Of each write, whether somebody waited for it. */
  readonly awaited: boolean[] = []
  core: RaftCore
  isDiskHeld = false
  readonly #unwritten: Ready[] = []
  readonly #newCore: (disk: Disk) => RaftCore

  constructor(newCore: (disk: Disk) => RaftCore) {
    this.#newCore = newCore
    this.core = newCore(this.disk)
  }

  get reads(): readonly number[] {
    return this.confirmedReads.map(({ id }) => id)
  }

  /** Ends and starts again from what is on the disk. */
  restart(): void {
    this.#unwritten.length = 0
    this.applied = []
    this.core = this.#newCore(this.disk)
  }

  /** Does what the core says, until there is nothing more. Returns what is to be sent. */
  drain(): Message[] {
    const messages: Message[] = []
    while (this.core.hasReady) {
      const ready = this.core.takeReady()
      messages.push(...ready.messages)
      this.applied.push(...ready.committed)
      this.confirmedReads.push(...ready.reads)
      this.failedReads.push(...ready.failedReads)
      this.incidents.push(...ready.incidents)
      if (ready.role) this.roles.push(`${ready.role.role} ${ready.role.term} ${ready.role.leader ?? '-'}`)
      if (!ready.mustPersist) continue
      this.awaited.push(ready.isAwaited)
      this.#unwritten.push(ready)
      if (!this.isDiskHeld) this.flushDisk()
    }
    return messages
  }

  /** Everything that was to be written is durable. */
  flushDisk(): void {
    for (const ready of this.#unwritten) write(this.disk, ready)
    const last = this.#unwritten.at(-1)
    this.#unwritten.length = 0
    if (last) this.core.persisted(last.id)
  }
}

function write(disk: Disk, { hardState, snapshot, truncateFrom, entries }: Ready): void {
  if (hardState) disk.hardState = hardState
  if (snapshot) {
    disk.base = snapshot.facts
    disk.entries = snapshot.keepsEntries
      ? disk.entries.filter((entry) => entry.index > snapshot.facts.index)
      : []
  }
  if (truncateFrom !== undefined) disk.entries = disk.entries.filter((entry) => entry.index < truncateFrom)
  disk.entries.push(...entries)
}

/** Several cores that exchange messages when told to. Nothing is lost, delayed or reordered unless a test says so. */
export class Cluster {
  readonly members = new Map<string, Member>()
  /** On their way, in the order in which they were sent. */
  readonly wire: Message[] = []
  /** What does not arrive. */
  drops: (message: Message) => boolean = () => false
  readonly #options: ClusterOptions

  constructor(options: ClusterOptions = {}) {
    this.#options = options
  }

  /** Members with these names that found a cluster of which they are the voters. */
  static founded(names: readonly string[], options?: ClusterOptions): Cluster {
    const cluster = new Cluster(options)
    for (const name of names) cluster.start(name).core.found(CLUSTER, configurationOf(names as MemberId[]))
    cluster.collect()
    return cluster
  }

  start(name: string, options: Partial<RaftOptions> = {}): Member {
    const random = seededRandom(`${this.#options.seed ?? 1} ${name}`)
    const member = new Member(
      (disk) =>
        new RaftCore({
          id: name as MemberId,
          random,
          restored: { hardState: disk.hardState, base: disk.base, entries: [...disk.entries] },
          ...this.#options.core,
          ...options,
        }),
    )
    this.members.set(name, member)
    return member
  }

  get(name: string): Member {
    return this.members.get(name)!
  }

  core(name: string): RaftCore {
    return this.get(name).core
  }

  /** What the members have to say goes on its way. */
  collect(): void {
    for (const member of this.members.values()) this.wire.push(...member.drain())
  }

  /** Delivers the oldest message that `which` accepts. False when there is none. */
  deliverOne(which: (message: Message) => boolean = () => true): boolean {
    this.collect()
    const at = this.wire.findIndex(which)
    if (at === -1) return false
    const [message] = this.wire.splice(at, 1)
    const receiver = this.members.get(message!.to)
    if (receiver && !this.drops(message!)) receiver.core.step(message!)
    this.collect()
    return true
  }

  /** Delivers until nothing is on its way. */
  settle(): void {
    for (let count = 0; this.deliverOne(); count++)
      if (count > 100_000) throw new Error('the members never stop talking')
  }

  /** Lets time pass for some, or all, and delivers what comes of it, tick by tick. */
  tick(count: number, names: readonly string[] = [...this.members.keys()]): void {
    for (let tick = 0; tick < count; tick++) {
      for (const name of names) this.core(name).tick()
      this.settle()
    }
  }

  /** Makes one stand for election by letting only its time pass, and everybody who would stand by a leader forget it. */
  elect(name: string): void {
    for (const member of this.members.values()) if (member.core.status.role !== 'leader') member.core.tick(1)
    for (let tick = 0; tick < 1_000 && this.core(name).status.role !== 'leader'; tick++) this.tick(1, [name])
    if (this.core(name).status.role !== 'leader') throw new Error(`${name} is not elected`)
  }

  propose(name: string, ...texts: string[]): ProposeOutcome {
    const outcome = this.core(name).propose(
      texts.map((text) => ({ payload: Buffer.from(text) })),
      1_000,
    )
    this.settle()
    return outcome
  }

  get leader(): string | undefined {
    const leaders = [...this.members].filter(([, { core }]) => core.status.role === 'leader')
    return leaders.sort(([, a], [, b]) => b.core.status.term - a.core.status.term)[0]?.[0]
  }

  /** Cuts the members in two halves that do not hear each other. */
  partition(side: readonly string[]): void {
    this.drops = ({ from, to }) => side.includes(from) !== side.includes(to)
  }

  heal(): void {
    this.drops = () => false
  }

  /** The log as text: the term of each entry, and the payload of commands. */
  log(name: string): string {
    const { core } = this.get(name)
    const entries: string[] = []
    for (let index: Index = core.status.firstIndex; index <= core.status.lastIndex; index++) {
      const { term, kind, payload } = core.entryAt(index)!
      entries.push(kind === 'command' ? `${term}:${Buffer.from(payload).toString()}` : `${term}:${kind}`)
    }
    return entries.join(' ')
  }

  /** The commands that a member has been given to apply. */
  applied(name: string): string[] {
    return this.get(name)
      .applied.filter((entry) => entry.kind === 'command')
      .map((entry) => Buffer.from(entry.payload).toString())
  }
}
