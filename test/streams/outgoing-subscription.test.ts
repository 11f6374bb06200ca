import { expect, test } from '@jest/globals'
import type { PeerEntry } from '#framework/discovery'
import { CloseReasons, linkPair, type Link } from '#framework/network'
import { ManualClock, MetricsRegistry, randomDigest, systemRandom } from '#framework/primitives'
import { StreamMetrics } from '../../framework/streams/metrics.js'
import { OutgoingSubscription } from '../../framework/streams/producing/outgoing-subscription.js'
import { streamsProtocol } from '../../framework/streams/wire.js'
import { within } from '../support/eventually.js'
import { TestLog } from './log-support.js'

const producer = 'producer' as PeerEntry['peer']
const consumer = 'consumer' as PeerEntry['peer']

/** A subscription that begins with the first datum of a log, and the consumer's end of its link. */
function subscriptionTo(
  log: TestLog,
  windowBytes: number,
): { subscription: OutgoingSubscription; link: Link } {
  const clock = new ManualClock()
  const [theirs, ours] = linkPair({ protocol: streamsProtocol, peerA: consumer, peerB: producer, clock })
  const stream = randomDigest(systemRandom)
  const subscription = new OutgoingSubscription({
    link: ours,
    request: { stream, name: 'any', fingerprint: stream, windowBytes, subscriber: 'test', attempt: 1 },
    name: 'any',
    producer,
    entry: { peer: consumer, version: { run: 1, update: 1 } } as unknown as PeerEntry,
    queue: log.queue({}, { isAcknowledged: true }),
    form: 'all',
    egress: undefined,
    takenUpTo: 0,
    liveFrom: 0,
    redeliveredBelow: 0,
    counters: new StreamMetrics(new MetricsRegistry()).forProducer(stream),
    clock,
    onRoom: () => {},
    onBlocked: () => {},
  })
  return { subscription, link: theirs }
}

test('given a subscription that has ended before its consumer was told that it is served, then what waits is left to the next one', async () => {
  const log = new TestLog()
  const { subscription } = subscriptionTo(log, 1_000)
  log.appendAll(3, 10)
  subscription.end({ isKept: true })
  void subscription.run()
  await subscription.close(CloseReasons.Cancelled)
  expect(subscription.queue.unwrittenCount).toBe(3)
  expect(subscription.counts.datums).toBe(0)
})

test('given a subscription that is ended in good order, when its time is over, then nothing is sent behind the end', async () => {
  const log = new TestLog()
  const { subscription, link } = subscriptionTo(log, 1_000)
  void subscription.run()
  log.appendAll(3, 10)
  const finishing = subscription.finish(3, AbortSignal.abort())
  expect(await link.recv()).toMatchObject({ value: { kind: 'end', sequence: 3 } })
  subscription.flush()
  await within(5_000, finishing)
  subscription.end({ isKept: false })
  expect(subscription.counts).toMatchObject({ datums: 0, dropped: 3 })
})

test('given a consumer that takes nothing, when nobody waits for it to drain any more, then the wait is over', async () => {
  const log = new TestLog()
  const { subscription } = subscriptionTo(log, 1_000)
  void subscription.run()
  log.appendAll(1, 10)
  const leaving = new AbortController()
  const drained = subscription.drained(1, leaving.signal)
  leaving.abort()
  await within(1_000, drained)
})
