import { expect, test } from '@jest/globals'
import { seededRandom } from '#framework/primitives'
import type { ByteStream, ByteStreamEnd } from '../../../framework/network/byte-stream.js'
import { SimNetwork, type NetworkConditions } from '../environment/network.js'
import { Timeline } from '../environment/timeline.js'
import { SimConnections } from './connections.js'
import { Process } from './process.js'

const calm: NetworkConditions = { dropRate: 0, duplicateRate: 0, delayMs: 1, jitterMs: 0, reorders: false }
const bad: NetworkConditions = { dropRate: 0.4, duplicateRate: 0.4, delayMs: 1, jitterMs: 50, reorders: true }

/** Two hosts, the second of which takes on what is opened, and one stream from the first to it. */
class Pair {
  readonly timeline = new Timeline()
  readonly network: SimNetwork<unknown>
  readonly received: number[] = []
  readonly ends: ByteStreamEnd[] = []
  readonly nearEnds: ByteStreamEnd[] = []
  readonly processes: [Process, Process | undefined]
  readonly near: ByteStream
  far: ByteStream | undefined

  constructor(conditions: NetworkConditions = calm) {
    const { timeline } = this
    this.network = new SimNetwork(timeline, seededRandom('pair'), conditions, () => {})
    this.processes = [new Process(timeline, () => {}), new Process(timeline, () => {})]
    const hosts = () =>
      this.processes.map((process) => ({
        process,
        accept: (_from: number, _protocol: string, stream: ByteStream) => this.#accept(stream),
      }))
    const connections = new SimConnections({ timeline, network: this.network, hosts })
    this.near = connections.open(0, this.processes[0], 1, 'test')
    this.near.start({ onBytes: () => {}, onEnd: (end) => this.nearEnds.push(end) })
  }

  pass(ms: number): void {
    const untilMs = this.timeline.nowMs + ms
    while (this.timeline.step(untilMs));
  }

  #accept(stream: ByteStream): void {
    this.far = stream
    stream.start({
      onBytes: (chunk) => chunk.forEach((byte) => this.received.push(byte)),
      onEnd: (end) => this.ends.push(end),
    })
  }
}

test('given a network that loses, doubles and reorders, then a stream does not', () => {
  const pair = new Pair(bad)
  for (let byte = 0; byte < 100; byte++) {
    void pair.near.write(Uint8Array.of(byte))
    pair.pass(3)
  }
  pair.pass(60_000)
  expect(pair.received).toEqual(Array.from({ length: 100 }, (_, byte) => byte))
})

test('given a link that is blocked for a while, then what was written arrives afterwards', () => {
  const pair = new Pair()
  pair.pass(10)
  pair.network.block(0, 1)
  void pair.near.write(Uint8Array.of(1))
  pair.pass(1_000)
  expect(pair.received).toEqual([])
  pair.network.unblock(0, 1)
  pair.pass(1_000)
  expect(pair.received).toEqual([1])
})

test('given a process that ends on a machine that goes on, then the other side hears of it', () => {
  const pair = new Pair()
  pair.pass(10)
  pair.processes[0].kill(true)
  pair.pass(10)
  expect(pair.ends).toEqual([expect.objectContaining({ clean: false })])
})

test('given a machine that ends, then the other side hears of it when it says something to a machine that is back', () => {
  const pair = new Pair()
  pair.pass(10)
  pair.processes[1]!.kill(false)
  pair.processes[1] = undefined
  void pair.near.write(Uint8Array.of(1))
  pair.pass(10_000)
  expect(pair.nearEnds).toEqual([])
  pair.processes[1] = new Process(pair.timeline, () => {})
  void pair.near.write(Uint8Array.of(2))
  pair.pass(10)
  expect(pair.nearEnds).toEqual([expect.objectContaining({ clean: false })])
  expect(pair.received).toEqual([])
})

test('given a reader that pauses, then the writer has to wait, and nothing is lost', async () => {
  const pair = new Pair()
  pair.pass(10)
  pair.far!.pause()
  const room = pair.near.write(new Uint8Array(300_000))
  let hasRoom = false
  const waited = Promise.resolve(room).then(() => (hasRoom = true))
  pair.pass(10)
  await Promise.resolve()
  expect(pair.received).toEqual([])
  expect(hasRoom).toBe(false)
  pair.far!.resume()
  pair.pass(10)
  await waited
  expect(pair.received).toHaveLength(300_000)
})
