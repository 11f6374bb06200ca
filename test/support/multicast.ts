import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { MdnsSocket } from '../../framework/discovery/mdns-socket.js'
import { within } from './eventually.js'

/** A port that is free now. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** Whether a packet that is sent to the group on loopback arrives: on some machines it does not. */
export async function whyNoMulticast(): Promise<string | undefined> {
  try {
    const arrived = Promise.withResolvers<void>()
    await using socket = await MdnsSocket.open({
      port: await freeUdpPort(),
      onPacket: () => arrived.resolve(),
      onFailure: arrived.reject,
    })
    socket.join('127.0.0.1')
    await socket.send(Buffer.from('is anybody there?'), '127.0.0.1')
    await within(2_000, arrived.promise)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
