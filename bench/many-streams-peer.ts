// One of the two processes of the benchmarks many-streams and idle-streams.
import { stream, type StreamDefinition } from '#framework/streams'
import { z } from 'zod'
import { answerCalls } from './calls.ts'
import { mosaikNode, type MosaikNode } from './mosaik-node.ts'

const datumSchema = z.object({ sequence: z.number() })

let node: MosaikNode | undefined
const sets: (readonly StreamDefinition<z.infer<typeof datumSchema>>[])[] = []

const peer = {
  async start(addresses: readonly string[]): Promise<readonly string[]> {
    node = await mosaikNode('quic', addresses)
    return node.host.addresses.value
  },

  /** As a program does when it is loaded: with all that goes with a schema. Each set has streams of its own. */
  define(streamCount: number, set = 0): void {
    sets[set] = Array.from({ length: streamCount }, (_, n) => stream(`bench.many.${set}.${n}`, datumSchema))
  },

  produce(set = 0): void {
    for (const definition of sets[set]!) node!.streams.produce(definition)
  },

  /** @returns How long it took, in milliseconds, until every consumer of every stream was subscribed. */
  async consume(consumersOfEach: number, set = 0): Promise<number> {
    const startedAt = performance.now()
    const consumers = sets[set]!.flatMap((definition) =>
      Array.from({ length: consumersOfEach }, () => node!.streams.consume(definition)),
    )
    await Promise.all(consumers.map((consumer) => consumer.when().subscribed()))
    return performance.now() - startedAt
  },

  /** How many ends of subscriptions are on this node and connected. */
  connectedEndCount(): number {
    return node!.streams.subscriptions.value.filter(({ state }) => state === 'connected').length
  },

  /** What is in use of the JavaScript heap, after a collection of garbage where that can be forced. */
  heapBytes(): number {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  },

  connectionCount(): number {
    return node!.host.metrics.value('mosaik_connections', { state: 'admitted' }) ?? 0
  },
}

export type ManyStreamsPeer = typeof peer

answerCalls<ManyStreamsPeer>(peer)
