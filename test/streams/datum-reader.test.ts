import { describe, expect, test } from '@jest/globals'
import { DatumReader } from '../../framework/streams/consuming/datum-reader.js'
import { emptyInbox, FakeSource } from './received-frames.js'

function scene() {
  const inbox = emptyInbox()
  const reader = new DatumReader(inbox, 'consumer of stream "test"')
  const source = new FakeSource(inbox, { acknowledging: 'taken' })
  return {
    reader,
    progress: source.progress,
    receive: (...datums: readonly number[]) => {
      source.receive(source.progress.expected, ...datums)
      reader.onArrival()
    },
  }
}

test('given several calls that wait, then they are served in the order in which they were made', async () => {
  const { reader, receive } = scene()
  const calls = [reader.next(), reader.next(), reader.next()]
  receive(1, 2)
  receive(3)
  expect(await Promise.all(calls)).toEqual([1, 2, 3])
})

test('given a call that was aborted, then it takes nothing', async () => {
  const { reader, receive } = scene()
  const stop = new AbortController()
  const given = reader.next({ signal: stop.signal })
  const next = reader.next()
  stop.abort(new Error('enough'))
  receive(1)
  await expect(given).rejects.toThrow('enough')
  expect(await next).toBe(1)
  await expect(reader.next({ signal: stop.signal })).rejects.toThrow('enough')
})

test('given a call of an iteration that is left while it waits, then it takes nothing: the datum is for whoever asks next', async () => {
  const { reader, receive } = scene()
  const iteration = reader.datums()
  const calls = [iteration.next(), iteration.next()]
  const other = reader.datums().next()
  await iteration.return?.()
  receive(1)
  expect(await Promise.all(calls)).toEqual([
    { done: true, value: undefined },
    { done: true, value: undefined },
  ])
  expect(await other).toEqual({ done: false, value: 1 })
  receive(2)
  expect(await iteration.next()).toEqual({ done: true, value: undefined })
  expect(reader.tryTake()).toBe(2)
})

test('given 1024 calls that wait, then the next is refused', async () => {
  const { reader } = scene()
  const calls = Array.from({ length: 1024 }, () => reader.next())
  await expect(reader.next()).rejects.toMatchObject({ code: 'CONSUMER_BUSY' })
  reader.end()
  expect(new Set(await Promise.all(calls))).toEqual(new Set([undefined]))
})

describe('at the end', () => {
  test('what is here is handed out first', async () => {
    const { reader, receive } = scene()
    receive(1, 2)
    reader.end()
    expect([await reader.next(), await reader.next()]).toEqual([1, 2])
    expect(await reader.next()).toBeUndefined()
  })

  test('the cause is thrown, to those who wait and to those who ask later', async () => {
    const { reader } = scene()
    const waiting = reader.next()
    reader.end(new Error('broken'))
    await expect(waiting).rejects.toThrow('broken')
    await expect(reader.next()).rejects.toThrow('broken')
  })
})

test('a batch is everything that is here, and no more than 1024', async () => {
  const { reader, receive } = scene()
  const batches = reader.batches()[Symbol.asyncIterator]()
  receive(...Array.from({ length: 1000 }, () => 1))
  receive(...Array.from({ length: 100 }, () => 2))
  expect((await batches.next()).value).toHaveLength(1024)
  expect((await batches.next()).value).toHaveLength(76)
  const next = batches.next()
  receive(3)
  expect(await next).toEqual({ done: false, value: [3] })
})

test('given far more than fits into a turn of the event loop, then a loop over it lets others have theirs', async () => {
  const { reader, receive } = scene()
  for (let frame = 0; frame < 20; frame++) receive(...Array.from({ length: 1000 }, () => 1))
  let turns = 0
  const count = (): void => {
    turns++
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)
  for (let taken = 0; taken < 20_000; taken++) await reader.next()
  clearImmediate(immediate)
  expect(turns).toBeGreaterThanOrEqual(4)
  expect(turns).toBeLessThan(100)
})

test.each<[string, (reader: DatumReader<number>) => unknown]>([
  ['recv', (reader) => reader.next()],
  ['tryRecv', (reader) => reader.tryTake()],
  ['the next of a loop', (reader) => reader.datums().next()],
  ['the next envelope', (reader) => reader.envelopes()[Symbol.asyncIterator]().next()],
  ['the next batch', (reader) => reader.batches()[Symbol.asyncIterator]().next()],
])('asking by %s acknowledges what was handed out before, and nothing of what it gives', async (_, ask) => {
  const { reader, progress, receive } = scene()
  receive(1)
  await ask(reader)
  expect(progress.acknowledged).toBe(0)
  receive(2)
  await ask(reader)
  expect(progress.acknowledged).toBe(1)
})

describe('given far more than fits into a turn of the event loop, and calls that are made at once', () => {
  /** Datums are bytes, of which the last few are mistakes. */
  const byteCount = 250
  const turnCount = 4_096
  const last = (turnCount - 1) % byteCount
  const [next, nextButOne] = [last + 1, last + 2]

  /** In which order the calls are answered, and with what. */
  function answersOf<T>(calls: readonly Promise<T>[]): {
    readonly answers: T[]
    readonly all: Promise<unknown>
  } {
    const answers: T[] = []
    return { answers, all: Promise.all(calls.map(async (call) => answers.push(await call))) }
  }

  test('then they are answered in the order in which they were made', async () => {
    const { reader, receive } = scene()
    const datums = Array.from({ length: 10_000 }, (_, n) => n % byteCount)
    receive(...datums)
    const { answers, all } = answersOf(datums.map(() => reader.next()))
    await all
    expect(answers).toEqual(datums)
  })

  test('then what arrives meanwhile does not overtake those that wait for the turn, and neither does the end', async () => {
    const { reader, receive } = scene()
    const datums = Array.from({ length: turnCount }, (_, n) => n % byteCount)
    receive(...datums)
    const { answers, all } = answersOf([...datums, next, undefined].map(() => reader.next()))
    receive(next)
    reader.end()
    await all
    expect(answers).toEqual([...datums, next, undefined])
    expect(await reader.next()).toBeUndefined()
  })

  test('then a call that is made between two answers comes behind both', async () => {
    const { reader, receive } = scene()
    const datums = Array.from({ length: turnCount + 1 }, (_, n) => n % byteCount)
    receive(...datums, nextButOne)
    const answers: (number | undefined)[] = []
    const calls = datums.map(async (_, index) => {
      answers.push(await reader.next())
      if (index === turnCount - 1) answers.push(await reader.next())
    })
    await Promise.all(calls)
    expect(answers.slice(-3)).toEqual([last, next, nextButOne])
  })

  test('then the cause of an end comes behind them as well', async () => {
    const { reader, receive } = scene()
    const datums = Array.from({ length: turnCount }, (_, n) => n % byteCount)
    receive(...datums)
    const calls = [...datums, undefined].map(() => reader.next())
    const { answers, all } = answersOf(calls.map((call) => call.catch((error: unknown) => String(error))))
    reader.end(new Error('a mistake'))
    await all
    expect(answers.slice(-2)).toEqual([last, 'Error: a mistake'])
    await expect(reader.next()).rejects.toThrow('a mistake')
  })
})
