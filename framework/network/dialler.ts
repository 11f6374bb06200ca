import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, messageOf, raceSignal, type PeerId } from '#framework/primitives'
import { inDialOrder, parseAddress, transportOf, withPeer, withoutPeer } from './addresses.js'
import type { HostContext } from './host-context.js'

/** One address that was tried in vain. */
export interface DialAttempt {
  readonly address: string
  readonly error: string
}

/** How long the direct addresses of a peer are tried before its relays are. */
const RELAY_HEAD_START_MS = 400

/** A dial that is under way, shared by all who want its outcome. */
interface Flight {
  readonly peer: PeerId | undefined
  readonly addresses: ReadonlySet<string>
  readonly outcome: Promise<Connection>
}

/** Connects to exactly this address. Rejects with the signal's reason when it aborts. */
type DialOne = (address: Multiaddr, signal: AbortSignal) => Promise<Connection>

/**
 * Reaches peers: tries their addresses one after the other, the promising ones first, each with its own deadline. Who
 * wants the same peer at the same addresses at the same time shares one dial.
 */
export class Dialler {
  readonly #context: HostContext
  readonly #dialRelayed: DialOne
  readonly #flights = new Set<Flight>()
  readonly #closing = new AbortController()

  /** @param dialRelayed Dials an address that leads over a relay. */
  constructor(context: HostContext, dialRelayed: DialOne) {
    this.#context = context
    this.#dialRelayed = dialRelayed
  }

  /**
   * Connects to a peer at one of the addresses, or, without a peer, to whoever is there.
   *
   * @param addresses Of that peer, if they name one.
   * @param signal Ends the caller's wait. The dial itself, which others may share, ends by its own deadlines.
   * @throws {MosaikError} `DIAL_FAILED` with every attempt in its details and message.
   */
  async dial(
    peer: PeerId | undefined,
    addresses: readonly Multiaddr[],
    signal: AbortSignal,
  ): Promise<Connection> {
    const wanted = inDialOrder(addresses).slice(0, this.#context.limits.dialAddressesMax)
    return raceSignal(this.#flightTo(peer, wanted).outcome, signal)
  }

  /** Gives up everything under way. */
  close(): void {
    this.#closing.abort(new MosaikError('HOST_CLOSED', 'the host was closed'))
  }

  #flightTo(peer: PeerId | undefined, addresses: readonly Multiaddr[]): Flight {
    const texts = addresses.map(withoutPeer)
    for (const flight of this.#flights) {
      if (flight.peer === peer && texts.every((text) => flight.addresses.has(text))) return flight
    }
    if (this.#flights.size >= this.#context.limits.dialsMax) {
      throw dialFailed(`${this.#flights.size} dials are under way already`, [])
    }
    const outcome = this.#tryAll(peer, addresses).finally(() => this.#flights.delete(flight))
    // Nobody may be waiting any more when it fails.
    outcome.catch(() => {})
    const flight = { peer, addresses: new Set(texts), outcome }
    this.#flights.add(flight)
    return flight
  }

  /**
   * Direct addresses first. A node behind a NAT gives direct ones too, that lead nowhere from here and take their whole
   * time to fail, so the relays get their turn meanwhile. A direct connection that comes about all the same, later, is
   * found to be the better one by whoever looks after connections.
   */
  async #tryAll(peer: PeerId | undefined, addresses: readonly Multiaddr[]): Promise<Connection> {
    const attempts: DialAttempt[] = []
    const relayed = addresses.filter((address) => transportOf(address) === 'relay')
    const direct = addresses.filter((address) => !relayed.includes(address))
    if (direct.length === 0 || relayed.length === 0) {
      return await this.#tryInOrder(peer, addresses, attempts)
    }
    const first = this.#tryInOrder(peer, direct, attempts)
    // Also when nobody waits for it any more, because a relay was faster.
    first.catch(() => {})
    using headStart = this.#context.clock.deadline(RELAY_HEAD_START_MS, this.#closing.signal)
    try {
      return await raceSignal(first, headStart.signal)
    } catch {
      this.#closing.signal.throwIfAborted()
    }
    try {
      return await Promise.any([first, this.#tryInOrder(peer, relayed, attempts)])
    } catch {
      this.#closing.signal.throwIfAborted()
      throw dialFailed('no address worked', attempts)
    }
  }

  async #tryInOrder(
    peer: PeerId | undefined,
    addresses: readonly Multiaddr[],
    attempts: DialAttempt[],
  ): Promise<Connection> {
    for (const address of addresses) {
      try {
        return await this.#tryOne(peer, address)
      } catch (error) {
        this.#closing.signal.throwIfAborted()
        attempts.push({ address: address.toString(), error: messageOf(error) })
      }
    }
    throw dialFailed(attempts.length === 0 ? 'no address is known' : 'no address worked', attempts)
  }

  async #tryOne(peer: PeerId | undefined, address: Multiaddr): Promise<Connection> {
    const { transports, limits, clock, metrics } = this.#context
    const transport = transportOf(address) ?? 'unknown'
    const timeoutMs = transport === 'quic' ? limits.quicDialTimeoutMs : limits.dialTimeoutMs
    using deadline = clock.deadline(timeoutMs, this.#closing.signal)
    const target = peer === undefined ? address : parseAddress(withPeer(address, peer))
    try {
      const connection =
        transport === 'relay'
          ? await this.#dialRelayed(target, deadline.signal)
          : await transports.dial(target, deadline.signal)
      metrics.dialled(transport, 'ok')
      return connection
    } catch (error) {
      metrics.dialled(transport, 'failed')
      // libp2p reports an abort in its own words; ours say how long was waited.
      deadline.signal.throwIfAborted()
      throw error
    }
  }
}

function dialFailed(text: string, attempts: readonly DialAttempt[]): MosaikError {
  const told = attempts.map(({ address, error }) => `\n  ${address}: ${error}`).join('')
  return new MosaikError('DIAL_FAILED', told === '' ? text : `${text}:${told}`, { details: { attempts } })
}
