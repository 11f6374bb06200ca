import { expect, test } from '@jest/globals'
import { SegmentPool } from '../../framework/streams/producing/segment-pool.js'
import { WaitingSends } from '../../framework/streams/producing/waiting-sends.js'

const long = 16 * 1024

function filled(byteLength: number, value: number): Uint8Array {
  return new Uint8Array(byteLength).fill(value)
}

test('given sends of datums long and short that wait, when they are released, then each has its own bytes, in order', async () => {
  const waiting = new WaitingSends<number>(new SegmentPool(1024 * 1024), () => {})
  const reused = new Uint8Array(long)
  const sent = [long, 10, long, 5_000, 4_095].map((byteLength, datum) => {
    const view = reused.subarray(0, byteLength).fill(datum)
    return waiting.add(datum, view, undefined)
  })
  reused.fill(255)
  const released: [number, Uint8Array][] = []
  waiting.release(
    () => true,
    ({ datum, bytes }) => released.push([datum, Uint8Array.from(bytes)]),
  )
  await Promise.all(sent)
  expect(released).toEqual([
    [0, filled(long, 0)],
    [1, filled(10, 1)],
    [2, filled(long, 2)],
    [3, filled(5_000, 3)],
    [4, filled(4_095, 4)],
  ])
  expect(waiting.size).toBe(0)
})

test('given a long datum that waited, when it has been accepted, then the next one waits in the same memory', async () => {
  const pool = new SegmentPool(1024 * 1024)
  const waiting = new WaitingSends<string>(pool, () => {})
  const memory = new Set<ArrayBufferLike>()
  for (const datum of ['first', 'second', 'third']) {
    const sent = waiting.add(datum, filled(long, 1), undefined)
    waiting.release(
      () => true,
      ({ bytes }) => {
        // Whoever is accepting still reads it.
        expect(pool.byteLength).toBe(0)
        memory.add(bytes.buffer)
      },
    )
    await sent
    expect(pool.byteLength).toBe(long)
  }
  expect(memory.size).toBe(1)
})

test('given long datums that wait, when one is withdrawn and the other one is rejected, then their memory is there for others', async () => {
  const pool = new SegmentPool(1024 * 1024)
  const waiting = new WaitingSends<string>(pool, () => {})
  const aborter = new AbortController()
  const withdrawn = waiting.add('withdrawn', filled(long, 1), aborter.signal)
  const rejected = waiting.add('rejected', filled(long, 2), undefined)
  aborter.abort(new Error('too late'))
  await expect(withdrawn).rejects.toThrow('too late')
  expect(pool.byteLength).toBe(long)
  waiting.rejectAll(({ datum }) => new Error(datum))
  await expect(rejected).rejects.toThrow('rejected')
  expect(pool.byteLength).toBe(2 * long)
})

test('given sends with one signal and with others, when it aborts, then they are withdrawn together, and the others wait on', async () => {
  let withdrawals = 0
  const waiting = new WaitingSends<string>(new SegmentPool(1024 * 1024), () => withdrawals++)
  const aborter = new AbortController()
  const other = new AbortController()
  const accepted = waiting.add('accepted', filled(10, 0), aborter.signal)
  const withdrawn = ['first', 'second'].map((datum) => waiting.add(datum, filled(10, 1), aborter.signal))
  const others = [other.signal, undefined].map((signal) => waiting.add('other', filled(10, 2), signal))
  let room = 1
  const release = (): void =>
    waiting.release(
      () => room > 0,
      () => room--,
    )
  release()
  await accepted
  aborter.abort(new Error('too late'))
  for (const send of withdrawn) await expect(send).rejects.toThrow('too late')
  expect({ withdrawals, size: waiting.size }).toEqual({ withdrawals: 1, size: 2 })
  room = 2
  release()
  await Promise.all(others)
  // Nothing is left that would hear of it.
  other.abort()
  expect({ withdrawals, size: waiting.size }).toEqual({ withdrawals: 1, size: 0 })
})

test('given short datums that wait, when the last of those in a chunk is accepted, then its memory is there for others', () => {
  const pool = new SegmentPool(1024 * 1024)
  const waiting = new WaitingSends<number>(pool, () => {})
  for (let datum = 0; datum < 40; datum++) void waiting.add(datum, filled(1_000, datum), undefined)
  // Sixteen in each chunk of 16 KiB.
  const after: number[] = []
  waiting.release(
    ({ datum }) => {
      after.push(pool.byteLength / long)
      return datum < 32
    },
    ({ datum, bytes }) => expect(bytes).toEqual(Buffer.alloc(1_000, datum)),
  )
  expect(after.indexOf(1)).toBe(16)
  expect(after.indexOf(2)).toBe(32)
  void waiting.add(40, filled(1_000, 40), undefined)
  expect(pool.byteLength).toBe(2 * long)
})

test('given sends with one signal and another by turns, when one aborts, then all of its sends are withdrawn and none of the other', async () => {
  const waiting = new WaitingSends<number>(new SegmentPool(1024 * 1024), () => {})
  const [one, other] = [new AbortController(), new AbortController()]
  const sends = Array.from({ length: 10 }, (_, n) =>
    waiting.add(n, filled(10, n), (n % 2 === 0 ? one : other).signal).then(
      () => 'accepted',
      () => 'withdrawn',
    ),
  )
  one.abort()
  expect(waiting.size).toBe(5)
  const accepted: number[] = []
  waiting.release(
    () => true,
    ({ datum }) => accepted.push(datum),
  )
  expect(accepted).toEqual([1, 3, 5, 7, 9])
  expect(await Promise.all(sends)).toEqual(sends.map((_, n) => (n % 2 === 0 ? 'withdrawn' : 'accepted')))
  other.abort()
  expect(waiting.size).toBe(0)
})
