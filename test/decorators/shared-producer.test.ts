import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { startNode } from '#framework/topology'
import { bindingOf, Consumer, Producer, Service, type Class, type OnStart } from '#decorators'
import { eventually } from '../support/eventually.js'

const datum = z.object({ from: z.string() })
type Datum = z.infer<typeof datum>
const Notes = stream('shared.notes', datum)

@Service()
class First implements OnStart {
  @Producer(Notes, { queue: 8 }) readonly notes!: Producer<Datum>
  onStart(): Promise<void> {
    return this.notes.send({ from: 'First' })
  }
}

@Service()
class Second implements OnStart {
  @Producer(Notes) readonly notes!: Producer<Datum>
  onStart(): Promise<void> {
    return this.notes.send({ from: 'Second' })
  }
}

@Service()
class Listener {
  static received: string[] = []
  @Consumer(Notes) onNote({ from }: Datum): void {
    Listener.received.push(from)
  }
}

function start(...services: readonly Class[]) {
  return startNode({
    network: `shared-producer-${process.pid}`,
    name: 'node',
    replica: 0,
    tags: [],
    config: {},
    listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
    services: services.map(bindingOf),
  })
}

test('given two services of a node that produce one stream, then a consumer has one subscription and gets what both send', async () => {
  await using node = await start(First, Second, Listener)
  await eventually(() => expect(Listener.received.toSorted()).toEqual(['First', 'Second']))
  const producing = node.streams.subscriptions.value.filter(({ role }) => role === 'producer')
  expect(producing).toHaveLength(1)
})

test('given options that come second, then the node does not start, and says which stream it is', async () => {
  await expect(start(Second, First)).rejects.toMatchObject({
    code: 'STREAM_ALREADY_PRODUCED',
    message: expect.stringContaining('shared.notes'),
  })
})
