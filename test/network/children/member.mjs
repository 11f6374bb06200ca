// A node that takes part in a network until it is killed: `member.mjs <listen,listen> <seed,seed> [seed of its key]`.
import { digestOf, seededRandom } from '../../../dist/framework/primitives/index.js'
import { Discovery, seeds } from '../../../dist/framework/discovery/index.js'
import { Host, Identity } from '../../../dist/framework/network/index.js'

const [listen, seedAddresses, key] = process.argv.slice(2)
const host = await Host.start({
  network: digestOf('discovery tests'),
  listen: listen.split(','),
  ...(key !== undefined && { identity: Identity.fromSeed(seededRandom(key).bytes(32)) }),
})
await Discovery.start({ host, bootstrap: [seeds(seedAddresses.split(','))], tags: ['member'] })
process.stdout.write(`${JSON.stringify({ peer: host.peerId, addresses: host.addresses.value })}\n`)
