// What a producer with `ack` sends again when the process of a service's method is started again.
import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { Identity } from '#framework/network'
import { stream, type Consumer, type Producer } from '#framework/streams'
import { deliver } from '../../decorators/delivery.js'
import { eventually, within } from '../support/eventually.js'
import { freshNetwork, take, TestNode } from '../streams/support.js'

const Jobs = stream('acknowledged-delivery.jobs', z.object({ n: z.number() }))
type Job = z.output<typeof Jobs.schema>

interface Worker extends AsyncDisposable {
  readonly consumer: Consumer<Job>
}

const network = freshNetwork()

/** A node with the worker of that identity, as a binding opens its consumer for a method. */
async function work(identity: Identity, from: TestNode, concurrency: number): Promise<Worker> {
  const node = await TestNode.start(network, { identity })
  const ack = concurrency > 1 ? 'manual' : 'taken'
  const consumer = node.streams.consume(Jobs, { name: 'worker', ack })
  await node.meet(from)
  await within(5_000, consumer.when().subscribed())
  return { consumer, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() }
}

async function sent(producer: Producer<Job>, count: number): Promise<void> {
  await within(5_000, producer.when().online())
  for (let n = 0; n < count; n++) await producer.send({ n })
}

test.each([
  { given: 'calls that overlap, of which one has not ended', concurrency: 3, onError: 'fail', again: 1 },
  { given: 'one call at a time, of which one fails for good', concurrency: 1, onError: 'fail', again: 1 },
  {
    given: 'one call at a time, of which one fails and is skipped',
    concurrency: 1,
    onError: 'skip',
    again: 4,
  },
])(
  '$given, when the process is started again, then it gets again what was not acknowledged',
  async ({ concurrency, onError, again }) => {
    await using origin = await TestNode.start(network)
    const producer = origin.streams.produce(Jobs, { ack: true })
    const identity = Identity.random()
    const worker = await work(identity, origin, concurrency)
    const begun: number[] = []
    const stop = new AbortController()
    const handle = async ({ n }: Job): Promise<void> => {
      begun.push(n)
      // It ends when the process does.
      if (n === 4 || (n === 1 && concurrency > 1))
        await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
      if (n === 1) throw new Error('no')
    }
    const fail = (error: unknown): void => {
      if (onError === 'fail') throw error
    }
    const delivery = deliver(worker.consumer, handle, { concurrency, onError: fail, signal: stop.signal })
    const ended = delivery.catch(() => undefined)
    await sent(producer, 5)
    const last = onError === 'fail' && concurrency === 1 ? 1 : 4
    await eventually(() => expect(begun).toEqual(Array.from({ length: last + 1 }, (_, n) => n)))
    await worker[Symbol.asyncDispose]()
    stop.abort(new Error('stopping'))
    await ended

    await using successor = await work(identity, origin, concurrency)
    const left = 5 - again
    expect(await within(5_000, take(successor.consumer, left))).toEqual(
      Array.from({ length: left }, (_, index) => ({ n: again + index })),
    )
  },
)

test('given a service that is stopped while a call runs, when the call ends well, then its datum does not come again', async () => {
  await using origin = await TestNode.start(network)
  const producer = origin.streams.produce(Jobs, { ack: true })
  const identity = Identity.random()
  const worker = await work(identity, origin, 1)
  const begun: number[] = []
  const stop = new AbortController()
  const finish = Promise.withResolvers<void>()
  const handle = async ({ n }: Job): Promise<void> => {
    begun.push(n)
    await finish.promise
  }
  const fail = (error: unknown): never => {
    throw error
  }
  const options = { concurrency: 1, onError: fail, signal: stop.signal }
  const ended = deliver(worker.consumer, handle, options).catch(() => undefined)
  await sent(producer, 3)
  await eventually(() => expect(begun).toEqual([0]))
  stop.abort(new Error('stopping'))
  finish.resolve()
  await ended
  await worker[Symbol.asyncDispose]()

  await using successor = await work(identity, origin, 1)
  expect(await within(5_000, take(successor.consumer, 2))).toEqual([{ n: 1 }, { n: 2 }])
})
