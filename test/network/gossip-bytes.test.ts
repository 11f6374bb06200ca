import { expect, test } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { listenOn, startHost } from './hosts.js'

test.each([
  ['QUIC', listenOn.quic],
  ['TCP', listenOn.tcp],
])(
  'given gossip over %s, what one side counts as sent is what the other counts as received',
  async (_, listen) => {
    await using a = await startHost({ listen })
    await using b = await startHost({ listen })
    const [ta, tb] = [a, b].map((host) =>
      host.gossip('topic', { validate: () => 'accept', messageBytesMax: 64 * 1024 }),
    )
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ta!.neighbours.value.size === 1 && tb!.neighbours.value.size === 1)
    const sent = (host: typeof a): number | undefined =>
      host.metrics.value('mosaik_gossip_bytes_total', { direction: 'outbound' })
    const received = (host: typeof a): number | undefined =>
      host.metrics.value('mosaik_gossip_bytes_total', { direction: 'inbound' })

    const before = sent(a)!
    const data = new Uint8Array(20_000)
    await ta!.publish(data)
    expect(sent(a)! - before).toBeGreaterThanOrEqual(data.byteLength)
    expect(sent(a)! - before).toBeLessThan(data.byteLength + 1_000)
    await eventually(() => received(b) === sent(a) && received(a) === sent(b))
  },
)
