import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '#framework/primitives'
import { SimNetwork, type NetworkConditions } from './network.js'
import { Timeline } from './timeline.js'

const perfect: NetworkConditions = { dropRate: 0, duplicateRate: 0, delayMs: 1, jitterMs: 0, reorders: false }

interface Arrival {
  readonly from: number
  readonly to: number
  readonly message: number
  readonly atMs: number
}

function networkWith(conditions: Partial<NetworkConditions>) {
  const timeline = new Timeline()
  const arrivals: Arrival[] = []
  const network = new SimNetwork<number>(
    timeline,
    seededRandom('network'),
    { ...perfect, ...conditions },
    (from, to, message) => arrivals.push({ from, to, message, atMs: timeline.nowMs }),
  )
  const run = (untilMs: number): void => {
    while (timeline.step(untilMs));
  }
  return { network, arrivals, run }
}

test('a message arrives once, after the delay', () => {
  const { network, arrivals, run } = networkWith({ delayMs: 7 })
  network.send(1, 2, 42)
  run(100)
  expect(arrivals).toEqual([{ from: 1, to: 2, message: 42, atMs: 7 }])
})

test('the rates of loss and of duplicates are those asked for', () => {
  const { network, arrivals, run } = networkWith({ dropRate: 0.2, duplicateRate: 0.1 })
  for (let i = 0; i < 10_000; i++) network.send(0, 1, i)
  run(100)
  expect(network.counts.dropped / 10_000).toBeCloseTo(0.2, 1)
  expect(network.counts.duplicated / 8_000).toBeCloseTo(0.1, 1)
  expect(arrivals).toHaveLength(10_000 - network.counts.dropped + network.counts.duplicated)
})

test('a link without reordering is a stream however the delays vary; with it, messages overtake', () => {
  for (const reorders of [false, true]) {
    const { network, arrivals, run } = networkWith({ jitterMs: 50, reorders })
    for (let i = 0; i < 100; i++) network.send(0, 1, i)
    run(100)
    const order = arrivals.map(({ message }) => message)
    expect(order.every((message, i) => message === i)).toBe(!reorders)
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  }
})

describe('partitions', () => {
  test('a blocked link carries nothing in its direction, and every other link does', () => {
    const { network, arrivals, run } = networkWith({})
    network.block(0, 1)
    network.send(0, 1, 1)
    network.send(1, 0, 2)
    network.send(0, 2, 3)
    run(100)
    expect(arrivals.map(({ message }) => message)).toEqual([2, 3])
    expect(network.isBlocked(0, 1)).toBe(true)
    expect(network.isBlocked(1, 0)).toBe(false)
  })

  test('a link that is blocked for two reasons carries nothing until both are gone', () => {
    const { network } = networkWith({})
    network.block(0, 1)
    network.block(0, 1)
    network.unblock(0, 1)
    expect(network.isBlocked(0, 1)).toBe(true)
    network.unblock(0, 1)
    expect(network.isBlocked(0, 1)).toBe(false)
  })

  test('what is under way when the link is blocked is lost', () => {
    const { network, arrivals, run } = networkWith({ delayMs: 10 })
    network.send(0, 1, 1)
    run(5)
    network.block(0, 1)
    run(100)
    expect(arrivals).toEqual([])
    expect(network.counts.blocked).toBe(1)
  })

  test('after healing everything arrives in its time again', () => {
    const { network, arrivals, run } = networkWith({})
    network.block(0, 1)
    network.slowDown(0, 2, 1_000)
    network.heal()
    network.send(0, 1, 1)
    network.send(0, 2, 2)
    run(1)
    expect(arrivals.map(({ message }) => message)).toEqual([1, 2])
  })
})

test('a slow link is slow in its direction only', () => {
  const { network, arrivals, run } = networkWith({})
  network.slowDown(0, 1, 300)
  network.send(0, 1, 1)
  network.send(1, 0, 2)
  run(1_000)
  expect(arrivals.map(({ message, atMs }) => [message, atMs])).toEqual([
    [2, 1],
    [1, 301],
  ])
})
