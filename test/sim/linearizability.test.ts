import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { beginningsOf, History, tokenOf } from './clients/history.js'
import { checkLinearizability, partition, type Operation } from './linearizability.js'
import {
  applyToRegister,
  registerModel,
  type RegisterInput,
  type RegisterOutput,
} from './clients/register.js'

type RegisterOperation = Operation<RegisterInput, RegisterOutput>

const read = { kind: 'read', key: 'k' } as const
const write = (value: string) => ({ kind: 'write', key: 'k', value }) as const
const append = (value: string) => ({ kind: 'append', key: 'k', value }) as const
const compareAndSet = (expected: string, value: string) =>
  ({ kind: 'compare-and-set', key: 'k', expected, value }) as const

/** An operation from `invokedAt` to `at`, after which the register held `value`. */
function op(
  invokedAt: number,
  at: number,
  input: RegisterInput,
  value: string,
  done = true,
): RegisterOperation {
  return { client: 0, input, invokedAt, completion: { at, output: { value, done } } }
}

function unknown(invokedAt: number, input: RegisterInput): RegisterOperation {
  return { client: 0, input, invokedAt, completion: undefined }
}

function isLinearizable(...operations: RegisterOperation[]): boolean {
  return checkLinearizability(registerModel, operations).linearizable === 'yes'
}

describe('histories that are linearizable', () => {
  test('no operation at all', () => {
    expect(isLinearizable()).toBe(true)
  })

  test('one after the other', () => {
    expect(isLinearizable(op(0, 1, write('a'), 'a'), op(2, 3, append('b'), 'ab'), op(4, 5, read, 'ab'))).toBe(
      true,
    )
  })

  test('a read that overlaps with a write sees the old value or the new one', () => {
    expect(isLinearizable(op(0, 10, write('a'), 'a'), op(1, 2, read, ''), op(3, 4, read, 'a'))).toBe(true)
  })

  test('two writes at the same time take effect in the order that the reads say', () => {
    const writes = [op(0, 10, write('a'), 'a'), op(0, 10, write('b'), 'b')]
    expect(isLinearizable(...writes, op(11, 12, read, 'a'))).toBe(true)
    expect(isLinearizable(...writes, op(11, 12, read, 'b'))).toBe(true)
  })

  test('what begins at the moment when another ends overlaps with it', () => {
    expect(isLinearizable(op(0, 5, write('a'), 'a'), op(5, 6, read, ''))).toBe(true)
  })

  test('a write of unknown outcome takes effect long after the client gave up', () => {
    expect(isLinearizable(unknown(0, write('a')), op(10, 11, read, ''), op(20, 21, read, 'a'))).toBe(true)
  })

  test('a write of unknown outcome never takes effect', () => {
    expect(isLinearizable(unknown(0, write('a')), op(10, 11, read, ''), op(20, 21, read, ''))).toBe(true)
  })

  test('two compare-and-sets from the same value at once, of which one is done', () => {
    expect(
      isLinearizable(
        op(0, 10, compareAndSet('', 'a'), 'a'),
        op(0, 10, compareAndSet('', 'b'), 'a', false),
        op(11, 12, read, 'a'),
      ),
    ).toBe(true)
  })
})

describe('histories that are not linearizable', () => {
  test('a stale read: the write had ended before the read began', () => {
    expect(isLinearizable(op(0, 1, write('a'), 'a'), op(2, 3, read, ''))).toBe(false)
  })

  test('a lost write', () => {
    expect(isLinearizable(op(0, 1, append('a'), 'a'), op(2, 3, append('b'), 'b'))).toBe(false)
  })

  test('a command that took effect twice', () => {
    expect(isLinearizable(op(0, 1, append('a'), 'a'), op(2, 3, read, 'aa'))).toBe(false)
  })

  test('a value that nobody wrote', () => {
    expect(isLinearizable(op(0, 1, write('a'), 'a'), op(0, 3, read, 'b'))).toBe(false)
  })

  test('two reads during one write see the new value and then the old one', () => {
    expect(isLinearizable(op(0, 10, write('a'), 'a'), op(1, 2, read, 'a'), op(3, 4, read, ''))).toBe(false)
  })

  test('both of two compare-and-sets from the same value are done', () => {
    expect(
      isLinearizable(op(0, 10, compareAndSet('', 'a'), 'a'), op(0, 10, compareAndSet('', 'b'), 'b')),
    ).toBe(false)
  })

  test('a write of unknown outcome takes effect before it was invoked', () => {
    expect(isLinearizable(op(0, 1, read, 'a'), unknown(2, write('a')))).toBe(false)
  })

  test('a write of unknown outcome takes effect twice', () => {
    expect(
      isLinearizable(
        unknown(0, write('a')),
        op(1, 2, read, 'a'),
        op(3, 4, write('b'), 'b'),
        op(5, 6, read, 'a'),
      ),
    ).toBe(false)
  })

  test('readers that disagree on the order of two writes (split brain)', () => {
    expect(
      isLinearizable(
        op(0, 10, write('a'), 'a'),
        op(0, 10, write('b'), 'b'),
        op(1, 20, read, 'a'),
        op(21, 22, read, 'b'),
        op(23, 24, read, 'a'),
      ),
    ).toBe(false)
  })

  test('the verdict says where it got stuck', () => {
    const operations = [op(0, 1, write('a'), 'a'), op(2, 3, append('b'), 'ab'), op(4, 5, read, 'a')]
    expect(checkLinearizability(registerModel, operations)).toEqual({
      linearizable: 'no',
      prefix: operations.slice(0, 2),
      stuckAt: operations[2],
    })
  })
})

test('partition keeps the order of the operations on each key', () => {
  const operations = ['a', 'b', 'a'].map((key, i) => unknown(i, { kind: 'write', key, value: `${i}` }))
  const parts = partition(operations, ({ key }) => key)
  expect([...parts]).toEqual([
    ['a', [operations[0], operations[2]]],
    ['b', [operations[1]]],
  ])
})

test('a search that takes too long is given up', () => {
  const operations = Array.from({ length: 20 }, (_, i) => op(0, 1, append(`${i}`), 'x'))
  expect(checkLinearizability(registerModel, [...operations, op(0, 1, read, '')], 10).linearizable).toBe(
    'undecided',
  )
})

test('a long history with many operations of unknown outcome is checked in little time', () => {
  const operations: RegisterOperation[] = []
  for (let i = 0; i < 2_000; i++) {
    operations.push(op(2 * i, 2 * i + 1, write(`${i}`), `${i}`))
    if (i % 10 === 0) operations.push(unknown(2 * i, write(`lost ${i}`)))
  }
  const startedAt = performance.now()
  expect(isLinearizable(...operations, op(5_000, 5_001, read, 'lost 0'))).toBe(true)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('a history in which many operations of unknown outcome were seen at last is checked in little time', () => {
  const history = new History()
  const tokens = Array.from({ length: 40 }, (_, at) => tokenOf(1, at))
  for (const token of tokens) history.giveUp(1, append(token), 0)
  const value = tokens.toReversed().join('')
  history.complete(2, read, 10, 11, { value, done: true })
  const startedAt = performance.now()
  expect(history.problem()).toBeUndefined()
  history.complete(2, read, 12, 13, { value: tokens.join(''), done: true })
  expect(history.problem()).toContain('no order of the operations explains')
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})

test('a long history of few clients is checked in linear time', () => {
  const operations: RegisterOperation[] = []
  let value = ''
  for (let i = 0; i < 5_000; i++) {
    const input = i % 3 === 0 ? write(`${i}`) : i % 3 === 1 ? append('x') : read
    value = applyToRegister(value, input).value
    // Every operation overlaps with the two before it.
    operations.push(op(i - 0.2, i + 2.5, input, value))
  }
  const startedAt = performance.now()
  expect(isLinearizable(...operations)).toBe(true)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

/** Tries every order of every subset that contains all completed operations. */
function bruteForce(operations: readonly RegisterOperation[], value = registerModel.initial): boolean {
  if (operations.every(({ completion }) => completion === undefined)) return true
  const firstEnd = Math.min(...operations.map(({ completion }) => completion?.at ?? Infinity))
  return operations.some((operation, i) => {
    if (operation.invokedAt > firstEnd) return false
    const output = applyToRegister(value, operation.input)
    const { completion } = operation
    if (completion && !registerModel.sameOutput(output, completion.output)) return false
    return bruteForce(operations.toSpliced(i, 1), output.value)
  })
}

test('the verdict is that of trying all orders', () => {
  const value = fc.constantFrom('', 'a', 'b')
  const input: fc.Arbitrary<RegisterInput> = fc.oneof(
    fc.constant(read),
    value.map(write),
    fc.constantFrom('a', 'b').map(append),
    fc.tuple(value, value).map(([expected, next]) => compareAndSet(expected, next)),
  )
  const interval = fc
    .tuple(fc.nat(12), fc.nat(6))
    .map(([invokedAt, durationMs]) => ({ invokedAt, at: invokedAt + durationMs }))
  const operation = fc
    .record({
      input,
      interval,
      known: fc.integer({ min: 0, max: 4 }),
      value: fc.constantFrom('', 'a', 'b', 'ab'),
    })
    .map(({ input, interval, known, value }): RegisterOperation => {
      if (known === 0) return unknown(interval.invokedAt, input)
      const done = input.kind !== 'compare-and-set' || value === input.value
      // Mostly an answer that fits the input, or hardly any history would be linearizable.
      const answer = input.kind === 'write' ? input.value : value
      return op(interval.invokedAt, interval.at, input, answer, done)
    })
  let goodCount = 0
  let badCount = 0
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      const expected = bruteForce(operations)
      if (expected) goodCount++
      else badCount++
      expect(isLinearizable(...operations)).toBe(expected)
    }),
    { numRuns: 3_000 },
  )
  expect(goodCount).toBeGreaterThan(100)
  expect(badCount).toBeGreaterThan(100)
})

const anySteps = fc.array(
  fc.record({
    kind: fc.constantFrom('read', 'write', 'append', 'compare-and-set'),
    lasts: fc.nat(6),
    /** Which of the values before it a compare-and-set expects, from the last one backwards. */
    expects: fc.nat(2),
    outcome: fc.constantFrom('known', 'known', 'unknown', 'lost'),
    isWrong: fc.integer({ min: 0, max: 15 }).map((chance) => chance === 0),
  }),
  { maxLength: 14 },
)

test('property: given histories of registers, whatever nobody has seen the consequences of can be left out', () => {
  let linearizableCount = 0
  let runCount = 0
  fc.assert(
    fc.property(anySteps, (steps) => {
      let value = ''
      const values = ['']
      const operations = steps.map(({ kind, lasts, expects, outcome, isWrong }, at): RegisterOperation => {
        const token = tokenOf(0, at)
        const expected = values.at(-1 - expects) ?? ''
        const input =
          kind === 'read'
            ? read
            : kind === 'compare-and-set'
              ? compareAndSet(expected, token)
              : { kind, key: 'k', value: token }
        const output = applyToRegister(value, input)
        if (outcome !== 'lost') value = output.value
        values.push(value)
        if (outcome !== 'known') return unknown(at - lasts, input)
        const answer = isWrong ? values[at % values.length]! : output.value
        return op(at - lasts, at + lasts, input, answer, output.done)
      })
      const seen = operations.flatMap(({ input, completion }) => [
        ...(completion ? [completion.output.value] : []),
        ...(input.kind === 'compare-and-set' ? [input.expected] : []),
      ])
      const beginnings = beginningsOf(seen)
      const model = { ...registerModel, mayBeSeen: (state: string) => beginnings.has(state) }
      const { linearizable } = checkLinearizability(model, operations)
      expect(linearizable).toBe(checkLinearizability(registerModel, operations).linearizable)
      runCount++
      if (linearizable === 'yes') linearizableCount++
    }),
    { numRuns: 2_000 },
  )
  expect(linearizableCount).toBeGreaterThan(runCount / 10)
  expect(linearizableCount).toBeLessThan(runCount)
})
