import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { messageOf, shortId, raceSignal, type PeerId } from '#framework/primitives'
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

const ROUNDS = 3
/** Dialling the addresses that the other side gave. */
const REVERSE_MS = 2_000
/** Opening a mapping: a connection to the relay. */
const MAPPING_MS = 3_000
/** Connecting at the same time. */
const PUNCH_MS = 1_500
/** The next message of the other side, which may have to open a mapping or come to the end of a round. */
const MESSAGE_MS = 5_000

export interface PunchExchangeParts {
  readonly context: Pick<HostContext, 'clock' | 'random' | 'logger' | 'transports'>
  readonly connections: Pick<Connections, 'of'>
  readonly links: Pick<LinkService, 'open'>
  /** The addresses at which this node can be dialled without a relay. */
  readonly own: () => readonly string[]
  readonly dial: (peer: PeerId, addresses: readonly Multiaddr[], signal: AbortSignal) => Promise<Connection>
  /** Where a peer can be dialled, as far as is known. */
  readonly addressesOf: (peer: PeerId) => readonly string[]
}

/**
 * What has become of an attempt: the other side was dialled; a hole was punched; neither, this time; neither, because
 * one of the two can make no mapping with this relay, which will be no different the next time.
 */
export type PunchOutcome = 'reversed' | 'punched' | 'failed' | 'impossible'

/** The two parts in `/mosaik/reach/punch/1.0`, as `punch-protocol.ts` draws them, for one attempt each. */
export class PunchExchange {
  readonly #parts: PunchExchangeParts
  readonly #mappings: TcpMappings

  constructor(parts: PunchExchangeParts) {
    this.#parts = parts
    this.#mappings = new TcpMappings(parts.context, parts.connections)
  }

  /**
   * The part of who accepted the relayed connection.
   *
   * @throws {LinkClosedError} LINK_CLOSED, {@link TimeoutError} or the signal's reason: as a failed attempt.
   */
  async open(connection: PeerConnection, signal: AbortSignal): Promise<PunchOutcome> {
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

  /**
   * The part of who dialled the relayed connection, once the link is accepted.
   *
   * @throws {LinkClosedError} LINK_CLOSED, which is how the opener ends it; {@link TimeoutError}; the signal's reason.
   */
  async answer(link: Link, connection: PeerConnection, signal: AbortSignal): Promise<void> {
    let mapping: TcpMapping | undefined
    let mapped: string | undefined
    for (;;) {
      const message = await link.recvMessage(openerMessage, { timeoutMs: MESSAGE_MS, signal })
      switch (message.type) {
        case 'map':
          mapped = message.mapped
          try {
            mapping = await this.#mapping(connection, signal)
          } catch (error) {
            signal.throwIfAborted()
            // Not the same as having none: the next attempt may be luckier.
            return await link.close(closeReason(CloseReasons.NotFound, messageOf(error)))
          }
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
  ): Promise<'punched' | 'missed' | 'impossible'> {
    const { clock } = this.#parts.context
    const mapping = await this.#mapping(connection, signal)
    if (mapping === undefined) return 'impossible'
    await link.send({ type: 'map', mapped: mapping.mapped }, { signal })
    const { mapped } = await link.recvMessage(mapMessage, { timeoutMs: MESSAGE_MS, signal })
    if (mappedEndpoint(mapped) === undefined) return 'impossible'
    const askedAt = clock.monotonic()
    await link.send({ type: 'measure' }, { signal })
    await link.recvMessage(measureMessage, { timeoutMs: MESSAGE_MS, signal })
    const roundTripMs = clock.monotonic() - askedAt
    await link.send({ type: 'sync' }, { signal })
    await clock.sleep(roundTripMs / 2, { signal })
    return (await this.#punch(connection, mapping, mapped, signal)) ? 'punched' : 'missed'
  }

  /**
   * Undefined when there is none to be had from that relay.
   *
   * @throws What dialling the relay fails with.
   */
  async #mapping({ address }: PeerConnection, signal: AbortSignal): Promise<TcpMapping | undefined> {
    const { context, addressesOf } = this.#parts
    const { relay, relayAddress } = splitRelayed(parseAddress(address))
    using deadline = context.clock.deadline(MAPPING_MS, signal)
    try {
      const addresses = tcpAddressesOf(relayAddress, addressesOf(relay))
      return await this.#mappings.open(relay, addresses, deadline.signal)
    } catch (error) {
      context.logger.debug('no mapping', { relay: shortId(relay), cause: messageOf(error) })
      throw error
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
