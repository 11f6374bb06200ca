import { describe, expect, test } from '@jest/globals'
import { digestOf, type GroupId } from '#framework/primitives'
import { ReplicatedMachine } from '../../../framework/groups/machine/replicated-machine.js'
import type { GroupStorage, StorageWrite } from '../../../framework/groups/storage/index.js'
import { eventually, within } from '../../support/eventually.js'
import { Counter, type CounterCommand } from '../machine/counter.js'
import { Members, openSession, submission, type TestMember } from './members.js'

const never = new AbortController().signal

async function valueEverywhere(members: readonly TestMember[], value: number): Promise<void> {
  await eventually(() => {
    for (const { machine } of members) expect(machine.query('value')).toBe(value)
  })
}

test('given three members, then one leads, and what it is asked to append is applied by all, in order', async () => {
  await using members = await Members.start(3)
  const leader = await members.leader()
  const outcome = leader.member.propose([
    openSession,
    submission(1, { add: 2 }, { add: 3 }),
    submission(2, { add: 4 }),
  ])
  expect(outcome).toMatchObject({ accepted: true })
  await eventually(() => {
    members.tick()
    for (const { machine } of members.all) expect(machine.query('value')).toBe(9)
  })
  const outcomes = leader.applied.flatMap(({ submission: applied }) => applied ?? [])
  expect(outcomes).toMatchObject([
    { sequence: 1, verdict: 'applied', outcome: { firstIndex: 1, results: [2, 5] } },
    { sequence: 2, verdict: 'applied', outcome: { firstIndex: 3, results: [9] } },
  ])
  for (const { applied } of members.all) {
    expect(applied.map(({ entry }) => entry.index)).toEqual(applied.map((_, place) => place + 1))
  }
})

test('what is proposed in one turn is written together', async () => {
  const writes: StorageWrite[] = []
  await using members = await Members.start(1, (storage) => spying(storage, (write) => writes.push(write)))
  const leader = await members.leader()
  writes.length = 0
  leader.member.propose([openSession])
  for (let sequence = 1; sequence <= 100; sequence++)
    leader.member.propose([submission(sequence, { add: 1 })])
  await valueEverywhere(members.all, 100)
  expect(writes.map(({ entries }) => entries?.length)).toEqual([101])
})

test('thesis §10.2.1: a leader has sent what it appends when its own storage is asked to write it', async () => {
  const sentBefore: boolean[] = []
  await using members: Members = await Members.start(3, (storage) =>
    spying(storage, ({ entries = [] }) => {
      const command = entries.find(({ kind }) => kind === 'command')
      if (command === undefined) return
      sentBefore.push(
        members.sent.some((message) => message.type === 'append' && message.entries.includes(command)),
      )
    }),
  )
  const leader = await members.leader()
  leader.member.propose([openSession, submission(1, { add: 1 })])
  await valueEverywhere(members.all, 1)
  expect(sentBefore).toEqual([true, true, true])
})

test('given a leader that is cut off, then another one takes over, and the first is not heard on what it appends', async () => {
  await using members = await Members.start(3)
  const first = await members.leader()
  first.member.propose([openSession, submission(1, { add: 1 })])
  await valueEverywhere(members.all, 1)
  members.cut.add(first.member.id)
  first.member.propose([submission(2, { add: 100 })])
  const second = await members.leader()
  expect(second).not.toBe(first)
  second.member.propose([submission(2, { add: 10 })])
  const others = members.all.filter((each) => each !== first)
  await eventually(() => {
    members.tick()
    for (const { machine } of others) expect(machine.query('value')).toBe(11)
  })
  expect(first.machine.query('value')).toBe(1)
  members.cut.clear()
  await eventually(() => {
    members.tick()
    expect(first.machine.query('value')).toBe(11)
  })
})

describe('a read', () => {
  test('at the leader resolves with everything applied that was acknowledged before', async () => {
    await using members = await Members.start(3)
    const leader = await members.leader()
    leader.member.propose([openSession, submission(1, { add: 7 })])
    for (const consistency of ['strong', 'lease'] as const) {
      const read = leader.member.read(consistency, never)
      await eventually(() => {
        members.tick()
        expect(leader.machine.query('value')).toBe(7)
      })
      await within(5_000, read)
    }
  })

  test('W-S10: at a leader that is cut off does not resolve, and is refused when it has given up', async () => {
    await using members = await Members.start(3)
    const leader = await members.leader()
    members.cut.add(leader.member.id)
    const read = leader.member.read('strong', never)
    const refused = expect(read).rejects.toMatchObject({ code: 'GROUP_READ_REFUSED' })
    await eventually(() => {
      members.tick()
      expect(leader.role?.role).not.toBe('leader')
    })
    await within(5_000, refused)
  })

  test('at a follower is refused, and who leads is said', async () => {
    await using members = await Members.start(3)
    const leader = await members.leader()
    const follower = members.all.find((each) => each !== leader)!
    await expect(follower.member.read('strong', never)).rejects.toMatchObject({
      refusal: { reason: 'not-leader', leader: leader.member.id },
    })
  })

  test('W-A3: can be given up', async () => {
    await using members = await Members.start(3)
    const leader = await members.leader()
    members.cut.add(leader.member.id)
    const giveUp = new AbortController()
    const read = leader.member.read('strong', giveUp.signal)
    giveUp.abort(new Error('enough'))
    await expect(read).rejects.toThrow('enough')
  })
})

describe('the end of a member', () => {
  test('W-A7: when its storage fails: nothing it had not written was said, and those who wait are told', async () => {
    let isFull = false
    const full = new Error('full')
    await using members = await Members.start(3, (storage, place) =>
      place === 0 ? failing(storage, () => (isFull ? full : undefined)) : storage,
    )
    await members.leader()
    const first = members.all[0]!
    const waiting = first.member.applied(1_000, never)
    const told = expect(waiting).rejects.toBe(full)
    isFull = true
    const leader = await members.leader()
    leader.member.propose([openSession, submission(1, { add: 1 })])
    await eventually(() => {
      members.tick()
      expect(first.ended).toBe(full)
    })
    await told
    // The two that are left go on without it.
    await members.leader()
    await eventually(() => {
      members.tick()
      const values = members.all.filter((each) => each !== first).map(({ machine }) => machine.query('value'))
      expect(values).toEqual(leader === first ? [0, 0] : [1, 1])
    })
  })

  test('W-L9: when its machine throws, with the cause', async () => {
    class Broken extends Counter {
      override apply(): number {
        throw new Error('broken')
      }
    }
    await using members = await Members.start(1, undefined, () => new Broken())
    const leader = await members.leader()
    leader.member.propose([openSession, submission(1, { add: 1 })])
    await eventually(() => expect(leader.ended).toMatchObject({ code: 'GROUP_MACHINE_FAILED' }))
    expect(leader.member.isOver).toBe(true)
  })
})

describe('a member whose storage stands still', () => {
  test('applies what the others commit, and its machine goes on with that when the storage failed and works again', async () => {
    const stuck = Promise.withResolvers<void>()
    let isStuck = false
    await using members = await Members.start(3, (storage, place) =>
      place === 0
        ? withWrites(storage, (write, target) => (isStuck ? stuck.promise : target.write(write)))
        : storage,
    )
    // Another one leads, or nothing would tell that the first is not needed.
    const first = members.all[0]!
    await eventually(async () => {
      const leader = await members.leader()
      if (leader === first) first.member.transferLeadership(members.all[1]!.member.id)
      expect(leader).not.toBe(first)
    })
    const leader = await members.leader()
    isStuck = true
    leader.member.propose([openSession, submission(1, { add: 1 })])
    await eventually(() => {
      members.tick()
      expect(first.machine.query('value')).toBe(1)
    })
    expect(first.member.unwritten).toBeDefined()
    const { lastIndex } = first.member.status
    stuck.reject(new Error('full'))
    await eventually(() => expect(first.member.isOver).toBe(true))

    isStuck = false
    const appliedBefore = first.applied.length
    const second = await members.restart(first)
    expect(second.machine.query('value')).toBe(1)
    expect(second.member.status).toMatchObject({ lastIndex, appliedIndex: first.machine.appliedIndex })
    expect(second.member.unwritten).toBeUndefined()
    leader.member.propose([submission(2, { add: 10 })])
    await valueEverywhere(members.all, 11)
    // Nothing is applied twice.
    const indices = second.applied.map(({ entry }) => entry.index)
    expect(indices[0]).toBe(first.applied[appliedBefore - 1]!.entry.index + 1)
  })
})

describe('a log that grows', () => {
  test('W-A9: is let go up to a tail, behind a snapshot that a new life begins with', async () => {
    await using members = await Members.start(1)
    const leader = await members.leader()
    leader.member.propose([openSession])
    let sequence = 0
    while (sequence < 25_000) {
      const batch = Array.from({ length: 500 }, () => submission(++sequence, { add: 1 }))
      expect(leader.member.propose(batch)).toMatchObject({ accepted: true })
      await valueEverywhere(members.all, sequence)
    }
    await eventually(() => expect(leader.storage.currentSnapshot()?.facts.index).toBeGreaterThan(10_000))
    expect(leader.member.status.firstIndex).toBeGreaterThan(1)
    const snapshot = leader.storage.currentSnapshot()!
    const { groupId, factory } = { groupId: digestOf('members') as GroupId, factory: () => new Counter() }
    const restored = new ReplicatedMachine<CounterCommand, number, 'value', number>({ groupId, factory })
    await restored.restore(snapshot)
    expect(restored.appliedIndex).toBe(snapshot.facts.index)
    expect(restored.query('value')).toBe(snapshot.facts.applicationIndex)
  })
})

/** The storage, of which writes go through something else first. */
function withWrites(
  storage: GroupStorage,
  write: (write: StorageWrite, target: GroupStorage) => Promise<void>,
): GroupStorage {
  return new Proxy(storage, {
    get(target, name) {
      if (name === 'write') return (what: StorageWrite) => write(what, target)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function spying(storage: GroupStorage, onWrite: (write: StorageWrite) => void): GroupStorage {
  return withWrites(storage, (write, target) => {
    onWrite(write)
    return target.write(write)
  })
}

function failing(storage: GroupStorage, cause: () => Error | undefined): GroupStorage {
  return withWrites(storage, async (write, target) => {
    const error = cause()
    if (error !== undefined) throw error
    return target.write(write)
  })
}
