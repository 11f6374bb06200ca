import { describe, expect, test } from '@jest/globals'
import { digestOf, type GroupId } from '#framework/primitives'
import { ReplicatedMachine } from '../../../framework/groups/machine/replicated-machine.js'
import { stateMachineCompliance } from './compliance.js'
import { Counter, type CounterCommand } from './counter.js'
import { sessionId, TestLog } from './entries.js'

const groupId = digestOf('a group') as GroupId
const session = sessionId(1)

function machineOf(): {
  readonly machine: ReplicatedMachine<CounterCommand, number, 'value', number>
  readonly counters: Counter[]
} {
  const counters: Counter[] = []
  const factory = (): Counter => {
    const counter = new Counter()
    counters.push(counter)
    return counter
  }
  return { machine: new ReplicatedMachine({ groupId, factory }), counters }
}

async function* inPieces(pieces: Iterable<Uint8Array>, size = 5): AsyncGenerator<Uint8Array> {
  const all = Buffer.concat([...pieces])
  for (let start = 0; start < all.byteLength; start += size) yield all.subarray(start, start + size)
}

describe('the counter that tests replicate', () => {
  stateMachineCompliance(() => new Counter(), {
    commands: [{ add: 3 }, { add: -7 }, { add: 2, ifValue: -4 }, { add: 1 }],
    queries: ['value'],
  })
})

describe('a log that is applied', () => {
  test('W-S12: each command has its own index, and the time and term of its entry', () => {
    const { machine, counters } = machineOf()
    const log = new TestLog()
    log.add('noop', new Uint8Array(0))
    log.open(session)
    log.submit({ session, sequence: 1, commands: [{ add: 1 }, { add: 2 }] }, { timestampMs: 5_000, term: 3 })
    log.submit({ session, sequence: 2, commands: [{ add: 3 }] }, { timestampMs: 4_000, term: 4 })
    for (const entry of log.entries) machine.apply(entry)
    expect(machine).toMatchObject({ appliedIndex: 4, applicationIndex: 3 })
    expect(
      counters[0]!.seen.map(({ context: { index, term, timestampMs } }) => ({ index, term, timestampMs })),
    ).toEqual([
      { index: 1, term: 3, timestampMs: 5_000 },
      { index: 2, term: 3, timestampMs: 5_000 },
      // Time does not go back, although the new leader's clock is behind.
      { index: 3, term: 4, timestampMs: 5_000 },
    ])
  })

  test('the seed is another for each command, and the same on every member', () => {
    const seeds = [machineOf(), machineOf()].map(({ machine, counters }) => {
      const log = new TestLog()
      log.open(session)
      log.submit({ session, sequence: 1, commands: [{ add: 1 }, { add: 1 }] })
      for (const entry of log.entries) machine.apply(entry)
      return counters[0]!.seen.map(({ context }) => context.seed)
    })
    expect(seeds[0]).toEqual(seeds[1])
    expect(new Set(seeds[0]).size).toBe(2)
  })

  test('W-A6, W-S11: what was submitted twice is carried out once, and both have its results', () => {
    const { machine } = machineOf()
    const log = new TestLog()
    log.open(session)
    log.submit({ session, sequence: 1, commands: [{ add: 5 }, { add: 6 }] })
    log.submit({ session, sequence: 1, commands: [{ add: 5 }, { add: 6 }] })
    const applied = log.entries.map((entry) => machine.apply(entry))
    const outcome = { sequence: 1, term: 1, firstIndex: 1, results: [5, 11] }
    expect(applied).toEqual([
      undefined,
      { session, sequence: 1, verdict: 'applied', outcome },
      { session, sequence: 1, verdict: 'repeated', outcome },
    ])
    expect(machine.query('value')).toBe(11)
  })

  test('W-L9: given a machine that throws, then nothing more is applied, and it is said why', () => {
    const broken = new Error('broken')
    const machine = new ReplicatedMachine<CounterCommand, number, 'value', number>({
      groupId,
      factory: () =>
        Object.assign(new Counter(), {
          apply: () => {
            throw broken
          },
        }),
    })
    const log = new TestLog()
    log.open(session)
    log.submit({ session, sequence: 1, commands: [{ add: 1 }] })
    machine.apply(log.entries[0]!)
    expect(() => machine.apply(log.entries[1]!)).toThrow(
      expect.objectContaining({ code: 'GROUP_MACHINE_FAILED', cause: broken }),
    )
    expect(() => machine.apply(log.entries[1]!)).toThrow(machine.failure)
    expect(machine.appliedIndex).toBe(1)
  })

  test('given entries out of order, then that is a mistake of ours', () => {
    const { machine } = machineOf()
    const log = new TestLog()
    log.open(session)
    log.open(session)
    expect(() => machine.apply(log.entries[1]!)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('given a payload that is none, then the machine has failed', () => {
    const { machine } = machineOf()
    const entry = new TestLog().add('command', Uint8Array.of(1, 2, 3), { commandCount: 1 })
    expect(() => machine.apply(entry)).toThrow(expect.objectContaining({ code: 'GROUP_MACHINE_FAILED' }))
  })
})

describe('a snapshot', () => {
  test('W-S11: has what was carried out for whom: it is not carried out again behind it', async () => {
    const { machine } = machineOf()
    const log = new TestLog()
    log.open(session)
    log.submit({ session, sequence: 1, commands: [{ add: 7 }] })
    log.submit({ session, sequence: 2, commands: [{ add: 1 }] })
    for (const entry of log.entries) machine.apply(entry)

    const { machine: restored } = machineOf()
    await restored.restore(inPieces(machine.snapshot()))
    expect(restored).toMatchObject({ appliedIndex: 3, applicationIndex: 2 })
    expect(restored.query('value')).toBe(8)
    const again = log.submit({ session, sequence: 2, commands: [{ add: 1 }] })
    expect(restored.apply(again)).toMatchObject({
      verdict: 'repeated',
      outcome: { results: [8], firstIndex: 2 },
    })
    expect(restored.query('value')).toBe(8)
  })

  test('is what there was at the moment of the call', async () => {
    const { machine } = machineOf()
    const log = new TestLog()
    log.open(session)
    machine.apply(log.entries[0]!)
    const snapshot = machine.snapshot()
    machine.apply(log.submit({ session, sequence: 1, commands: [{ add: 7 }] }))
    const { machine: restored } = machineOf()
    await restored.restore(inPieces(snapshot))
    expect(restored.appliedIndex).toBe(1)
    expect(restored.query('value')).toBe(0)
    expect(restored.lastSequenceOf(session)).toBe(0)
  })

  test.each([
    ['ends within its length', Buffer.of(0, 0)],
    ['ends within its head', Buffer.of(0, 0, 0, 9, 1)],
    ['has a head that is none', Buffer.of(0, 0, 0, 1, 0xc1)],
    ['says that its head is longer than anything', Buffer.of(255, 255, 255, 255, 0)],
  ])('given one that %s, then it is refused, and the state is what it was', async (_, bytes) => {
    const { machine } = machineOf()
    const log = new TestLog()
    log.open(session)
    log.submit({ session, sequence: 1, commands: [{ add: 7 }] })
    for (const entry of log.entries) machine.apply(entry)
    await expect(machine.restore(inPieces([bytes]))).rejects.toMatchObject({
      code: 'GROUP_SNAPSHOT_MALFORMED',
    })
    expect(machine.query('value')).toBe(7)
    expect(machine.appliedIndex).toBe(2)
  })

  test('given a connection that breaks while one is read, then the state is what it was', async () => {
    const { machine } = machineOf()
    const { machine: other } = machineOf()
    const lost = new Error('lost')
    async function* broken(): AsyncGenerator<Uint8Array> {
      let left = 3
      for await (const piece of inPieces(other.snapshot(), 2)) {
        if (left-- === 0) throw lost
        yield piece
      }
    }
    await expect(machine.restore(broken())).rejects.toBe(lost)
    expect(machine.appliedIndex).toBe(0)
  })
})
