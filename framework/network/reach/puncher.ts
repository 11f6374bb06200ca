import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TaskScope, isMosaikError, messageOf, shortId, raceSignal, type PeerId } from '#framework/primitives'
import { parseAddress } from '../addresses.js'
import { CloseReasons, closeReason } from '../close-reason.js'
import { libp2pLogger } from '../libp2p-logger.js'
import { splitRelayed } from '../relay/relay-address.js'
import { mappedEndpoint, tcpAddressesOf, worthDialling } from './punch-addresses.js'
import {
  PUNCH,
  addressesToTell,
  mapMessage,
  measureMessage,
  openerMessage,
  punchAddresses,
} from './punch-protocol.js'
import { TcpMappings, type TcpMapping } from './tcp-mapping.js'
import { punch } from './tcp-punch.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { LinkService } from '../link-service.js'
import type { Link } from '../link.js'
import type { PeerConnection } from '../peer-connection.js'
import type { ReachMetrics } from './metrics.js'

/** Relayed connections that are being replaced at once; of more, the relayed one stays. */
const RUNS_MAX = 8
const ROUNDS = 3
/** What the two of them may take for one relayed connection, in all. */
const RUN_MS = 15_000
/** Dialling the addresses that the other side gave. */
const REVERSE_MS = 2_000
/** Opening a mapping: a connection to the relay. */
const MAPPING_MS = 3_000
/** Connecting at the same time. */
const PUNCH_MS = 1_500
/** The next message of the other side, which may have to open a mapping or come to the end of a round. */
const MESSAGE_MS = 5_000
/** How long a link that is to be opened waits for something better than the relayed connection. */
const SETTLE_MS = 2_000

export interface PuncherParts {
  readonly context: HostContext
  readonly connections: Connections
  readonly links: LinkService
  readonly metrics: ReachMetrics
  /** The addresses at which this node can be dialled without a relay. */
  readonly own: () => readonly string[]
  readonly dial: (peer: PeerId, addresses: readonly Multiaddr[], signal: AbortSignal) => Promise<Connection>
  /** Where a peer can be dialled, as far as is known. */
  readonly addressesOf: (peer: PeerId) => readonly string[]
}

/** The attempt to replace one relayed connection. */
interface Run {
  readonly peer: PeerId
  readonly over: PromiseWithResolvers<void>
}

/**
 * Replaces relayed connections by direct ones: by dialling back, where the peer that called can be dialled, and else by
 * punching holes into the NATs of both. What already runs over the relay stays there until it ends; what comes after
 * takes the direct way.
 */
export class Puncher {
  readonly #parts: PuncherParts
  readonly #mappings: TcpMappings
  /** By relayed connection. */
  readonly #runs = new Map<string, Run>()
  /** What this node has opened, by peer. */
  readonly #opened = new Map<PeerId, AbortController>()
  readonly #scope = new TaskScope()
  readonly #cleanups: (() => void)[]
  #served = 0

  constructor(parts: PuncherParts) {
    this.#parts = parts
    this.#mappings = new TcpMappings(parts.context, parts.connections)
    this.#cleanups = [
      parts.connections.onAdmitted((connection) => this.#onAdmitted(connection)),
      parts.links.serve(PUNCH, (link, accept) => this.#serve(link, accept)),
    ]
  }

  /**
   * The connection to use for a new link: a better one than this, when it is relayed and a direct one comes about soon.
   *
   * @throws The signal's reason.
   */
  async settled(connection: PeerConnection, signal: AbortSignal): Promise<PeerConnection> {
    const run = this.#runs.get(connection.id)
    if (run === undefined) return connection
    using patience = this.#parts.context.clock.deadline(SETTLE_MS, signal)
    try {
      await raceSignal(run.over.promise, patience.signal)
    } catch {
      signal.throwIfAborted()
    }
    return this.#parts.connections.best(connection.peer) ?? connection
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups) cleanup()
    await this.#scope.close()
    for (const { over } of this.#runs.values()) over.resolve()
  }

  #onAdmitted(connection: PeerConnection): void {
    const { peer, id, transport, direction } = connection
    if (transport !== 'relay') {
      for (const run of this.#runs.values()) if (run.peer === peer) run.over.resolve()
      return
    }
    if (this.#parts.connections.direct(peer) !== undefined) return
    const over = Promise.withResolvers<void>()
    this.#runs.set(id, { peer, over })
    void connection.gone.then(() => {
      this.#runs.delete(id)
      over.resolve()
    })
    if (direction === 'inbound') this.#scope.spawn('punch', (signal) => this.#start(connection, signal))
  }

  /** The part of the opener, from the beginning to the end. */
  async #start(connection: PeerConnection, closing: AbortSignal): Promise<void> {
    const { context, metrics } = this.#parts
    const { peer } = connection
    const run = this.#runs.get(connection.id)
    if (this.#opened.has(peer) || this.#opened.size >= RUNS_MAX) {
      if (!this.#opened.has(peer)) metrics.punched('refused')
      run?.over.resolve()
      return
    }
    const withdrawal = new AbortController()
    this.#opened.set(peer, withdrawal)
    try {
      using deadline = context.clock.deadline(RUN_MS, closing, withdrawal.signal)
      metrics.punched(await this.#open(connection, deadline.signal))
    } catch (error) {
      closing.throwIfAborted()
      metrics.punched('failed')
      context.logger.debug('a relayed connection stays', { peer: shortId(peer), cause: messageOf(error) })
    } finally {
      if (this.#opened.get(peer) === withdrawal) this.#opened.delete(peer)
      run?.over.resolve()
    }
  }

  async #open(connection: PeerConnection, signal: AbortSignal): Promise<'reversed' | 'punched' | 'failed'> {
    const { links, own } = this.#parts
    const { peer } = connection
    const link = await links.open(connection, PUNCH, { payload: addressesToTell(own()), signal })
    try {
      const { addresses } = punchAddresses.parse(link.acceptPayload)
      if (await this.#reverse(peer, worthDialling(peer, addresses, own()), signal)) return 'reversed'
      for (let round = 1; round <= ROUNDS; round++) {
        const outcome = await this.#round(link, connection, signal)
        if (outcome !== 'missed') return outcome
      }
      return 'failed'
    } finally {
      void link.close(CloseReasons.Success)
    }
  }

  /** Dials who called us over the relay. */
  async #reverse(peer: PeerId, addresses: readonly Multiaddr[], signal: AbortSignal): Promise<boolean> {
    if (addresses.length === 0) return false
    const { context, connections, dial } = this.#parts
    using deadline = context.clock.deadline(REVERSE_MS, signal)
    try {
      const dialled = connections.of(await dial(peer, addresses, deadline.signal))
      if (dialled === undefined) return false
      await raceSignal(dialled.admitted, deadline.signal)
      return true
    } catch {
      signal.throwIfAborted()
      return false
    }
  }

  async #round(
    link: Link,
    connection: PeerConnection,
    signal: AbortSignal,
  ): Promise<'punched' | 'missed' | 'failed'> {
    const { clock } = this.#parts.context
    const mapping = await this.#mapping(connection, signal)
    await link.send({ type: 'map', ...(mapping && { mapped: mapping.mapped }) }, { signal })
    const { mapped } = await link.recvMessage(mapMessage, { timeoutMs: MESSAGE_MS, signal })
    if (mapping === undefined || mappedEndpoint(mapped) === undefined) return 'failed'
    const askedAt = clock.monotonic()
    await link.send({ type: 'measure' }, { signal })
    await link.recvMessage(measureMessage, { timeoutMs: MESSAGE_MS, signal })
    const roundTripMs = clock.monotonic() - askedAt
    await link.send({ type: 'sync' }, { signal })
    await clock.sleep(roundTripMs / 2, { signal })
    return (await this.#punch(connection, mapping, mapped, signal)) ? 'punched' : 'missed'
  }

  /** The part of who dialled the relayed connection. */
  async #serve(link: Link, accept: (payload?: unknown) => Promise<void>): Promise<void> {
    const { connections, metrics, own, context } = this.#parts
    const connection = connections.best(link.peer)
    const request = punchAddresses.safeParse(link.openPayload)
    if (connection?.transport !== 'relay' || connection.direction !== 'outbound' || !request.success) {
      await link.close(closeReason(CloseReasons.NotAllowed, 'there is no relayed connection to replace'))
      return
    }
    const ours = this.#opened.get(link.peer)
    // Both may have called each other over relays at once; then the smaller one's calling counts, as everywhere.
    if (this.#served >= RUNS_MAX || (ours !== undefined && context.identity.peerId < link.peer)) {
      metrics.punched('refused')
      await link.close(closeReason(CloseReasons.TooManyRequests, 'enough holes are being punched'))
      return
    }
    ours?.abort(new Error('the other side has begun'))
    this.#served++
    const run = this.#runs.get(connection.id)
    try {
      await accept(addressesToTell(own()))
      await this.#answer(link, connection)
    } catch (error) {
      // Closing the link is how the opener ends it; and it may go without a word.
      const isOver = isMosaikError(error, 'LINK_CLOSED') || isMosaikError(error, 'TIMEOUT')
      if (!isOver && !this.#scope.signal.aborted) throw error
    } finally {
      this.#served--
      run?.over.resolve()
    }
  }

  async #answer(link: Link, connection: PeerConnection): Promise<void> {
    using deadline = this.#parts.context.clock.deadline(RUN_MS, this.#scope.signal)
    const { signal } = deadline
    let mapping: TcpMapping | undefined
    let mapped: string | undefined
    for (;;) {
      const message = await link.recvMessage(openerMessage, { timeoutMs: MESSAGE_MS, signal })
      switch (message.type) {
        case 'map':
          mapped = message.mapped
          mapping = await this.#mapping(connection, signal)
          await link.send({ type: 'map', ...(mapping && { mapped: mapping.mapped }) }, { signal })
          break
        case 'measure':
          await link.send({ type: 'measure' }, { signal })
          break
        case 'sync':
          if (mapping !== undefined) await this.#punch(connection, mapping, mapped, signal)
      }
    }
  }

  /** Undefined when there can be none. */
  async #mapping({ address }: PeerConnection, signal: AbortSignal): Promise<TcpMapping | undefined> {
    const { context, addressesOf } = this.#parts
    const { relay, relayAddress } = splitRelayed(parseAddress(address))
    using deadline = context.clock.deadline(MAPPING_MS, signal)
    try {
      const addresses = tcpAddressesOf(relayAddress, addressesOf(relay))
      return await this.#mappings.open(relay, addresses, deadline.signal)
    } catch (error) {
      signal.throwIfAborted()
      context.logger.debug('no mapping', { relay: shortId(relay), cause: messageOf(error) })
      return undefined
    }
  }

  async #punch(
    { peer, direction }: PeerConnection,
    { localPort }: TcpMapping,
    mapped: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const to = mappedEndpoint(mapped)
    if (to === undefined) return false
    const { clock, transports, logger } = this.#parts.context
    const { upgrader } = transports
    const log = libp2pLogger(logger).forComponent('mosaik:punch')
    using deadline = clock.deadline(PUNCH_MS, signal)
    try {
      await punch({ peer, to, localPort, role: direction, upgrader, log, clock, signal: deadline.signal })
      return true
    } catch (error) {
      signal.throwIfAborted()
      logger.debug('a hole was missed', { peer: shortId(peer), cause: messageOf(error) })
      return false
    }
  }
}
