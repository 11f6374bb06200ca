// One of the two processes of the benchmarks many-streams and idle-streams.
import { stream } from '#framework/streams'
import { z } from 'zod'
import { answerCalls } from './calls.ts'
import { mosaikNode, type MosaikNode } from './mosaik-node.ts'

const datumSchema = z.object({ sequence: z.number() })

let node: MosaikNode | undefined

const peer = {
  async start(addresses: readonly string[]): Promise<readonly string[]> {
    node = await mosaikNode('quic', addresses)
    return node.host.addresses.value
  },

  produce(streamCount: number): void {
    for (const definition of definitions(streamCount)) node!.streams.produce(definition)
  },

  /** @returns How long it took, in milliseconds, until every consumer of every stream was subscribed. */
  async consume(streamCount: number, consumersOfEach: number): Promise<number> {
    const startedAt = performance.now()
    const consumers = definitions(streamCount).flatMap((definition) =>
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

function definitions(count: number) {
  return Array.from({ length: count }, (_, n) => stream(`bench.many.${n}`, datumSchema))
}

answerCalls<ManyStreamsPeer>(peer)
