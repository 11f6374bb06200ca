// Starts a host, closes it, and must then end by itself. Says how long after the close that was.
import { digestOf } from '../../../dist/framework/primitives/index.js'
import { CloseReasons, Host } from '../../../dist/framework/network/index.js'

const network = digestOf('lone')
const protocol = { id: '/tests/lone/1.0', frameBytesMax: 1024 }
const host = await Host.start({ network })
const other = await Host.start({ network })
host.handle(protocol, async (_link, accept) => accept())
const topics = [host, other].map((each) =>
  each.gossip('topic', { validate: () => 'accept', messageBytesMax: 1024 }),
)
const link = await other.open({ addresses: host.addresses.value }, protocol)
await link.close(CloseReasons.Success)
await topics[0].publish(new TextEncoder().encode('bye'))
await other.close()
await host.close()
const closedAt = performance.now()
process.on('exit', () => {
  process.stdout.write(`${JSON.stringify({ lingeredMs: performance.now() - closedAt })}\n`)
})
