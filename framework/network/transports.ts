import type {
  Connection,
  Libp2p,
  MultiaddrConnection,
  Transport,
  Upgrader,
  UpgraderOptions,
} from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { MosaikError, invariant, type Clock, type Logger } from '#framework/primitives'
import { lazyNoise, lazyTls } from './lazy-encrypters.js'
import { leanYamux } from './lean-yamux.js'
import { libp2pLogger } from './libp2p-logger.js'
import { libp2pPrivateKey } from './libp2p-keys.js'
import { loadBinding } from './quic/binding.js'
import { quic } from './quic/transport.js'
import type { Identity } from './identity.js'
import type { NetworkLimits } from './limits.js'

export interface TransportsOptions {
  readonly identity: Identity
  readonly limits: NetworkLimits
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Told of each inbound connection before anything is said on it. Returns what to call when its handshake is over, well
   * or not; nothing to refuse it.
   */
  readonly knock: (remote: Multiaddr) => (() => void) | undefined
}

/**
 * A started libp2p node that listens nowhere and dials nobody by itself. Of libp2p it takes connections, streams and
 * their negotiation; dialling, listening and deciding who is let in are the host's. There is no identify protocol, so
 * a stranger learns nothing but our key.
 */
export interface Transports {
  readonly libp2p: Libp2p
  /** For making listeners. */
  readonly upgrader: Upgrader
  /** The transport that can dial and listen on such an address. @throws {MosaikError} `ADDRESS_INVALID`. */
  transportFor(address: Multiaddr): Transport
  /** Connects to exactly this address. Rejects with the signal's reason when it aborts. */
  dial(address: Multiaddr, signal: AbortSignal): Promise<Connection>
  /** As `dial`, of a TCP address, from that local port of all interfaces; others may use the port at the same time. */
  dialFrom(localPort: number, address: Multiaddr, signal: AbortSignal): Promise<Connection>
}

/** The little that we take from within a libp2p node, as its services get it. */
interface Components {
  readonly upgrader: Upgrader
  readonly transportManager: { getTransports(): Transport[] }
}

/** A peer that takes in no data holds up this much on one TCP stream. */
const YAMUX_WINDOW_BYTES_MAX = 4 * 1024 * 1024
/** Sockets are given up when idle for so long; the host asks for signs of life much more often. */
const SOCKET_IDLE_MS = 60_000

export async function startTransports(options: TransportsOptions): Promise<Transports> {
  const { identity, limits, clock, logger } = options
  const binding = await loadBinding()
  let components: Components | undefined
  const libp2p = await createLibp2p({
    privateKey: libp2pPrivateKey(identity),
    logger: libp2pLogger(logger),
    addresses: { listen: [] },
    transports: [
      quic(binding, limits.quic, clock),
      tcp({
        inboundSocketInactivityTimeout: SOCKET_IDLE_MS,
        outboundSocketInactivityTimeout: SOCKET_IDLE_MS,
      }),
      memory(),
    ],
    connectionEncrypters: [lazyTls, lazyNoise],
    streamMuxers: [
      leanYamux({
        // Its pings measure the round trip that the stream windows grow by; who is alive, the host finds out.
        keepAliveInterval: 30_000,
        maxInboundStreams: limits.quic.streamsMax,
        maxOutboundStreams: limits.quic.streamsMax,
        streamOptions: { maxStreamWindowSize: YAMUX_WINDOW_BYTES_MAX },
      }),
    ],
    connectionManager: {
      // All of these limits are the host's (NetworkLimits), which decides when a connection opens. libp2p's own ones
      // count per remote address and second, and would refuse the nodes of one machine to each other.
      maxConnections: Infinity,
      inboundConnectionThreshold: Infinity,
      maxIncomingPendingConnections: limits.unadmittedMax,
      inboundUpgradeTimeout: limits.dialTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.admissionTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.admissionTimeoutMs,
      connectionCloseTimeout: limits.closeTimeoutMs,
    },
    // QUIC keeps itself alive, and for TCP the host's own pings cost less than a stream for each.
    connectionMonitor: { enabled: false },
    services: {
      components: (all: Components) => {
        components = all
        return {}
      },
    },
  })
  invariant(components !== undefined, 'libp2p makes its services when it is created')
  const { transportManager } = components
  const upgrader = gated(components.upgrader, options.knock)
  const transportFor = (address: Multiaddr): Transport => {
    const found = transportManager
      .getTransports()
      .find((transport) => transport.dialFilter([address]).length > 0)
    if (found !== undefined) return found
    throw new MosaikError('ADDRESS_INVALID', `no transport for ${address.toString()}`, {
      details: { address: address.toString() },
    })
  }
  return {
    libp2p,
    upgrader,
    transportFor,
    dial: (address, signal) => transportFor(address).dial(address, { signal, upgrader }),
    dialFrom: (localPort, address, signal) => {
      const localAddress = address.getComponents()[0]?.name === 'ip6' ? '::' : '0.0.0.0'
      // A port that was bound before connecting can be bound again; what libp2p does not know it passes on to the socket.
      const local = { localAddress, localPort }
      return transportFor(address).dial(address, { signal, upgrader, ...local })
    },
  }
}

/** Lets an inbound connection in only as long as somebody has a place for it. */
function gated(upgrader: Upgrader, knock: TransportsOptions['knock']): Upgrader {
  return {
    upgradeInbound: async (incoming: MultiaddrConnection, options: UpgraderOptions) => {
      const leave = knock(incoming.remoteAddr)
      if (leave === undefined) throw new MosaikError('CAPACITY', 'there is no place for one more connection')
      try {
        await upgrader.upgradeInbound(incoming, options)
      } finally {
        leave()
      }
    },
    upgradeOutbound: (outgoing: MultiaddrConnection, options: UpgraderOptions) =>
      upgrader.upgradeOutbound(outgoing, options),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
  }
}
