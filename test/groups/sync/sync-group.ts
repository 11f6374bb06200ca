import { digestOf, ManualClock, seededRandom, silentLogger, type GroupId } from '#framework/primitives'
import { Member } from '../../../framework/groups/member/member.js'
import type { StateMachine } from '../../../framework/groups/machine/state-machine.js'
import { ReplicatedMachine } from '../../../framework/groups/machine/replicated-machine.js'
import { encodeSessionOpening, encodeSubmission } from '../../../framework/groups/machine/submission.js'
import {
  configurationOf,
  type ClusterId,
  type Incident,
  type MemberId,
  type Message,
} from '../../../framework/groups/raft/index.js'
import { MemoryStorages, type GroupStorage } from '../../../framework/groups/storage/index.js'
import { stateSyncOf } from '../../../framework/groups/sync/state-sync.js'
import { decodeSync, encodeSync, type SyncMessage } from '../../../framework/groups/sync/sync-messages.js'
import type { SyncSettings } from '../../../framework/groups/sync/sync-settings.js'
import { SyncWorker } from '../../../framework/groups/sync/sync-worker.js'
import { eventually } from '../../support/eventually.js'
import { Ledger } from './ledger.js'

const groupId = digestOf('sync') as GroupId
export const clusterId = 'c1'.repeat(16) as ClusterId
const session = '5e'.repeat(16)
const tickMs = 50

export interface SyncNode {
  readonly id: MemberId
  readonly member: Member<Uint8Array, number, number, number>
  readonly machine: ReplicatedMachine<Uint8Array, number, number, number>
  readonly storage: GroupStorage
  readonly sync: SyncWorker
  readonly incidents: Incident[]
  /** What it was sent on the sync lane. */
  readonly received: { readonly from: MemberId; readonly message: SyncMessage }[]
  ended: unknown
}

export interface SyncGroupOptions {
  readonly count: number
  readonly machine?: () => Ledger
  readonly settings?: Partial<SyncSettings>
}

/** Members of one group with all they need to bring each other up to date, in this process, on lanes that lose nothing. */
export class SyncGroup implements AsyncDisposable {
  readonly nodes: SyncNode[] = []
  readonly clock = new ManualClock()
  /** What becomes of a message on the sync lane. Default: it arrives as it is. */
  onSync: (from: MemberId, to: MemberId, message: SyncMessage) => SyncMessage | undefined = (
    _from,
    _to,
    message,
  ) => message
  readonly #away = new Set<SyncNode>()
  readonly #storages: MemoryStorages[] = []
  #sequence = 0

  static async start({
    count,
    machine = () => new Ledger(),
    settings = {},
  }: SyncGroupOptions): Promise<SyncGroup> {
    const group = new SyncGroup()
    const small = {
      batchEntries: 16,
      fetchTimeoutMs: 1_000,
      askIntervalMs: 200,
      stallTimeoutMs: 5_000,
      ...settings,
    }
    for (let place = 0; place < count; place++) await group.#add(place, machine, small)
    const voters = group.nodes.map(({ id }) => id)
    for (const { member } of group.nodes) member.found(clusterId, configurationOf(voters, []))
    return group
  }

  /** Who leads those who hear each other. */
  async leader(): Promise<SyncNode> {
    let leader: SyncNode | undefined
    await eventually(() => {
      this.tick(4)
      const present = this.#present
      leader = present.find(({ member }) => member.status.role === 'leader')
      return leader !== undefined && present.every(({ member }) => member.status.leader === leader?.id)
    })
    return leader!
  }

  others(node: SyncNode): readonly SyncNode[] {
    return this.nodes.filter((other) => other !== node)
  }

  /** Nobody hears it, and it hears nobody. */
  part(node: SyncNode): void {
    this.#away.add(node)
    for (const other of this.others(node)) {
      other.sync.onLost(node.id)
      node.sync.onLost(other.id)
    }
  }

  rejoin(node: SyncNode): void {
    this.#away.delete(node)
    for (const other of this.#present) {
      if (other === node) continue
      other.sync.onBonded(node.id)
      node.sync.onBonded(other.id)
    }
  }

  tick(count = 1): void {
    this.clock.advance(tickMs * count)
    for (const { member } of this.nodes) member.tick(count)
  }

  /** Has so many commands applied by all who are there. */
  async submit(leader: SyncNode, count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const size = Math.min(left, 40)
      left -= size
      this.propose(leader, size)
      await this.settled()
    }
  }

  propose(leader: SyncNode, count: number): void {
    if (this.#sequence === 0)
      leader.member.propose([{ kind: 'session', payload: encodeSessionOpening(session) }])
    const proposals = Array.from({ length: count }, () => {
      const sequence = ++this.#sequence
      const command = new Uint8Array(20).fill(sequence)
      const submission = { session, sequence, settledBelow: Math.max(1, sequence - 500), commands: [command] }
      return { kind: 'command', commandCount: 1, payload: encodeSubmission(submission) } as const
    })
    const outcome = leader.member.propose(proposals)
    if (!outcome.accepted) throw new Error(`refused: ${outcome.reason}`)
  }

  /** Everybody who is there has applied the whole log of the leader, and all are in the same state. */
  async settled(): Promise<void> {
    await eventually(
      () => {
        this.tick()
        const present = this.#present
        const lastIndex = Math.max(...present.map(({ member }) => member.status.lastIndex))
        const sums = present.map(({ machine }) => machine.query(0))
        return present.every(({ machine }) => machine.appliedIndex === lastIndex) && new Set(sums).size === 1
      },
      { timeoutMs: 20_000 },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { member, sync } of this.nodes) {
      await sync.close()
      member.end(new Error('the test is over'))
    }
    for (const storages of this.#storages) await storages.close()
  }

  get #present(): readonly SyncNode[] {
    return this.nodes.filter((node) => !this.#away.has(node) && !node.member.isOver)
  }

  #canHear(from: MemberId, to: MemberId): SyncNode | undefined {
    const present = this.#present
    const receiver = present.find(({ id }) => id === to)
    return present.some(({ id }) => id === from) ? receiver : undefined
  }

  async #add(place: number, machineOf: () => Ledger, settings: Partial<SyncSettings>): Promise<void> {
    const random = seededRandom(`sync ${place}`)
    const storages = new MemoryStorages({ random })
    this.#storages.push(storages)
    const { storage, restored } = await storages.open(groupId)
    const machine = new ReplicatedMachine<Uint8Array, number, number, number>({ groupId, factory: machineOf })
    const id = `peer${place}/${restored.incarnation}` as MemberId
    const incidents: Incident[] = []
    const member = await Member.start({
      id,
      storage,
      restored,
      machine,
      raft: { limits: { tailEntriesMax: 8 } },
      checkpointEntries: 50,
      clock: this.clock,
      random,
      events: {
        onMessage: (message) => this.#deliver(message),
        onApplied: () => {},
        onRestored: () => {},
        onRole: () => {},
        onConfiguration: () => {},
        onSyncRequired: (demand) => node.sync.onSyncRequired(demand),
        onIncident: (incident) => incidents.push(incident),
        onEnded: (cause) => (node.ended = cause),
      },
    })
    const node: SyncNode = {
      id,
      member,
      machine,
      storage,
      incidents,
      received: [],
      ended: undefined,
      sync: new SyncWorker({
        member,
        storage,
        stateSync: stateSyncOf(machineOf() as StateMachine),
        clock: this.clock,
        logger: silentLogger,
        settings,
        port: {
          send: (to, bytes) => this.#send(id, to, bytes),
          members: () => this.#present.map((other) => other.id).filter((other) => other !== id),
        },
      }),
    }
    this.nodes.push(node)
  }

  #deliver(message: Message): void {
    setImmediate(() => this.#canHear(message.from, message.to)?.member.step(message))
  }

  #send(from: MemberId, to: MemberId, bytes: Uint8Array): 'sent' | 'closed' {
    if (this.#canHear(from, to) === undefined) return 'closed'
    const message = this.onSync(from, to, decodeSync(bytes))
    setImmediate(() => {
      const node = this.#canHear(from, to)
      if (node === undefined || message === undefined) return
      node.received.push({ from, message })
      node.sync.onMessage(from, encodeSync(message))
    })
    return 'sent'
  }
}

/** From whom a node got answers of a type, in their order. */
export function answersFrom(node: SyncNode, type: SyncMessage['type']): readonly MemberId[] {
  return node.received.filter(({ message }) => message.type === type).map(({ from }) => from)
}
