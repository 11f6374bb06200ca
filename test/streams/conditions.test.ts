// What can be awaited of a producer and a consumer beyond the scenarios of when.test.ts.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { ManualClock, Watch } from '#framework/primitives'
import { stream, type Consumer, type Producer, type SubscriptionStatus } from '#framework/streams'
import { isSatisfied, streamConditions } from '../../framework/streams/conditions.js'
import { within } from '../support/eventually.js'
import { connectedTo, startNodes, take, type TestNode } from './support.js'

const Data1 = stream('conditions.data1', z.object({ n: z.number() }))
type Data1 = z.output<typeof Data1.schema>

function statusOf(state: SubscriptionStatus['state'], ...tags: string[]): SubscriptionStatus {
  return { state, peer: { tags } } as unknown as SubscriptionStatus
}

test('S-28: given subscriptions in every state, then only those that are connected count', () => {
  const statuses = [statusOf('connecting'), statusOf('closed'), statusOf('connected')]
  expect([0, 1, 2].map((min) => isSatisfied({ min }, statuses))).toEqual([true, true, false])
})

test('given tags and a predicate, then only those count that satisfy both; the predicate is not asked about others', () => {
  const asked: unknown[] = []
  const where = ({ tags }: { readonly tags: readonly string[] }): boolean => {
    asked.push(tags)
    return !tags.includes('b')
  }
  const statuses = [statusOf('connected', 'a', 'b'), statusOf('connected', 'a'), statusOf('connected', 'c')]
  expect(isSatisfied({ tags: ['a'], where }, statuses)).toBe(true)
  expect(isSatisfied({ tags: ['a'], where, min: 2 }, statuses)).toBe(false)
  expect(asked).not.toContainEqual(['c'])
})

test('given no entry of the other end, then no predicate is satisfied', () => {
  const stranger = { ...statusOf('connected'), peer: undefined }
  expect(isSatisfied({ where: () => true }, [stranger])).toBe(false)
  expect(isSatisfied({}, [stranger])).toBe(true)
})

describe('given a condition', () => {
  function conditionsOver(...statuses: SubscriptionStatus[]) {
    const watch = new Watch<readonly SubscriptionStatus[]>(statuses)
    const online = new Watch(false)
    return { watch, online, when: streamConditions('it', online, watch) }
  }

  test('when its predicate throws, then that is for who asked: its wait rejects, others go on', async () => {
    const { watch, when } = conditionsOver()
    const failing = when.subscribed({
      where: () => {
        throw new Error('on purpose')
      },
    })
    const rejected = expect(failing.wait()).rejects.toThrow('on purpose')
    const other = when.subscribed().wait()
    watch.set([statusOf('connected')])
    await rejected
    await other
    expect(() => failing.met).toThrow('on purpose')
  })

  test('when it is iterated, then each time that it becomes met after it was not is told once', async () => {
    const { watch, when } = conditionsOver()
    const counts: number[] = []
    const iterating = (async () => {
      for await (const statuses of when.subscribed()) counts.push(statuses.length)
    })()
    for (const statuses of [[statusOf('connected')], [], [statusOf('connected'), statusOf('connected')]]) {
      watch.set(statuses)
      await new Promise((resolve) => setImmediate(resolve))
    }
    // Still met: that is no news.
    watch.set([statusOf('connected'), statusOf('connected'), statusOf('connected')])
    watch.end()
    await iterating
    expect(counts).toEqual([1, 2])
  })

  test('when its signal aborts, then all its waits are over; that of another goes on', async () => {
    const { watch, when } = conditionsOver()
    const abort = new AbortController()
    const condition = when.subscribed({ signal: abort.signal })
    const outcomes = Promise.allSettled([condition.wait(), condition.not().not().wait(), when.closed(abort)])
    const other = when.subscribed().wait()
    abort.abort(new Error('enough'))
    const [first, , closed] = await outcomes
    for (const outcome of [first, closed]) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'enough' } })
    }
    await expect(when.closed(abort)).rejects.toThrow('enough')
    watch.set([statusOf('connected')])
    await other
  })

  test('when it takes too long, then the wait says what it was for', async () => {
    const clock = new ManualClock()
    const waiting = conditionsOver()
      .when.subscribed({ min: 2, tags: ['a'] })
      .wait({ timeoutMs: 50, clock })
    clock.advance(50)
    await expect(waiting).rejects.toThrow('2 of the subscriptions of it with tags a are connected')
  })

  test('S-27: when it all ends, then whoever waits is told, for online() by an error and for closed() by its end', async () => {
    const { watch, online, when } = conditionsOver()
    const outcomes = Promise.allSettled([when.online().wait(), when.subscribed().wait(), when.closed()])
    watch.end()
    online.end()
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
    await when.closed()
    await expect(when.online().wait()).rejects.toMatchObject({ code: 'ENDED' })
  })

  test('S-27: when it fails, then closed() says why', async () => {
    const { watch, when } = conditionsOver()
    const closed = when.closed()
    watch.end(new Error('a mistake'))
    await expect(closed).rejects.toThrow('a mistake')
    await expect(when.closed()).rejects.toThrow('a mistake')
  })
})

describe('over a network', () => {
  async function pair(): Promise<{ n0: TestNode; n1: TestNode } & AsyncDisposable> {
    const nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    return { n0, n1, [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose]() }
  }

  test('S-13: given a consumer whose only producer is being reconnected to, then it is offline', async () => {
    await using it = await pair()
    it.n0.streams.produce(Data1)
    const consumer = it.n1.streams.consume(Data1, {
      onlineWhen: 1,
      backoff: { initialMs: 60_000, jitter: 0 },
    })
    await it.n1.meet(it.n0)
    await within(5_000, consumer.when().online())
    await it.n1.host.disconnect(it.n0.peerId, { code: 103, name: 'UnexpectedClose' })
    await within(3_000, consumer.when().offline())
    expect(consumer.subscriptions.value).toMatchObject([{ state: 'closed' }])
    expect(consumer.when().subscribed().met).toBe(false)
  })

  test('S-32: given a consumer that is subscribed, then its producer is online, and what is sent at once arrives', async () => {
    await using it = await pair()
    for (let round = 0; round < 10; round++) {
      const producer: Producer<Data1> = it.n0.streams.produce(Data1)
      const consumer: Consumer<Data1> = it.n1.streams.consume(Data1)
      if (round === 0) await it.n1.meet(it.n0)
      const sent = within(5_000, consumer.when().subscribed()).then(() => producer.trySend({ n: round }))
      await sent
      expect(await within(3_000, take(consumer, 1))).toEqual([{ n: round }])
      await Promise.all([consumer.close(), producer.close()])
    }
  })

  test('S-27: given both ends, when a node closes, then closed() resolves for whoever waits', async () => {
    await using it = await pair()
    const producer = it.n0.streams.produce(Data1)
    const consumer = it.n1.streams.consume(Data1)
    await it.n1.meet(it.n0)
    await connectedTo(consumer, it.n0)
    const closed = Promise.all([producer.when().closed(), consumer.when().closed()])
    await Promise.all([it.n0.streams.close(), it.n1.streams.close()])
    await within(1_000, closed)
    await within(1_000, Promise.all([producer.when().closed(), consumer.when().closed()]))
  })
})
