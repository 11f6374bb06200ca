// A host with the default limits that says, whenever it is told to, what it holds and how much memory that takes.
import { digestOf } from '../../../dist/framework/primitives/index.js'
import { Host } from '../../../dist/framework/network/index.js'

const host = await Host.start({ network: digestOf('tests'), listen: process.argv.slice(2) })
host.handle({ id: '/tests/echo/1.0', frameBytesMax: 1024 * 1024 }, async (link, accept) => {
  await accept()
  for (;;) {
    const frame = await link.recv()
    if (frame.kind === 'message') await link.send(frame.value)
  }
})
host.gossip('topic', { validate: () => 'accept', messageBytesMax: 64 * 1024 })
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
const metric = (name, labels) => host.metrics.value(name, labels) ?? 0
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  say({
    rssMiB: process.memoryUsage().rss / 2 ** 20,
    unadmitted: metric('mosaik_connections', { state: 'unadmitted' }),
    admitted: metric('mosaik_connections', { state: 'admitted' }),
    refused: ['capacity', 'block', 'timeout', 'streams', 'lost'].reduce(
      (sum, reason) => sum + metric('mosaik_handshakes_rejected_total', { reason }),
      0,
    ),
  })
})
say({ addresses: host.addresses.value })
