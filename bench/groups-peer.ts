// A node with one group of a register, as a member of it or as the client of the others.
import type { Transport } from './transports.ts'
import { answerCalls } from './calls.ts'
import { groupKey, groupNode, Register, type RegisterGroup } from './group-node.ts'
import { callsPerSecond, eachMs, type Load } from './load.ts'

export interface JoinOrder {
  readonly transport: Transport
  readonly addresses: readonly string[]
  /** Where to store; undefined: in memory. */
  readonly folder: string | undefined
}

export interface GroupsPeer extends Load {
  /** Joins, and says where it is reached. */
  join(order: JoinOrder): Promise<readonly string[]>
  /** Resolves when there are so many voters and a leader. */
  ready(voters: number): Promise<void>
}

let group: RegisterGroup | undefined

function joined(): RegisterGroup {
  if (group === undefined) throw new Error('not joined')
  return group
}

/** Longer than a measurement takes: so many calls at a time may be more than a busy machine carries out in the default. */
const deadlineMs = 60_000

const peer: GroupsPeer = {
  async join(order) {
    const { host, groups } = await groupNode(order)
    group = await groups.join({ key: groupKey(0), machine: () => new Register(), maxVoters: 3 })
    return host.addresses.value
  },

  async ready(voters) {
    await joined().when().voters(voters)
    await joined().when().online()
  },

  write: (order) => {
    const command = commandOf(order.bytes)
    return callsPerSecond(order, () => joined().execute(command, { deadlineMs }))
  },

  async writeBatches(order) {
    const commands = Array.from({ length: order.batch }, () => commandOf(order.bytes))
    const batches = await callsPerSecond(order, () => joined().executeMany(commands, { deadlineMs }))
    return order.batch * batches
  },

  writeEach: (order) => {
    const command = commandOf(order.bytes)
    return eachMs(order, () => joined().execute(command, { deadlineMs }))
  },

  read: (order) => callsPerSecond(order, () => joined().query(undefined, { deadlineMs })),

  readEach: (order) => eachMs(order, () => joined().query(undefined, { deadlineMs })),
}

function commandOf(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(1)
}

answerCalls(peer)
