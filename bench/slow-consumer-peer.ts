// One of the two processes of the slow-consumer benchmark.
import { setImmediate as turn } from 'node:timers/promises'
import { isMosaikError } from '#framework/primitives'
import { stream, type OverflowPolicy, type Producer } from '#framework/streams'
import { z } from 'zod'
import { answerCalls } from './calls.ts'
import { mosaikNode } from './mosaik-node.ts'

export interface Offer {
  readonly overflow: OverflowPolicy
  /** With which method. */
  readonly by: 'trySend' | 'send'
  readonly datumBytes: number
  readonly totalBytes: number
}

export interface SlowConsumerReport {
  readonly growthBytes: number
  readonly sentCount: number
  readonly refusedCount: number
}

const Datums = stream('bench.slow', z.object({ payload: z.instanceof(Uint8Array) }))
type Datum = z.infer<(typeof Datums)['schema']>

/** How many bytes are offered before other work gets its turn, and with `send` under one deadline. */
const strideBytes = 1024 * 1024
const deadlineMs = 2
const samplePeriodMs = 5

const peer = {
  /** Subscribes, and never takes a datum. */
  async consume(): Promise<readonly string[]> {
    const { host, streams } = await mosaikNode('quic')
    streams.consume(Datums)
    return host.addresses.value
  },

  async offer(
    addresses: readonly string[],
    { overflow, by, datumBytes, totalBytes }: Offer,
  ): Promise<SlowConsumerReport> {
    const { streams } = await mosaikNode('quic', addresses)
    const producer = streams.produce(Datums, { overflow })
    await producer.when().subscribed()
    const datum = { payload: new Uint8Array(datumBytes) }
    globalThis.gc?.()
    const before = process.memoryUsage.rss()
    let highest = before
    const sample = (): void => void (highest = Math.max(highest, process.memoryUsage.rss()))
    const sampler = setInterval(sample, samplePeriodMs)
    const offerMany = by === 'send' ? sendMany : trySendMany
    const countAtOnce = Math.min(256, strideBytes / datumBytes)
    let sentCount = 0
    let refusedCount = 0
    for (let offered = 0; offered < totalBytes; offered += countAtOnce * datumBytes) {
      const sent = await offerMany(producer, datum, countAtOnce)
      sentCount += sent
      refusedCount += countAtOnce - sent
      await turn()
    }
    sample()
    clearInterval(sampler)
    return { growthBytes: highest - before, sentCount, refusedCount }
  },
}

export type SlowConsumerPeer = typeof peer

/** @returns How many were accepted. */
async function trySendMany(producer: Producer<Datum>, datum: Datum, count: number): Promise<number> {
  let sent = 0
  for (let n = 0; n < count; n++) {
    try {
      producer.trySend(datum)
      sent++
    } catch (error) {
      if (!isMosaikError(error, 'PRODUCER_FULL')) throw error
    }
  }
  return sent
}

/** Those that wait are withdrawn together. */
async function sendMany(producer: Producer<Datum>, datum: Datum, count: number): Promise<number> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), deadlineMs)
  const sends = Array.from({ length: count }, () => producer.send(datum, { signal: deadline.signal }))
  const outcomes = await Promise.allSettled(sends)
  clearTimeout(timer)
  return outcomes.filter(({ status }) => status === 'fulfilled').length
}

answerCalls<SlowConsumerPeer>(peer)
