// The transports without anything of ours above them: libp2p with the same settings, and one stream.
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { createLibp2p, type Libp2p } from 'libp2p'
import { systemClock } from '#framework/primitives'
import { defaultLimits } from '#framework/network'
import { loadBinding } from '../dist/framework/network/quic/binding.js'
import { quic } from '../dist/framework/network/quic/transport.js'
import { listenOn, type Transport } from './transports.ts'

export const bareProtocol = '/bench/bytes/1'

/** @param options.listens Whether it is the side that is dialled. */
export async function bareNode(
  transport: Transport,
  options: { readonly listens: boolean },
): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: options.listens ? [listenOn[transport]] : [] },
    ...(transport === 'quic'
      ? { transports: [quic(await loadBinding(), defaultLimits.quic, systemClock)] }
      : {
          transports: [tcp()],
          connectionEncrypters: [tls()],
          streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 4 * 1024 * 1024 } })],
        }),
    connectionMonitor: { enabled: false },
  })
}

/** When the stream has room again, after a send that said it had none. */
export function drained(stream: Stream): Promise<void> {
  // The stream hands over what it still holds in a microtask behind the event.
  return new Promise((resolve) =>
    stream.addEventListener('drain', () => queueMicrotask(resolve), { once: true }),
  )
}

export function nextMessage(stream: Stream): Promise<Uint8Array> {
  return new Promise((resolve) =>
    stream.addEventListener('message', ({ data }) => resolve(data.subarray()), { once: true }),
  )
}
