import {
  serviceCapabilities,
  type ComponentLogger,
  type ConnectionEncrypter,
  type PeerId,
  type PrivateKey,
  type Upgrader,
} from '@libp2p/interface'
import { TLS_PROTOCOL } from './tls/protocol.js'

/** What libp2p gives to an encrypter that it makes. */
interface EncrypterComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly upgrader: Upgrader
}

/** TLS 1.3 for connections that do not bring a cipher of their own, loaded when the first of them is made. */
export const lazyTls = lazy(TLS_PROTOCOL, async (components) => {
  const [{ tls }, { SocketTls }] = await Promise.all([import('@libp2p/tls'), import('./tls/encrypter.js')])
  const { privateKey, upgrader } = components
  return new SocketTls({ privateKey, upgrader, otherwise: tls()(components) })
})

/** Noise, for peers that do not speak TLS. */
export const lazyNoise = lazy('/noise', async (components) => {
  const { noise } = await import('@chainsafe/libp2p-noise')
  return noise()(components)
})

/**
 * QUIC is what nodes mostly talk over, and it encrypts by itself. Loading two more ciphers takes longer than everything
 * else in starting a node, so that is left to the first TCP connection. What a peer sends meanwhile waits in the stream.
 */
function lazy(protocol: string, load: (components: EncrypterComponents) => Promise<ConnectionEncrypter>) {
  return (components: EncrypterComponents): ConnectionEncrypter => {
    let loaded: Promise<ConnectionEncrypter> | undefined
    const encrypter = (): Promise<ConnectionEncrypter> => (loaded ??= load(components))
    return Object.assign(
      {
        protocol,
        secureInbound: async (...args: Parameters<ConnectionEncrypter['secureInbound']>) =>
          (await encrypter()).secureInbound(...args),
        secureOutbound: async (...args: Parameters<ConnectionEncrypter['secureOutbound']>) =>
          (await encrypter()).secureOutbound(...args),
      },
      { [serviceCapabilities]: ['@libp2p/connection-encryption'] },
    )
  }
}
