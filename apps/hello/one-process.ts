// The same two services without a manifest: a network in one process.
import { launch } from 'mosaik'
import { Greeter, Listener } from './hello.js'

await using net = await launch({ network: 'hello', services: [Greeter, Listener] })
await net.converged()
console.log('every declared edge is up')
await net.service(Greeter).greetings.drain()
