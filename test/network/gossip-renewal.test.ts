import { describe, expect, test } from '@jest/globals'
import { defaultLimits } from '#framework/network'
import { eventually } from '../support/eventually.js'
import { GossipNode } from './gossip-node.js'

async function talk(a: GossipNode, b: GossipNode, about: string): Promise<void> {
  await eventually(() => a.isNextTo(b) && b.isNextTo(a))
  await a.say(`${about} from a`)
  await b.say(`${about} from b`)
  await eventually(() => b.heard.includes(`${about} from a`) && a.heard.includes(`${about} from b`))
}

describe('the gossip streams between two peers', () => {
  test.each(['outbound', 'inbound'] as const)(
    'given that the %s one breaks, again and again, are renewed, and messages flow both ways',
    async (direction) => {
      await using a = await GossipNode.start()
      await using b = await GossipNode.start()
      await a.dial(b)
      await talk(a, b, 'before')
      for (let round = 1; round <= 3; round++) {
        const [stream] = a.gossipStreams(direction)
        stream!.abort(new Error('broken by the test'))
        await eventually(
          () => a.lost('closed') + a.lost('failed') + b.lost('closed') + b.lost('failed') >= round,
        )
        await talk(a, b, `round ${round}`)
      }
      await eventually(() => {
        for (const node of [a, b]) {
          expect([node.gossipStreams('inbound').length, node.gossipStreams('outbound').length]).toEqual([
            1, 1,
          ])
        }
      })
    },
  )

  test('given something malformed, are renewed', async () => {
    await using a = await GossipNode.start()
    await using b = await GossipNode.start()
    await a.dial(b)
    await talk(a, b, 'before')
    // The length of a message, far over what is allowed.
    b.gossipStreams('outbound')[0]!.send(new Uint8Array([0xff, 0xff, 0xff, 0x7f, 0]))
    await eventually(() => a.lost('failed') + a.lost('closed') + a.lost('finished') > 0)
    await talk(a, b, 'after')
  })

  test('given two connections, outlive the one that they were on, whichever that is', async () => {
    await using a = await GossipNode.start()
    await using b = await GossipNode.start()
    await a.dial(b)
    await talk(a, b, 'one connection')
    for (let round = 0; round < 3; round++) {
      await b.dial(a)
      await eventually(() => a.libp2pConnections.length === 2 && b.libp2pConnections.length === 2)
      await talk(a, b, `two connections ${round}`)
      const connection = a.libp2pConnections.find(({ streams }) =>
        streams.some((stream) => stream === a.gossipStreams('outbound')[0]),
      )
      connection!.abort(new Error('closed by the test'))
      await eventually(() => a.libp2pConnections.length === 1 && b.libp2pConnections.length === 1)
      await talk(a, b, `the other connection ${round}`)
    }
  })

  test('given a peer that does not read, the queue to it is bounded, its overflow counted, and the streams renewed', async () => {
    const limits = { gossip: { ...defaultLimits.gossip, queueBytesMax: 512 * 1024 } }
    await using a = await GossipNode.start(undefined, limits)
    await using b = await GossipNode.start()
    await a.dial(b)
    await talk(a, b, 'before')
    b.gossipStreams('inbound')[0]!.pause()
    const large = 'x'.repeat(200_000)
    for (let i = 0; a.lost('overflow') === 0 && i < 100; i++) {
      await a.say(`${i} ${large}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(a.lost('overflow')).toBe(1)
    await talk(a, b, 'after')
  })

  test('given messages sent while a stream is being renewed, the peer catches up on them', async () => {
    await using a = await GossipNode.start()
    await using b = await GossipNode.start()
    await a.dial(b)
    await talk(a, b, 'before')
    a.gossipStreams('outbound')[0]!.abort(new Error('broken by the test'))
    await eventually(() => !a.isNextTo(b))
    await a.say('in between')
    await eventually(() => b.heard.includes('in between'))
  })

  test('given that gossip is closed right after a message, the message still arrives', async () => {
    await using a = await GossipNode.start()
    await using b = await GossipNode.start()
    await a.dial(b)
    await talk(a, b, 'before')
    await a.say('farewell')
    await a[Symbol.asyncDispose]()
    await eventually(() => b.heard.includes('farewell'))
  })
})
