import { beforeEach, describe, expect, test } from '@jest/globals'
import { ManualClock, seededRandom, type PeerId } from '#framework/primitives'
import { defaultTiming, timingOf, type GroupTiming } from '../../../framework/groups/bond/group-timing.js'
import { Hearts, type Pulse } from '../../../framework/groups/bond/hearts.js'

const peer = 'ab'.repeat(32) as PeerId
const other = 'cd'.repeat(32) as PeerId

let clock: ManualClock
let hearts: Hearts

beforeEach(() => {
  clock = new ManualClock()
  hearts = new Hearts({ clock, random: seededRandom('hearts') })
})

/** A bond that counts its pings, and ends when its peer is silent. */
class TestBond {
  pings = 0
  missed: number | undefined
  isBusy = false
  readonly doubts: number[] = []
  readonly pulse: Pulse

  constructor(with_: PeerId, timing: GroupTiming = defaultTiming) {
    this.pulse = hearts.join(with_, timing, {
      ping: () => {
        if (this.isBusy) return false
        this.pings++
        return true
      },
      onDoubt: (silentMs) => this.doubts.push(silentMs),
      onSilence: (missed) => {
        this.missed = missed
        this.pulse.stop()
      },
    })
  }
}

const sum = (bonds: readonly TestBond[]): number => bonds.reduce((count, { pings }) => count + pings, 0)

describe('the hearts of a node', () => {
  test('given a hundred bonds with one peer, then together they say what one would, hear for each other, and take one timer', () => {
    const bonds = Array.from({ length: 100 }, () => new TestBond(peer))
    for (let ms = 0; ms < 60_000; ms += 400) {
      expect(clock.pendingCount).toBe(1)
      clock.advance(400)
      bonds[(ms / 400) % 100]!.pulse.onReceived()
    }
    expect(sum(bonds)).toBeGreaterThanOrEqual(90)
    expect(sum(bonds)).toBeLessThanOrEqual(172)
    expect(bonds.every(({ missed }) => missed === undefined)).toBe(true)
  })

  test('given a peer that falls silent, then all bonds with it end, those with others do not, and nothing is left behind', () => {
    const silent = [new TestBond(peer), new TestBond(peer), new TestBond(peer)]
    const alive = new TestBond(other)
    for (let ms = 0; ms < 8_000; ms += 400) {
      clock.advance(400)
      alive.pulse.onReceived()
    }
    expect(silent.map(({ missed }) => missed)).toEqual([10, 10, 10])
    expect(alive.missed).toBeUndefined()
    alive.pulse.stop()
    alive.pulse.stop()
    expect(clock.pendingCount).toBe(0)
  })

  test('given a bond on which something waits, then another one says that this node is alive', () => {
    const [busy, idle] = [new TestBond(peer), new TestBond(peer)]
    busy.isBusy = true
    clock.advance(1_000)
    expect([busy.pings, idle.pings > 0]).toEqual([0, true])
  })

  test('given something that was said on one bond, then no ping is needed on any', () => {
    const [a, b] = [new TestBond(peer), new TestBond(peer)]
    for (let ms = 0; ms < 5_000; ms += 100) {
      clock.advance(100)
      a.pulse.onSent()
    }
    expect(sum([a, b])).toBe(0)
  })

  test('given groups with different timing, then each is kept', () => {
    const slow = new TestBond(peer)
    const quick = new TestBond(peer, timingOf({ heartbeatIntervalMs: 50, heartbeatJitterMs: 10 }))
    clock.advance(400)
    expect(quick.pings).toBeGreaterThanOrEqual(6)
    expect(slow.pings).toBeLessThanOrEqual(1)
    expect(clock.pendingCount).toBe(2)
  })

  test('given a peer that was silent for long, when another bond with it is made, then it counts as heard', () => {
    const first = new TestBond(peer)
    clock.advance(4_000)
    const second = new TestBond(peer)
    clock.advance(3_000)
    expect([first.missed, second.missed]).toEqual([undefined, undefined])
    clock.advance(5_000)
    expect([first.missed, second.missed]).toEqual([10, 10])
  })

  test('given a peer that falls silent, then its bonds hear so once, long before they end, and for how long nothing came at least', () => {
    const bond = new TestBond(peer)
    clock.advance(10)
    bond.pulse.onReceived()
    clock.advance(2_000)
    expect([bond.doubts.length, bond.missed]).toEqual([1, undefined])
    expect(bond.doubts[0]).toBeGreaterThanOrEqual(700)
    expect(bond.doubts[0]).toBeLessThanOrEqual(1_300)
    bond.pulse.onReceived()
    clock.advance(2_000)
    expect(bond.doubts).toHaveLength(2)
  })

  test('given a peer that speaks as seldom as it may, then nobody doubts that it is there', () => {
    const bond = new TestBond(peer)
    for (let ms = 0; ms < 60_000; ms += 650) {
      clock.advance(650)
      bond.pulse.onReceived()
    }
    expect(bond.doubts).toEqual([])
  })
})
