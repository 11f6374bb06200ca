// A host that serves until it is killed: listens on the addresses given, and says where that is.
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
process.stdout.write(`${JSON.stringify({ peer: host.peerId, addresses: host.addresses.value })}\n`)
