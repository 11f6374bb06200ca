import { expect, test } from '@jest/globals'
import { digestOf, nextTurn, seededRandom, type GroupId } from '#framework/primitives'
import type { ClusterId, Verdict } from '#framework/groups/raft'
import { ReplicatedMachine } from '../../../framework/groups/machine/replicated-machine.js'
import { MemoryStorages, type GroupStorage } from '../../../framework/groups/storage/index.js'
import type { Discarded } from '../../../framework/groups/worker/discarded.js'
import { GivingWay } from '../../../framework/groups/worker/giving-way.js'
import { eventually } from '../../support/eventually.js'
import { Counter, type CounterCommand } from '../machine/counter.js'
import { sessionId, TestLog } from '../machine/entries.js'

const groupId = digestOf('a group that gives way') as GroupId
const [winner, loser] = ['1', '2'].map((digit) => digit.repeat(32)) as [ClusterId, ClusterId]
const verdict: Verdict = { winner, loser, shared: 1, isAgreed: true }
const wordTicks = 10
const patienceTicks = 200

/** A member that has three commands in its log, and has carried out all of them or the first ones. */
async function setUp(appliedCount = 3) {
  const machine = new ReplicatedMachine({ groupId, factory: () => new Counter() })
  const { storage } = await new MemoryStorages({ random: seededRandom('giving way') }).open(groupId)
  const log = new TestLog()
  log.open(sessionId(1))
  for (const [at, add] of [1, 2, 3].entries())
    log.submit({ session: sessionId(1), sequence: at + 1, commands: [{ add }] })
  for (const entry of log.entries.slice(0, 1 + appliedCount)) machine.apply(entry)
  await storage.write({ entries: log.entries })
  const state = {
    isOnRecord: false,
    durableIndex: log.entries.length,
    storage: storage as GroupStorage | undefined,
  }
  const told: Discarded<CounterCommand>[] = []
  let overCount = 0
  const givingWay = new GivingWay({
    machine,
    storage: () => state.storage,
    durableIndex: () => state.durableIndex,
    isOnRecord: () => state.isOnRecord,
    wordTicks,
    logger: { error: () => {} },
    onDiscarded: (discarded) => told.push(discarded),
    onOver: () => overCount++,
  })
  return { givingWay, state, told, overCount: () => overCount }
}

test('given a cluster that has given way, when the other one has that in its log, then what is not shared is handed out and it is over', async () => {
  const { givingWay, state, told, overCount } = await setUp()
  expect(givingWay.isUnderWay).toBe(false)
  givingWay.begin(verdict)
  expect(givingWay.isUnderWay).toBe(true)
  state.isOnRecord = true
  givingWay.onTick(wordTicks - 1)
  await nextTurn()
  expect(told).toEqual([])
  givingWay.onTick(1)
  await eventually(() => expect(overCount()).toBe(1))
  expect(told).toEqual([{ from: 2, to: 3, commands: [{ add: 2 }, { add: 3 }] }])
})

test('given a member that has started again and not heard since what is committed, then all that is in its log is handed out: somebody may have been told that it is done', async () => {
  const { givingWay, state, told } = await setUp(0)
  state.isOnRecord = true
  givingWay.begin(verdict)
  givingWay.onTick(wordTicks)
  await eventually(() => expect(told).toEqual([{ from: 2, to: 3, commands: [{ add: 2 }, { add: 3 }] }]))
})

test('given that nobody has it in its log, then all is kept, for 10 s', async () => {
  const { givingWay, told, overCount } = await setUp()
  givingWay.begin(verdict)
  givingWay.onTick(patienceTicks - 1)
  await nextTurn()
  expect(told).toEqual([])
  givingWay.onTick(1)
  await eventually(() => expect(overCount()).toBe(1))
  givingWay.onTick(patienceTicks)
  await nextTurn()
  expect(told).toHaveLength(1)
})

test('given a storage that fails meanwhile, then nothing is handed out, and the next member can begin anew', async () => {
  const { givingWay, state, told, overCount } = await setUp()
  const opened = state.storage
  givingWay.begin(verdict)
  state.isOnRecord = true
  state.storage = undefined
  givingWay.onTick(wordTicks)
  givingWay.stop()
  state.storage = opened
  givingWay.begin(verdict)
  givingWay.onTick(wordTicks)
  await eventually(() => expect(overCount()).toBe(1))
  expect(told).toHaveLength(1)
})

test('given entries that are applied and not yet on the disk, then these are waited for, and handed out as well', async () => {
  const { givingWay, state, told, overCount } = await setUp()
  const { durableIndex } = state
  state.isOnRecord = true
  state.durableIndex = durableIndex - 1
  givingWay.begin(verdict)
  givingWay.onTick(patienceTicks)
  await nextTurn()
  expect(told).toEqual([])
  state.durableIndex = durableIndex
  givingWay.onTick(1)
  await eventually(() => expect(overCount()).toBe(1))
  expect(told).toMatchObject([{ to: 3, commands: [{ add: 2 }, { add: 3 }] }])
})

test('given a member that ends while what it gives up is read, then that is told by nobody', async () => {
  const { givingWay, state, told, overCount } = await setUp()
  state.isOnRecord = true
  givingWay.begin(verdict)
  givingWay.onTick(wordTicks)
  givingWay.stop()
  await nextTurn()
  expect({ told, overCount: overCount() }).toEqual({ told: [], overCount: 0 })
})
