import { MosaikError, messageOf, raceSignal, type PeerId } from '#framework/primitives'
import { parseAddress, withPeer } from '../addresses.js'
import { mappedEndpoint } from './punch-addresses.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'

/** Local ports that are tried: one that is taken by chance is no reason to give up. */
const PORTS_TRIED = 4
/** The range from which local ports are drawn (RFC 6335 §6, dynamic ports). */
const PORTS = { first: 49_152, last: 65_535 } as const

/** A local TCP port, and where it appears from outside. */
export interface TcpMapping {
  readonly localPort: number
  /** A multiaddr without peer. */
  readonly mapped: string
}

/**
 * Learns where a local TCP port of ours appears from outside: makes one more connection from it to a relay, which says
 * in its greeting where it sees us. The NAT keeps that mapping while the connection lasts, and a connection from the same
 * port to somebody else gets the same one, unless the NAT is a symmetric one.
 */
export class TcpMappings {
  readonly #context: Pick<HostContext, 'random' | 'transports'>
  readonly #connections: Pick<Connections, 'of'>
  /** The one that is open, by relay: there are at most as many as relays in use. */
  readonly #open = new Map<PeerId, TcpMapping>()

  constructor(context: Pick<HostContext, 'random' | 'transports'>, connections: Pick<Connections, 'of'>) {
    this.#context = context
    this.#connections = connections
  }

  /**
   * @param addresses TCP addresses of the relay.
   * @returns Undefined when the relay is not known to accept TCP, or sees us at no public address, so that there is no
   *   NAT between.
   * @throws What dialling fails with.
   */
  async open(
    relay: PeerId,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<TcpMapping | undefined> {
    const known = this.#open.get(relay)
    if (known !== undefined || addresses.length === 0) return known
    let failure: unknown
    for (const address of addresses) {
      for (let i = 0; i < PORTS_TRIED; i++) {
        const localPort = this.#drawPort()
        try {
          return await this.#openFrom(localPort, relay, address, signal)
        } catch (error) {
          signal.throwIfAborted()
          failure = error
          if (!/EADDRINUSE/.test(messageOf(error))) break
        }
      }
    }
    throw failure
  }

  #drawPort(): number {
    return PORTS.first + Math.floor(this.#context.random.float() * (PORTS.last - PORTS.first + 1))
  }

  async #openFrom(
    localPort: number,
    relay: PeerId,
    address: string,
    signal: AbortSignal,
  ): Promise<TcpMapping | undefined> {
    const target = parseAddress(withPeer(parseAddress(address), relay))
    const connection = await this.#context.transports.dialFrom(localPort, target, signal)
    const entry = this.#connections.of(connection)
    if (entry === undefined) throw new MosaikError('DIAL_FAILED', 'the connection was closed at once')
    await raceSignal(entry.admitted, signal)
    if (mappedEndpoint(entry.observed) === undefined || entry.observed === undefined) return undefined
    const mapping = { localPort, mapped: entry.observed }
    this.#open.set(relay, mapping)
    void entry.gone.then(() => {
      if (this.#open.get(relay) === mapping) this.#open.delete(relay)
    })
    return mapping
  }
}
