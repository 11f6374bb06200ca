import { TokenBucket, messageOf, type PeerId } from '#framework/primitives'
import { parseAddress, transportOf, withPeer, withoutPeer } from '../addresses.js'
import { CloseReasons, closeReason } from '../close-reason.js'
import { endpointOf, scopeOf } from './address-scope.js'
import { PROBE, probeRequest } from './probe-protocol.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { LinkService } from '../link-service.js'
import type { Link } from '../link.js'
import type { ReachMetrics } from './metrics.js'

/** Of all peers together, and of one peer. */
const RATE = { capacity: 8, perSecond: 1 } as const
const PEER_INTERVAL_MS = 2_000
const PEERS_MAX = 256
/** How long trying may take, all addresses at once. */
const TRY_MS = 3_000
/** How long the asking peer may take to say that it has seen the connection. */
const SEEN_MS = 2_000

/**
 * Dials peers back that ask for it. So that nobody is dialled who did not ask, only the IP address is tried at which the
 * asking peer is connected with us, and what answers there must have its key. Nothing is said on such a connection.
 */
export class ProbeServer {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #metrics: ReachMetrics
  readonly #rate: TokenBucket
  readonly #lastAt = new Map<PeerId, number>()
  readonly #closing = new AbortController()
  readonly #unserve: () => void

  constructor(context: HostContext, connections: Connections, links: LinkService, metrics: ReachMetrics) {
    this.#context = context
    this.#connections = connections
    this.#metrics = metrics
    this.#rate = new TokenBucket(RATE, context.clock.monotonic())
    this.#unserve = links.serve(PROBE, (link, accept) => this.#serve(link, accept))
  }

  close(): void {
    this.#closing.abort()
    this.#unserve()
  }

  async #serve(link: Link, accept: (payload?: unknown) => Promise<void>): Promise<void> {
    const request = probeRequest.safeParse(link.openPayload).data
    if (request === undefined) {
      await link.close(closeReason(CloseReasons.ProtocolViolation, 'that is no probe'))
      return
    }
    const seen = this.#connections.direct(link.peer)
    const allowed = seen === undefined ? [] : probedAddresses(seen.address, request.addresses)
    if (allowed.length === 0 || !this.#takeTurn(link.peer)) {
      this.#metrics.probeServed('refused')
      const reason =
        allowed.length === 0
          ? closeReason(CloseReasons.NotAllowed, 'a peer is dialled back only where it is seen')
          : closeReason(CloseReasons.TooManyRequests, 'too many probes')
      await link.close(reason)
      return
    }
    await accept()
    await this.#probe(link, allowed)
  }

  #takeTurn(peer: PeerId): boolean {
    const now = this.#context.clock.monotonic()
    const last = this.#lastAt.get(peer)
    if (last !== undefined && now - last < PEER_INTERVAL_MS) return false
    if (!this.#rate.tryTake(now)) return false
    this.#lastAt.delete(peer)
    this.#lastAt.set(peer, now)
    if (this.#lastAt.size > PEERS_MAX) {
      const [oldest] = this.#lastAt.keys()
      if (oldest !== undefined) this.#lastAt.delete(oldest)
    }
    return true
  }

  /** Holds the connection until the peer has seen it, or has had the time to. */
  async #probe(link: Link, addresses: readonly string[]): Promise<void> {
    const { clock, logger } = this.#context
    const over = new AbortController()
    using deadline = clock.deadline(TRY_MS, over.signal, this.#closing.signal)
    const attempts = addresses.map((address) => this.#dial(link.peer, address, deadline.signal))
    try {
      const { address, close } = await Promise.any(attempts)
      try {
        this.#metrics.probeServed('reached')
        await link.send({ type: 'tried', reached: address }, { signal: deadline.signal })
        using patience = clock.deadline(SEEN_MS, this.#closing.signal)
        await link.recv({ signal: patience.signal }).catch(() => {})
      } finally {
        close()
      }
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error
      this.#metrics.probeServed('unreached')
      logger.debug('a peer cannot be dialled back', { cause: error.errors.map(messageOf).join('; ') })
      await link.send({ type: 'tried' })
    } finally {
      over.abort()
      for (const attempt of attempts) {
        attempt.then(
          ({ close }) => close(),
          () => {},
        )
      }
      await link.close(CloseReasons.Success)
    }
  }

  async #dial(peer: PeerId, text: string, signal: AbortSignal) {
    const address = withoutPeer(parseAddress(text))
    using _ = this.#connections.leaveAlone(address)
    const connection = await this.#context.transports.dial(
      parseAddress(withPeer(parseAddress(address), peer)),
      signal,
    )
    return { address: text, close: () => connection.abort(new Error('the probe is over')) }
  }
}

/**
 * Those of the addresses that a peer asks to be dialled at which may be dialled: at the IP address where it is connected
 * with us. Our own machine is none that a peer may have dialled.
 *
 * @param seenAt Where its connection with us leads.
 */
export function probedAddresses(seenAt: string, asked: readonly string[]): string[] {
  const seenIp = endpointOf(parseAddress(seenAt))?.ip
  if (seenIp === undefined || scopeOf(seenIp) === 'machine') return []
  return asked.filter((text) => {
    try {
      const address = parseAddress(text)
      const endpoint = endpointOf(address)
      const kind = transportOf(address)
      return endpoint?.ip === seenIp && endpoint.port > 0 && (kind === 'quic' || kind === 'tcp')
    } catch {
      return false
    }
  })
}
