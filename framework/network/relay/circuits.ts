import type { Connection, MultiaddrConnection, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, TaskScope, invariant, messageOf, shortId, type PeerId } from '#framework/primitives'
import { parseAddress, withPeer } from '../addresses.js'
import { relayedAddress, splitRelayed } from './relay-address.js'
import {
  HOP_PROTOCOL,
  STOP_PROTOCOL,
  exchangeOn,
  peerIdBytes,
  peerIdFromBytes,
  relayCodecs,
} from './relay-messages.js'
import { streamConnection } from './stream-connection.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { PeerConnection } from '../peer-connection.js'
import type { ReachMetrics } from '../reach/metrics.js'

/** Circuits that may be coming in at once. */
const INCOMING_MAX = 64

/** Finds or makes an admitted connection to a relay. */
export type ReachRelay = (
  relay: PeerId,
  addresses: readonly string[],
  signal: AbortSignal,
) => Promise<PeerConnection>

/**
 * Connections over relays, outgoing and incoming. What comes out is a libp2p connection like any other, encrypted from
 * end to end: the hello and the admission run on it, and the relay sees neither.
 */
export class Circuits {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #metrics: ReachMetrics
  readonly #reachRelay: ReachRelay
  readonly #accepts: (relay: PeerId) => boolean
  readonly #scope = new TaskScope()
  #incoming = 0
  #isServing = false

  /** @param accepts Whether a relay may announce connections: only one at which this node has reserved a place. */
  constructor(
    context: HostContext,
    connections: Connections,
    metrics: ReachMetrics,
    reachRelay: ReachRelay,
    accepts: (relay: PeerId) => boolean,
  ) {
    this.#context = context
    this.#connections = connections
    this.#metrics = metrics
    this.#reachRelay = reachRelay
    this.#accepts = accepts
  }

  /** Lets relays announce connections. */
  async serve(): Promise<void> {
    this.#isServing = true
    await this.#context.transports.libp2p.handle(
      STOP_PROTOCOL,
      (stream, connection) => this.#scope.spawn('circuit', () => this.#onStop(stream, connection)),
      { maxInboundStreams: this.#context.limits.connectionsMax },
    )
  }

  /**
   * Connects to a peer over a relay.
   *
   * @throws {MosaikError} `RELAY_REFUSED` with the relay's status; `ADDRESS_INVALID`; the signal's reason; what reaching
   *   the relay fails with.
   */
  async dial(address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    const { relay, relayAddress, peer } = splitRelayed(address)
    if (peer === undefined) {
      throw new MosaikError('ADDRESS_INVALID', `${address.toString()} does not say whom to reach`)
    }
    const over = await this.#reachRelay(relay, relayAddress === undefined ? [] : [relayAddress], signal)
    if (over.transport === 'relay') {
      throw new MosaikError('RELAY_REFUSED', 'the relay itself can only be reached over another one')
    }
    const { libp2p } = over
    const stream = await libp2p.newStream(HOP_PROTOCOL, {
      signal,
      maxOutboundStreams: this.#context.limits.quic.streamsMax,
    })
    try {
      const { HopMessage } = await relayCodecs()
      const hop = exchangeOn(stream, HopMessage)
      await hop.write({ type: 'CONNECT', peer: { id: peerIdBytes(peer), addrs: [] } }, signal)
      const answer = await hop.read(signal)
      if (answer.status !== 'OK') {
        throw new MosaikError('RELAY_REFUSED', `the relay says ${answer.status ?? 'nothing'}`, {
          details: { status: answer.status },
        })
      }
      const carried = streamConnection(hop.unwrap(), parseAddress(address.toString()), 'outbound')
      return await this.#context.transports.upgrader.upgradeOutbound(carried, { signal })
    } catch (error) {
      stream.abort(new Error(messageOf(error)))
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#isServing) await this.#context.transports.libp2p.unhandle(STOP_PROTOCOL)
    await this.#scope.close()
  }

  async #onStop(stream: Stream, connection: Connection): Promise<void> {
    const metrics = this.#metrics
    const { logger } = this.#context
    const origin = await this.#connections.inboundStreams.originOf(stream, connection, STOP_PROTOCOL)
    if (origin === undefined) return
    if (!this.#accepts(origin.peer) || this.#incoming >= INCOMING_MAX || this.#connections.isFull) {
      metrics.circuitIncoming('refused')
      stream.abort(new Error('connections of this relay are not wanted'))
      return
    }
    this.#incoming++
    try {
      await this.#accept(stream, origin)
      metrics.circuitIncoming('ok')
    } catch (error) {
      metrics.circuitIncoming('failed')
      logger.debug('relayed connection failed', { relay: shortId(origin.peer), cause: messageOf(error) })
      stream.abort(new Error(messageOf(error)))
    } finally {
      this.#incoming--
    }
  }

  async #accept(stream: Stream, origin: PeerConnection): Promise<void> {
    const { clock, limits, transports } = this.#context
    using deadline = clock.deadline(limits.dialTimeoutMs, this.#scope.signal)
    const { signal } = deadline
    const { StopMessage } = await relayCodecs()
    const stop = exchangeOn(stream, StopMessage)
    const request = await stop.read(signal)
    invariant(request.type === 'CONNECT' && request.peer !== undefined, 'a relay announces connections only')
    const peer = peerIdFromBytes(request.peer.id)
    await stop.write({ type: 'STATUS', status: 'OK' }, signal)
    const from = withPeer(parseAddress(relayedAddress(origin.address, origin.peer)), peer)
    const carried = streamConnection(stop.unwrap(), parseAddress(from), 'inbound')
    await upgradeOrAbort(carried, transports.upgrader.upgradeInbound(carried, { signal }))
  }
}

async function upgradeOrAbort(carried: MultiaddrConnection, upgrade: Promise<void>): Promise<void> {
  try {
    await upgrade
  } catch (error) {
    carried.abort(new Error(messageOf(error)))
    throw error
  }
}
