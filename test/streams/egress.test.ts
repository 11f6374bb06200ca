import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ManualClock } from '#framework/primitives'
import type { EgressOptions } from '#framework/streams'
import { EgressLimit } from '../../framework/streams/producing/egress-limit.js'
import { EgressTurns, type EgressSender } from '../../framework/streams/producing/egress-turns.js'

interface Sent {
  readonly atMs: number
  readonly datums: number
  readonly bytes: number
}

/** Checks what the documentation promises for every span of time. */
function expectWithin(
  sent: readonly Sent[],
  { datumsPerSecond, bytesPerSecond }: EgressOptions,
  longest: number,
) {
  const inOrder = [...sent].sort((a, b) => a.atMs - b.atMs)
  if (datumsPerSecond !== undefined)
    expect(excess(inOrder, datumsPerSecond, 'datums')).toBeLessThanOrEqual(
      Math.max(1, datumsPerSecond / 10) + 0.001,
    )
  if (bytesPerSecond !== undefined)
    expect(excess(inOrder, bytesPerSecond, 'bytes')).toBeLessThanOrEqual(
      Math.max(1, bytesPerSecond / 10) + longest + 0.001,
    )
}

/** The most that was sent beyond the rate in any span of time. */
function excess(sent: readonly Sent[], perSecond: number, unit: 'datums' | 'bytes'): number {
  let most = 0
  let level = 0
  let lastMs = 0
  for (const each of sent) {
    level = Math.max(0, level - ((each.atMs - lastMs) / 1_000) * perSecond) + each[unit]
    lastMs = each.atMs
    most = Math.max(most, level)
  }
  return most
}

const limits = fc.oneof(
  fc.record({ datumsPerSecond: fc.double({ min: 0.5, max: 5_000, noNaN: true }) }),
  fc.record({ bytesPerSecond: fc.double({ min: 1, max: 1_000_000, noNaN: true }) }),
  fc.record({
    datumsPerSecond: fc.double({ min: 0.5, max: 5_000, noNaN: true }),
    bytesPerSecond: fc.double({ min: 1, max: 1_000_000, noNaN: true }),
  }),
)

describe('an egress limit', () => {
  test('in any span of time lets through the rate, a burst of a tenth of a second, and one datum at most', () => {
    const step = fc.record({
      waitMs: fc.nat(300),
      claimants: fc.integer({ min: 1, max: 5 }),
      datumBytes: fc.integer({ min: 1, max: 5_000 }),
    })
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 60 }), (options, steps) => {
        const limit = new EgressLimit(options, 0)
        const sent: Sent[] = []
        let nowMs = 0
        for (const { waitMs, claimants, datumBytes } of steps) {
          nowMs += waitMs
          const allowance = limit.allowance(nowMs, claimants)
          if (allowance === undefined) continue
          const fits = Math.min(allowance.datums, Math.floor(allowance.bytes / datumBytes), 1_000)
          const datums = Math.max(1, fits)
          limit.spend(nowMs, datums, datums * datumBytes)
          sent.push({ atMs: nowMs, datums, bytes: datums * datumBytes })
        }
        expectWithin(sent, options, 5_000)
      }),
    )
  })

  test('lets a datum longer than any burst pass, and then waits until that is made up for', () => {
    const limit = new EgressLimit({ bytesPerSecond: 1_000 }, 0)
    expect(limit.allowance(0, 1)).toEqual({ datums: Infinity, bytes: 25 })
    limit.spend(0, 1, 5_100)
    expect(limit.allowance(4_999, 1)).toBeUndefined()
    expect(limit.waitMs(4_999)).toBeCloseTo(26)
    expect(limit.allowance(5_025, 1)).toEqual({ datums: Infinity, bytes: 25 })
  })

  test('at a datum every two seconds lets one through at a time', () => {
    const limit = new EgressLimit({ datumsPerSecond: 0.5 }, 0)
    expect(limit.allowance(0, 3)).toEqual({ datums: 1, bytes: Infinity })
    limit.spend(0, 1, 7)
    expect(limit.waitMs(0)).toBeCloseTo(2_000)
    expect(limit.allowance(1_999, 1)).toBeUndefined()
    expect(limit.allowance(2_000, 1)).toEqual({ datums: 1, bytes: Infinity })
  })

  test('divides what there is among those that want to send, a datum for each at least', () => {
    const limit = new EgressLimit({ datumsPerSecond: 100, bytesPerSecond: 10_000 }, 0)
    expect(limit.allowance(0, 2)).toEqual({ datums: 1, bytes: 125 })
    expect(limit.allowance(0, 1_000)).toEqual({ datums: 1, bytes: 1 })
  })
})

/** Sends datums of one size for as long as it may. */
class Sender implements EgressSender {
  readonly sent: Sent[] = []
  backlog: number
  readonly #turns: EgressTurns
  readonly #clock: ManualClock
  readonly #datumBytes: number

  constructor(turns: EgressTurns, clock: ManualClock, backlog: number, datumBytes: number) {
    this.#turns = turns
    this.#clock = clock
    this.backlog = backlog
    this.#datumBytes = datumBytes
  }

  get total(): number {
    return this.sent.reduce((sum, { datums }) => sum + datums, 0)
  }

  flush(): void {
    while (this.backlog > 0) {
      const allowance = this.#turns.allowance(this)
      if (allowance === undefined) return
      const fits = Math.min(allowance.datums, Math.floor(allowance.bytes / this.#datumBytes), this.backlog)
      const datums = Math.max(1, fits)
      this.backlog -= datums
      this.#turns.spend(datums, datums * this.#datumBytes)
      this.sent.push({ atMs: this.#clock.monotonic(), datums, bytes: datums * this.#datumBytes })
    }
    this.#turns.leave(this)
  }
}

function turnsOf(options: EgressOptions) {
  const clock = new ManualClock()
  let waits = 0
  const turns = new EgressTurns(options, clock, { add: () => waits++, remove: () => {} })
  return { clock, turns, waits: () => waits }
}

describe('turns', () => {
  test('given nobody who waits, there is no timer', () => {
    const { clock, turns, waits } = turnsOf({ datumsPerSecond: 100 })
    new Sender(turns, clock, 10, 1).flush()
    expect(clock.pendingCount).toBe(0)
    expect(waits()).toBe(0)
  })

  test('given many who wait, there is one timer, and none any more when they have left', () => {
    const { clock, turns, waits } = turnsOf({ datumsPerSecond: 100 })
    const senders = Array.from({ length: 5 }, () => new Sender(turns, clock, 1_000, 1))
    for (const sender of senders) sender.flush()
    expect(waits()).toBe(5)
    expect(clock.pendingCount).toBe(1)
    // Who has something new to send, and waits already, does not wait twice.
    senders[2]!.flush()
    expect(waits()).toBe(5)
    for (const sender of senders) turns.leave(sender)
    expect(clock.pendingCount).toBe(0)
  })

  test('what is to be sent takes the time it must, and then there is no timer', () => {
    const { clock, turns } = turnsOf({ bytesPerSecond: 1_000 })
    const sender = new Sender(turns, clock, 110, 100)
    sender.flush()
    // A burst is one datum of a hundred bytes, and so is every tenth of a second; one may be sent ahead of time.
    clock.advance(9_900)
    expect(sender.total).toBeGreaterThanOrEqual(99)
    expect(sender.total).toBeLessThanOrEqual(101)
    clock.advance(1_100)
    expect(sender.total).toBe(110)
    expect(clock.pendingCount).toBe(0)
  })

  test('given senders of unequal appetite, each gets the same, and what one does not need is for the others', () => {
    fc.assert(
      fc.property(
        fc.record({ datumsPerSecond: fc.integer({ min: 20, max: 2_000 }) }),
        fc.integer({ min: 2, max: 6 }),
        (options, count) => {
          const { clock, turns } = turnsOf(options)
          const senders = Array.from({ length: count }, () => new Sender(turns, clock, 1_000_000, 10))
          const modest = new Sender(turns, clock, 3, 10)
          for (const sender of senders) sender.flush()
          modest.flush()
          clock.advance(20_000)
          expect(modest.backlog).toBe(0)
          const totals = senders.map(({ total }) => total)
          const all = totals.reduce((sum, total) => sum + total, 0)
          expect(all).toBeGreaterThan(options.datumsPerSecond * 19)
          const burst = Math.max(1, options.datumsPerSecond / 10)
          expect(Math.max(...totals) - Math.min(...totals)).toBeLessThanOrEqual(3 * burst)
          const sent = senders.flatMap((sender) => sender.sent)
          expectWithin(sent, options, 10)
        },
      ),
      { numRuns: 20 },
    )
  })

  test('given datums of any size, nobody starves', () => {
    const { clock, turns } = turnsOf({ bytesPerSecond: 1_000 })
    const long = new Sender(turns, clock, 100, 5_000)
    const short = new Sender(turns, clock, 100_000, 10)
    long.flush()
    short.flush()
    clock.advance(60_000)
    expect(long.total).toBeGreaterThan(5)
    expect(short.total).toBeGreaterThan(5)
    expectWithin([...long.sent, ...short.sent], { bytesPerSecond: 1_000 }, 5_000)
  })
})
