// Closes a host whose peer no longer reads, so that gossip's own streams cannot be flushed. Must end by itself.
import { digestOf } from '../../../dist/framework/primitives/index.js'
import { Host } from '../../../dist/framework/network/index.js'

const host = await Host.start({ network: digestOf('tests'), listen: [] })
const topic = host.gossip('topic', { validate: () => 'accept', messageBytesMax: 64 * 1024 })
await host.connect({ addresses: process.argv.slice(2) })
const dueAt = performance.now() + 5_000
while (topic.neighbours.value.size === 0 && performance.now() < dueAt) {
  await new Promise((resolve) => setTimeout(resolve, 5))
}
// Listening before saying so: a signal that nobody listens for would end the process.
const signalled = new Promise((resolve) => process.once('SIGUSR2', resolve))
process.stdout.write(`${JSON.stringify({ neighbours: topic.neighbours.value.size })}\n`)
await signalled
for (let i = 0; i < 100; i++) await topic.publish(new Uint8Array(60_000).fill(i))
await host.close()
const closedAt = performance.now()
process.on('exit', () => {
  process.stdout.write(`${JSON.stringify({ lingeredMs: performance.now() - closedAt })}\n`)
})
