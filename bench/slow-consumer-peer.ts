// One of the two processes of the slow-consumer benchmark.
import { setImmediate as turn } from 'node:timers/promises'
import { digestOf, isMosaikError } from '#framework/primitives'
import { Host } from '#framework/network'
import { Discovery, seeds } from '#framework/discovery'
import { type OverflowPolicy, stream, Streams } from '#framework/streams'
import { z } from 'zod'

export interface SlowConsumerReport {
  readonly growthBytes: number
  readonly sentCount: number
  readonly refusedCount: number
}

const Datums = stream('bench.slow', z.object({ payload: z.instanceof(Uint8Array) }))
const [, , role, policy, datumBytes, offeredBytes, ...addresses] = process.argv

const host = await Host.start({ network: digestOf('bench-slow'), listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
const discovery = await Discovery.start({ host, bootstrap: [seeds(addresses)] })
const streams = Streams.start({ host, discovery })
if (role === 'consumer') {
  streams.consume(Datums)
  process.send?.(host.addresses.value)
} else {
  process.send?.(await offer(policy as OverflowPolicy, Number(datumBytes), Number(offeredBytes)))
}

async function offer(overflow: OverflowPolicy, size: number, total: number): Promise<SlowConsumerReport> {
  const producer = streams.produce(Datums, { overflow })
  await producer.when().subscribed()
  const payload = new Uint8Array(size)
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  let highest = before
  const sampler = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 5)
  let sentCount = 0
  let refusedCount = 0
  for (let offered = 0; offered < total; offered += size) {
    try {
      producer.trySend({ payload })
      sentCount++
    } catch (error) {
      if (!isMosaikError(error, 'PRODUCER_FULL')) throw error
      refusedCount++
    }
    if (offered % (size * 64) === 0) await turn()
  }
  highest = Math.max(highest, process.memoryUsage.rss())
  clearInterval(sampler)
  return { growthBytes: highest - before, sentCount, refusedCount }
}
