import { digestOf, ManualClock, seededRandom, type GroupId } from '#framework/primitives'
import { Member, type MemberOptions } from '../../../framework/groups/member/member.js'
import {
  ReplicatedMachine,
  type AppliedSubmission,
} from '../../../framework/groups/machine/replicated-machine.js'
import { encodeSessionOpening, encodeSubmission } from '../../../framework/groups/machine/submission.js'
import {
  configurationOf,
  type ClusterId,
  type Entry,
  type Incident,
  type MemberId,
  type Message,
  type RoleFacts,
  type SyncDemand,
} from '../../../framework/groups/raft/index.js'
import { MemoryStorages, type GroupStorage } from '../../../framework/groups/storage/index.js'
import { eventually } from '../../support/eventually.js'
import { Counter, type CounterCommand } from '../machine/counter.js'

const groupId = digestOf('members') as GroupId
const clusterId = 'c1'.repeat(16) as ClusterId
const codec = new Counter().codecs.command

/** A member, with what it has told. */
export interface TestMember {
  readonly member: Member<CounterCommand, number, 'value', number>
  readonly machine: ReplicatedMachine<CounterCommand, number, 'value', number>
  readonly storage: GroupStorage
  readonly applied: { readonly entry: Entry; readonly submission: AppliedSubmission<number> | undefined }[]
  readonly incidents: Incident[]
  readonly demands: SyncDemand[]
  role: RoleFacts | undefined
  ended: unknown
}

type Beginning = Omit<MemberOptions<CounterCommand, number, 'value', number>, 'clock' | 'events'>

export type WrapStorage = (storage: GroupStorage, place: number) => GroupStorage

/** Members of one group in this process, whose messages go from one to the other in the turn after they were sent. */
export class Members implements AsyncDisposable {
  readonly all: TestMember[] = []
  readonly clock = new ManualClock()
  /** All that was sent. */
  readonly sent: Message[] = []
  /** Messages between these are lost. */
  readonly cut = new Set<MemberId>()
  readonly #storages: MemoryStorages[] = []

  static async start(
    count: number,
    wrap: WrapStorage = (storage) => storage,
    factory: () => Counter = () => new Counter(),
  ): Promise<Members> {
    const members = new Members()
    for (let place = 0; place < count; place++) await members.#add(place, wrap, factory)
    const voters = members.all.map(({ member }) => member.id)
    for (const { member } of members.all) member.found(clusterId, configurationOf(voters, []))
    return members
  }

  /** The one that leads, when all who hear each other say so. */
  async leader(): Promise<TestMember> {
    let leader: TestMember | undefined
    await eventually(() => {
      this.tick(4)
      const connected = this.all.filter(({ member }) => !member.isOver && !this.cut.has(member.id))
      const leaders = connected.filter(({ member }) => member.status.role === 'leader')
      const [only] = leaders
      if (leaders.length !== 1 || connected.some(({ member }) => member.status.leader !== only!.member.id))
        throw new Error('no leader yet')
      leader = only
    })
    return leader!
  }

  tick(count = 1): void {
    for (const { member } of this.all) member.tick(count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { member } of this.all) member.end(new Error('the test is over'))
    for (const storages of this.#storages) await storages.close()
  }

  /** Another life of a member that is over, with its machine and what its storage has. Takes its place. */
  async restart(former: TestMember): Promise<TestMember> {
    const { machine, storage, member } = former
    const { clusterId: cluster, id, status, unwritten } = member
    const entries = await storage.readEntries(1, status.durableIndex)
    const hardState = { clusterId: cluster, term: status.term, votedFor: undefined }
    const restored = { hardState, entries, incarnation: id.split('/')[1]!, isVolatile: false }
    this.all.splice(this.all.indexOf(former), 1)
    return this.#begin({ id, storage, restored, unwritten, machine, random: seededRandom(id) })
  }

  async #add(place: number, wrap: WrapStorage, factory: () => Counter): Promise<void> {
    const random = seededRandom(place)
    const storages = new MemoryStorages({ random })
    this.#storages.push(storages)
    const { storage, restored } = await storages.open(groupId)
    const machine = new ReplicatedMachine<CounterCommand, number, 'value', number>({ groupId, factory })
    const id = `peer${place}/${restored.incarnation}` as MemberId
    await this.#begin({ id, storage: wrap(storage, place), restored, machine, random })
  }

  async #begin(options: Beginning): Promise<TestMember> {
    const it: Omit<TestMember, 'member'> & { member?: TestMember['member'] } = {
      machine: options.machine,
      storage: options.storage,
      applied: [],
      incidents: [],
      demands: [],
      role: undefined,
      ended: undefined,
    }
    it.member = await Member.start({
      ...options,
      clock: this.clock,
      events: {
        onMessage: (message) => this.#deliver(message),
        onApplied: (entry, submission) => it.applied.push({ entry, submission }),
        onRestored: () => {},
        onRole: (facts) => (it.role = facts),
        onConfiguration: () => {},
        onSyncRequired: (demand) => it.demands.push(demand),
        onIncident: (incident) => it.incidents.push(incident),
        onEnded: (cause) => (it.ended = cause),
      },
    })
    this.all.push(it as TestMember)
    return it as TestMember
  }

  #deliver(message: Message): void {
    this.sent.push(message)
    if (this.cut.has(message.from) || this.cut.has(message.to)) return
    setImmediate(() => this.all.find(({ member }) => member.id === message.to)?.member.step(message))
  }
}

export const session = '5e'.repeat(16)

export const openSession = { kind: 'session', payload: encodeSessionOpening(session) } as const

/** What a client submits. */
export function submission(sequence: number, ...commands: CounterCommand[]) {
  return {
    kind: 'command',
    commandCount: commands.length,
    payload: encodeSubmission({
      session,
      sequence,
      settledBelow: Math.max(1, sequence - 500),
      commands: commands.map((command) => codec.encode(command)),
    }),
  } as const
}
