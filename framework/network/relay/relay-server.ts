import type { CircuitRelayServerComponents, CircuitRelayService } from '@libp2p/circuit-relay-v2'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { invariant, messageOf, type PeerId, type ReadonlyWatch } from '#framework/primitives'
import { parseAddress } from '../addresses.js'
import { libp2pLogger } from '../libp2p-logger.js'
import { libp2pPrivateKey, toLibp2pPeerId } from '../libp2p-keys.js'
import { fromLibp2pPeerId } from '../libp2p-peer-id.js'
import { HOP_PROTOCOL, STOP_PROTOCOL } from './relay-messages.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { ReachMetrics } from '../reach/metrics.js'
import type { RelayLimits } from './relay-limits.js'

/** How long an exchange with who asks, and with whom it asks for, may take. */
const EXCHANGE_MS = 5_000
/** Requests beyond the limits on connections that are still heard: a full relay renews the places of its peers. */
const RENEWALS = 64
const RENEWALS_OF_PEER = 2

type StartableService = CircuitRelayService & { start(): Promise<void>; stop(): Promise<void> }

/**
 * Serves the Hop protocol of circuit relay v2 to admitted peers: the library's server, with what it needs of a libp2p
 * node given by the host. A stranger gets no word out of it, because its streams are held back at the door.
 */
export class RelayServer {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #metrics: ReachMetrics
  readonly #limits: RelayLimits
  readonly #own: ReadonlyWatch<readonly string[]>
  /** Streams on which somebody asked for something; those that became circuits live as long as these. */
  readonly #asking = new Map<PeerId, Set<Stream>>()
  readonly #unregister: (() => void)[] = []
  #service: StartableService | undefined
  #onHop: StreamHandler | undefined

  /** @param own Where this node itself can be dialled: what it tells those who reserve a place. */
  constructor(
    context: HostContext,
    connections: Connections,
    metrics: ReachMetrics,
    limits: RelayLimits,
    own: ReadonlyWatch<readonly string[]>,
  ) {
    this.#context = context
    this.#connections = connections
    this.#metrics = metrics
    this.#limits = limits
    this.#own = own
  }

  async start(): Promise<void> {
    const { circuitRelayServer } = await import('@libp2p/circuit-relay-v2')
    const { libp2p } = this.#context.transports
    const limits = this.#limits
    const service = circuitRelayServer({
      hopTimeout: EXCHANGE_MS,
      maxOutboundStopStreams: limits.circuitsMax,
      reservations: {
        maxReservations: limits.reservationsMax,
        reservationTtl: limits.reservationMs,
        defaultDurationLimit: limits.circuitMs,
        defaultDataLimit: BigInt(limits.circuitBytesMax),
      },
    })(this.#components())
    invariant('start' in service && 'stop' in service, 'the relay service of libp2p can be started')
    this.#service = service as StartableService
    await this.#service.start()
    this.#unregister.push(
      this.#metrics.relayReservations.collect(() => service.reservations.size),
      this.#metrics.relayCircuits.collect(() => this.#circuits),
    )
    await libp2p.handle(HOP_PROTOCOL, (stream, connection) => this.#serve(stream, connection), {
      maxInboundStreams: limits.circuitsPerPeerMax + RENEWALS_OF_PEER,
      maxOutboundStreams: this.#context.limits.quic.streamsMax,
    })
  }

  /** The peers that can be reached over this relay. */
  get clients(): readonly PeerId[] {
    return [...(this.#service?.reservations.keys() ?? [])].map(fromLibp2pPeerId)
  }

  /** Ends all circuits. */
  async close(): Promise<void> {
    await this.#context.transports.libp2p.unhandle(HOP_PROTOCOL)
    for (const reservation of this.#service?.reservations.values() ?? []) reservation.signal.clear()
    await this.#service?.stop()
    for (const unregister of this.#unregister.splice(0)) unregister()
  }

  get #circuits(): number {
    return [...this.#asking.values()].reduce((sum, { size }) => sum + size, 0)
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const origin = await this.#connections.inboundStreams.originOf(stream, connection, HOP_PROTOCOL)
    if (origin === undefined) return
    const asking = this.#asking.get(origin.peer) ?? new Set()
    const { circuitsMax, circuitsPerPeerMax } = this.#limits
    const isFull = this.#circuits >= circuitsMax + RENEWALS
    if (isFull || asking.size >= circuitsPerPeerMax + RENEWALS_OF_PEER) {
      this.#metrics.relayRefused(isFull ? 'circuits' : 'peer')
      stream.abort(new Error('this relay answers as many requests as it may'))
      return
    }
    this.#asking.set(origin.peer, asking.add(stream))
    const forget = (): void => {
      asking.delete(stream)
      if (asking.size === 0 && this.#asking.get(origin.peer) === asking) this.#asking.delete(origin.peer)
    }
    stream.addEventListener('close', forget, { once: true })
    try {
      await this.#onHop?.(stream, connection)
    } catch (error) {
      // Somebody who goes in the middle of asking is nothing unusual.
      stream.abort(new Error(messageOf(error)))
      this.#context.logger.debug('relay request failed', { cause: messageOf(error) })
    }
    if (stream.status !== 'open' && stream.status !== 'closing') forget()
  }

  /** The limit that forbids one more connection, which has been counted already. */
  #limitReached(source: PeerId, destination: PeerId): 'circuits' | 'peer' | undefined {
    const { circuitsMax, circuitsPerPeerMax } = this.#limits
    if (this.#circuits > circuitsMax) return 'circuits'
    const streams = this.#connections.direct(destination)?.libp2p.streams ?? []
    const carried = streams.filter(({ protocol }) => protocol === STOP_PROTOCOL).length
    const asked = this.#asking.get(source)?.size ?? 0
    return asked > circuitsPerPeerMax || carried >= circuitsPerPeerMax ? 'peer' : undefined
  }

  /** What the library's server uses of a libp2p node. Whoever is reached over it must have a connection of its own. */
  #components(): CircuitRelayServerComponents {
    const { identity, logger } = this.#context
    const components: {
      [Name in keyof CircuitRelayServerComponents]?: Partial<CircuitRelayServerComponents[Name]>
    } = {
      peerId: toLibp2pPeerId(identity.peerId),
      privateKey: libp2pPrivateKey(identity),
      logger: libp2pLogger(logger),
      registrar: {
        handle: async (_protocol, handler) => {
          this.#onHop = handler
        },
        unhandle: async () => {},
      },
      // The store would only keep tags, which nothing here looks at.
      peerStore: {
        merge: async (id) => ({ id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() }),
      },
      addressManager: { getAddresses: () => this.#own.value.map(parseAddress) },
      connectionManager: {
        getConnections: (peer) => {
          const direct = peer === undefined ? undefined : this.#connections.direct(fromLibp2pPeerId(peer))
          return direct === undefined ? [] : [direct.libp2p]
        },
      },
      connectionGater: {
        denyOutboundRelayedConnection: (source, destination) => {
          const limit = this.#limitReached(fromLibp2pPeerId(source), fromLibp2pPeerId(destination))
          if (limit !== undefined) this.#metrics.relayRefused(limit)
          return limit !== undefined
        },
      },
    }
    return components as CircuitRelayServerComponents
  }
}
