// What every state machine must do for a group to be able to replicate it. For machines of applications too.
import { expect, test } from '@jest/globals'
import { digestOf, type GroupId } from '#framework/primitives'
import type { ApplyContext, MachineFactory } from '#framework/groups'

export interface MachineSample<C, Q> {
  /** Commands that change something, in an order in which they make sense. At least three. */
  readonly commands: readonly C[]
  /** Questions whose answers, taken together, tell states apart. */
  readonly queries: readonly Q[]
}

/** Adds the tests of the contract for a kind of machine. */
export function stateMachineCompliance<C, R, Q, A>(
  factory: MachineFactory<C, R, Q, A>,
  { commands, queries }: MachineSample<C, Q>,
): void {
  type Machine = ReturnType<typeof factory>

  const answers = (machine: Machine): unknown =>
    queries.map((query) => machine.codecs.answer.encode(machine.query(query)))
  const applyAll = (machine: Machine, some: readonly C[], first = 1): Uint8Array[] =>
    some.map((command, place) =>
      machine.codecs.result.encode(machine.apply(command, contextOf(first + place))),
    )

  test('two machines of the factory have one signature, and the same answers and results after the same commands', () => {
    const [one, other] = [factory(), factory()]
    expect(one.signature).toBe(other.signature)
    expect(applyAll(one, commands)).toEqual(applyAll(other, commands))
    expect(answers(one)).toEqual(answers(other))
  })

  test('commands, results, queries and answers come back from bytes as they were', () => {
    const machine = factory()
    const { codecs } = machine
    commands.forEach((command, place) => {
      const decoded = codecs.command.decode(codecs.command.encode(command))
      expect(decoded).toEqual(command)
      const result = machine.apply(decoded, contextOf(place + 1))
      expect(codecs.result.decode(codecs.result.encode(result))).toEqual(result)
    })
    for (const query of queries) {
      const answer = machine.query(codecs.query.decode(codecs.query.encode(query)))
      expect(codecs.answer.decode(codecs.answer.encode(answer))).toEqual(answer)
    }
  })

  test('a query changes nothing', () => {
    const machine = factory()
    applyAll(machine, commands)
    expect(answers(machine)).toEqual(answers(machine))
  })

  test('bytes that are no command are refused', () => {
    expect(() => factory().codecs.command.decode(Uint8Array.of(0xc1))).toThrow()
  })

  test('a snapshot is the state at the moment of the call, and another machine goes on from it alike', async () => {
    const machine = factory()
    if (machine.snapshot === undefined) return
    const middle = Math.floor(commands.length / 2)
    applyAll(machine, commands.slice(0, middle))
    const before = answers(machine)
    const snapshot = machine.snapshot()
    applyAll(machine, commands.slice(middle), middle + 1)
    const pieces = [...snapshot].map((piece) => Uint8Array.from(piece))
    expect(pieces.every(({ byteLength }) => byteLength <= 1024 * 1024)).toBe(true)
    // However the bytes are cut.
    for (const size of [1, 7, Infinity]) {
      const restored = factory()
      await restored.restore!(cut(Buffer.concat(pieces), size))
      expect(answers(restored)).toEqual(before)
      applyAll(restored, commands.slice(middle), middle + 1)
      expect(answers(restored)).toEqual(answers(machine))
    }
  })
}

function contextOf(index: number): ApplyContext {
  return {
    groupId: digestOf('compliance') as GroupId,
    index,
    term: 1,
    timestampMs: 1_700_000_000_000 + index,
    seed: digestOf(`seed ${index}`),
  }
}

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += size) yield bytes.subarray(start, start + size)
}
