import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { datumOf, fillAll, plainCodec, range, TestLog } from './log-support.js'

/** The sequence numbers that a consumer gets which wants everything that is kept. */
function kept({ log }: TestLog): number[] {
  return range(log.oldest, log.next)
}

describe('a datum', () => {
  test('that was drafted is forgotten when another one is', () => {
    const log = new TestLog()
    const queue = log.queue()
    log.log.draft(datumOf(0, 100))
    log.log.draft(datumOf(7, 3_000))
    expect(log.log.next).toBe(0)
    log.append(50)
    expect(queue).toMatchObject({ length: 1, byteLength: 50 })
    expect(fillAll(queue)).toEqual([0])
  })

  test('that is encoded already becomes part of the log as it is', () => {
    const log = new TestLog()
    const queue = log.queue()
    for (const length of [0, 1, 127, 128, 5_000, 20_000, 100_000]) {
      log.log.draftEncoded(datumOf(log.log.next, length))
      expect(log.log.draftBytes).toBe(length)
      log.log.commit()
    }
    expect(fillAll(queue)).toEqual(range(0, 7))
  })

  test('that is too long is refused whatever came before, and the log goes on', () => {
    const log = new TestLog({ datumBytesMax: 100_000 })
    const queue = log.queue()
    for (const length of [10, 100_000, 100_000, 10]) {
      log.append(length)
      expect(() => log.log.draft(new Uint8Array(100_001))).toThrow(
        expect.objectContaining({ code: 'DATUM_TOO_LARGE' }),
      )
    }
    expect(fillAll(queue)).toEqual(range(0, 4))
  })

  test('whose encoding fails leaves the log as it was', () => {
    const log = new TestLog()
    const queue = log.queue()
    log.append(10)
    expect(() => log.log.draft(undefined as unknown as Uint8Array)).toThrow(TypeError)
    log.append(10)
    expect(fillAll(queue)).toEqual([0, 1])
  })

  test('that is sent from within another one is refused, and the other one is whole', () => {
    const log: TestLog = new TestLog({
      codec: {
        ...plainCodec,
        encode: (datum, target, offset) => {
          const nested = (): number => log.log.draft(datumOf(7, 10))
          expect(nested).toThrow(expect.objectContaining({ code: 'DATUM_NESTED' }))
          expect(log.log.isDrafting).toBe(true)
          return plainCodec.encode(datum, target, offset)
        },
      },
    })
    const queue = log.queue()
    log.append(10)
    log.append(10)
    expect(log.log.isDrafting).toBe(false)
    expect(fillAll(queue)).toEqual([0, 1])
  })
})

test('datums of any lengths are read as they were written, through as many segments as they take', () => {
  const length = fc.oneof(fc.nat(300), fc.constantFrom(127, 128, 16_383, 16_384), fc.nat(70_000))
  fc.assert(
    fc.property(fc.array(length, { maxLength: 60 }), (lengths) => {
      const log = new TestLog()
      const queue = log.queue()
      for (const each of lengths) log.append(each)
      expect(queue.byteLength).toBe(lengths.reduce((sum, each) => sum + each, 0))
      expect(fillAll(queue)).toEqual(range(0, lengths.length))
    }),
    { numRuns: 30 },
  )
})

describe('without anybody who reads', () => {
  test('nothing is kept, however much is sent', () => {
    const log = new TestLog()
    for (let n = 0; n < 1_000; n++) log.append(10_000)
    log.log.pass()
    expect(log.log.next).toBe(1_001)
    expect(log.log.allocatedBytes).toBeLessThanOrEqual(64 * 1024)
    const queue = log.queue()
    log.append(10)
    expect(fillAll(queue)).toEqual([1_001])
    queue.clear()
    log.append(10)
    expect(log.log.oldest).toBe(1_003)
  })

  test('a log that is used no more gives its memory back', () => {
    const log = new TestLog({ replay: { last: 1_000 } })
    for (let n = 0; n < 100; n++) log.append(1_000)
    expect(log.pool.byteLength).toBe(0)
    log.log.clear()
    expect(log.pool.byteLength).toBeGreaterThanOrEqual(100_000)
  })
})

test('given long datums, when more of about the same length follow, then each is encoded once', () => {
  let encodings = 0
  const codec = {
    ...plainCodec,
    encode: (...args: Parameters<typeof plainCodec.encode>) => {
      encodings++
      return plainCodec.encode(...args)
    },
  }
  const log = new TestLog({ codec })
  const queue = log.queue()
  log.appendAll(1, 64 * 1024)
  encodings = 0
  for (let n = 1; n <= 100; n++) {
    log.append(64 * 1024)
    expect(fillAll(queue)).toContain(n)
  }
  expect(encodings).toBe(100)
  expect(log.log.allocatedBytes + log.pool.byteLength).toBeLessThan(512 * 1024)
})

describe('a replay', () => {
  test('of the last n keeps exactly n', () => {
    const log = new TestLog({ replay: { last: 3 } })
    expect(kept(log)).toEqual([])
    log.append(10)
    expect(kept(log)).toEqual([0])
    log.appendAll(1_000, 100)
    expect(kept(log)).toEqual([998, 999, 1_000])
    expect(log.log.allocatedBytes).toBeLessThan(64 * 1024)
  })

  test('of so many bytes keeps as many of the newest as fit', () => {
    const log = new TestLog({ replay: { bytes: 250 } })
    log.appendAll(10, 100)
    expect(kept(log)).toEqual([8, 9])
    log.append(1_000)
    expect(kept(log)).toEqual([])
  })

  test('keeps 16 MiB if nothing else is said', () => {
    const log = new TestLog({ replay: { for: 1e9 } })
    log.appendAll(40, 1_000_000)
    expect(kept(log)).toEqual(range(24, 40))
    expect(log.log.allocatedBytes).toBeLessThan(20 * 1024 * 1024)
  })

  test('by age lets go of what is older, a sixteenth late at most, and then says when it has more to let go of', () => {
    const log = new TestLog({ replay: { for: 1_600 } })
    expect(log.log.expiresAtMs).toBeUndefined()
    for (log.nowMs = 0; log.nowMs < 3_200; log.nowMs += 10) log.append(10)
    // The newest is of 3190.
    const ageOf = (sequence: number): number => log.nowMs - 10 * sequence
    expect(ageOf(log.log.oldest)).toBeGreaterThanOrEqual(1_600)
    expect(ageOf(log.log.oldest)).toBeLessThanOrEqual(1_700)
    for (let expiry = log.log.expiresAtMs; expiry !== undefined; expiry = log.log.expiresAtMs) {
      log.nowMs = Math.max(expiry, log.nowMs)
      log.log.expire()
      if (log.log.oldest < log.log.next) expect(ageOf(log.log.oldest)).toBeLessThanOrEqual(1_700)
    }
    expect(log.nowMs).toBe(3_190 + 1_600)
    expect(kept(log)).toEqual([])
    expect(log.log.allocatedBytes).toBe(0)
  })

  test('by age, when what has expired is still before a consumer, then nothing is to be done until that has read it', () => {
    const log = new TestLog({ replay: { for: 100 } })
    const queue = log.queue()
    log.appendAll(50, 1_000)
    log.nowMs = 100
    log.log.expire()
    expect(log.log.expiresAtMs).toBeUndefined()
    log.appendAll(200, 1_000)
    expect(fillAll(queue)).toEqual(range(0, 250))
    expect(kept(log)).toEqual(range(50, 250))
  })

  test('by age expires although the last draft was not accepted', () => {
    const log = new TestLog({ replay: { for: 100 } })
    log.append(10)
    log.nowMs = 50
    log.log.draft(datumOf(1, 10))
    log.nowMs = 100
    log.log.expire()
    expect(log.log.expiresAtMs).toBeUndefined()
    expect(kept(log)).toEqual([])
  })

  test('of datums without any bytes ends as well', () => {
    const log = new TestLog({ replay: { bytes: 1_000 } })
    log.appendAll(200_000, 0)
    expect(kept(log)).toEqual(range(199_000, 200_000))
    expect(log.log.allocatedBytes).toBeLessThan(200_000)
  })

  test('with several limits keeps what is within all of them', () => {
    const log = new TestLog({ replay: { last: 5, bytes: 350, for: 1_000 } })
    log.appendAll(10, 100)
    expect(kept(log)).toEqual([7, 8, 9])
    log.appendAll(10, 10)
    expect(kept(log)).toEqual(range(15, 20))
    log.nowMs = 1_000
    expect(kept(log)).toEqual([])
  })

  test('under any limits, what is kept is the newest that are within them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.array(fc.nat(3_000), { maxLength: 100 }),
        (last, bytes, lengths) => {
          const log = new TestLog({ replay: { last, bytes } })
          for (const [index, length] of lengths.entries()) {
            log.append(length)
            const written = lengths.slice(0, index + 1)
            let from = written.length
            let sum = 0
            while (from > 0 && written.length - from < last && sum + written[from - 1]! <= bytes) {
              sum += written[--from]!
            }
            expect(log.log.oldest).toBe(from)
            expect(log.log.allocatedBytes).toBeLessThanOrEqual(2 * bytes + 5 * written.length + 70_000)
          }
          const cursor = log.log.cursorAtOldest()
          const queue = log.queue({ datumsMax: 1e6, bytesMax: 1e9 }, { cursor })
          expect(fillAll(queue)).toEqual(kept(log))
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('a consumer that comes late', () => {
  const limits = { datumsMax: 10, bytesMax: 1_000_000 }

  test('given a replay longer than its queue, when it subscribes, then what waits for it does not count until it has caught up', () => {
    const log = new TestLog({ replay: { last: 1_000 } })
    log.appendAll(500, 100)
    const queue = log.queue({ ...limits, overflow: 'disconnect' }, { cursor: log.log.cursorAtOldest() })
    expect(queue.hasRoomFor(100)).toBe(true)
    log.appendAll(100, 100)
    expect(queue.hasRoomFor(100)).toBe(true)
    expect(fillAll(queue)).toEqual(range(0, 600))
    log.appendAll(10, 100)
    expect(queue.hasRoomFor(100)).toBe(false)
  })

  test('with acknowledgement has caught up when it has acknowledged enough', () => {
    const log = new TestLog({ replay: { last: 1_000 } })
    log.appendAll(500, 100)
    const queue = log.queue(
      { ...limits, overflow: 'block' },
      { cursor: log.log.cursorAtOldest(), isAcknowledged: true },
    )
    expect(fillAll(queue)).toEqual(range(0, 500))
    queue.acknowledge(500)
    log.appendAll(10, 100)
    expect(queue.hasRoomFor(100)).toBe(false)
  })

  test.each(['drop-oldest', 'disconnect'] as const)(
    'given %s, when the replay lets go of what it has not got yet, then that is lost, and told',
    (overflow) => {
      const log = new TestLog({ replay: { last: 100 } })
      log.appendAll(100, 1_000)
      const queue = log.queue({ ...limits, overflow }, { cursor: log.log.cursorAtOldest() })
      log.appendAll(500, 1_000)
      expect(queue.hasRoomFor(1_000)).toBe(true)
      // Whole segments are let go of, so that some of the older ones may still be there.
      const received = fillAll(queue)
      expect(received.at(-1)).toBe(599)
      expect(received[0]).toBeGreaterThan(400)
      expect(queue.droppedCount).toBe(received[0])
      expect(received).toEqual(range(received[0]!, 600))
    },
  )

  test('given block, when the replay would let go of what it has not got yet, then that is kept, and counts', () => {
    const log = new TestLog({ replay: { last: 100 } })
    log.appendAll(100, 1_000)
    const queue = log.queue({ ...limits, overflow: 'block' }, { cursor: log.log.cursorAtOldest() })
    let sent = 100
    for (; queue.hasRoomFor(1_000) && sent < 1_000; sent++) log.append(1_000)
    expect(sent).toBeGreaterThan(100)
    expect(sent).toBeLessThan(300)
    expect(fillAll(queue)).toEqual(range(0, sent))
    expect(queue.droppedCount).toBe(0)
    expect(queue.hasRoomFor(1_000)).toBe(true)
  })

  test('given datums that expire while it reads nothing, when nothing follows them, then it is told of the loss', () => {
    const log = new TestLog({ replay: { for: 100 } })
    log.appendAll(50, 1_000)
    const queue = log.queue({ ...limits, overflow: 'drop-oldest' }, { cursor: log.log.cursorAtOldest() })
    log.nowMs = 100
    log.log.expire()
    expect(fillAll(queue)).toEqual([])
    expect(queue.takeGap()).toEqual({ sequence: 50, lost: 50 })
    expect(queue.takeGap()).toBeUndefined()
    expect(queue.droppedCount).toBe(50)
  })
})
