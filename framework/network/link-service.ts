import type { Connection, Stream } from '@libp2p/interface'
import {
  MosaikError,
  TaskScope,
  isMosaikError,
  messageOf,
  shortId,
  raceSignal,
  type PeerId,
} from '#framework/primitives'
import { CloseReasons, LinkClosedError, closeReason } from './close-reason.js'
import { linkStream, type PeerConnection } from './peer-connection.js'
import { acceptLink, openLink, type IncomingLink } from './framed-link.js'
import type { Connections } from './connections.js'
import type { ByteStream } from './byte-stream.js'
import type { HostContext } from './host-context.js'
import type { Link, LinkProtocol } from './link.js'
import type { LinkStream } from './link-streams.js'

/**
 * Decides about an inbound link: it sees `link.openPayload`, and then either consents with `accept`, after which the
 * link is open, or closes the link with a reason. When it throws, the link is closed, and the error is logged and
 * counted.
 */
export type LinkHandler = (link: Link, accept: (payload?: unknown) => Promise<void>) => Promise<void>

/** The links of a host: those it serves and those it opens, over connections that are admitted. */
export class LinkService {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #links = new Set<Link>()
  /** Inbound links by peer and protocol. */
  readonly #inboundCounts = new Map<string, number>()
  readonly #scope = new TaskScope()
  /** Who takes streams that come without libp2p, by protocol. */
  readonly #takers = new Map<string, (stream: LinkStream, connection: PeerConnection) => void>()
  readonly #unregister: (() => void)[]
  /** One for all links: a promise for each is more than the rest of what is kept of one here. */
  readonly #onLinkOver = (link: Link): void => {
    if (this.#links.delete(link)) this.#connections.touch(link.peer)
  }
  #isClosing = false

  constructor(context: HostContext, connections: Connections) {
    this.#context = context
    this.#connections = connections
    this.#unregister = [
      context.metrics.linksOpen.collect(() => this.#countByProtocol()),
      connections.onAdmitted((connection) => this.#follow(connection)),
    ]
  }

  /** @throws {MosaikError} `PROTOCOL_TAKEN`. */
  serve(protocol: LinkProtocol, handler: LinkHandler): () => void {
    const { libp2p } = this.#context.transports
    if (libp2p.getProtocols().includes(protocol.id)) {
      throw new MosaikError('PROTOCOL_TAKEN', `${protocol.id} has a handler already`)
    }
    const onStream = (stream: Stream, connection: Connection): void =>
      this.#background('inbound link', async () => {
        const origin = await this.#connections.inboundStreams.originOf(stream, connection, protocol.id)
        if (origin === undefined) return undefined
        return this.#answer(protocol, handler, linkStream(origin, stream), origin)
      })
    this.#takers.set(protocol.id, (stream, connection) => {
      if (!this.#connections.inboundStreams.take(connection, stream, protocol.id)) return
      this.#background('inbound link', () => this.#answer(protocol, handler, stream, connection))
    })
    this.#background('serve', () =>
      libp2p.handle(protocol.id, onStream, {
        // libp2p counts for each connection, and has no word for those beyond. The host counts for each peer, and says so.
        maxInboundStreams: 2 * this.#linksMax(protocol),
        maxOutboundStreams: this.#context.limits.quic.streamsMax,
      }),
    )
    return () => {
      this.#takers.delete(protocol.id)
      this.#background('unserve', () => libp2p.unhandle(protocol.id))
    }
  }

  /** @throws {LinkClosedError} LINK_CLOSED; the signal's reason. */
  async open(
    connection: PeerConnection,
    protocol: LinkProtocol,
    options: { readonly payload: unknown; readonly signal: AbortSignal },
  ): Promise<Link> {
    const stream = await this.#newStream(connection, protocol, options.signal)
    let link
    try {
      link = await openLink({ ...this.#linkOptions(connection, protocol, stream, 'outbound'), ...options })
    } catch (error) {
      throw 'isProtocolUnknown' in stream && stream.isProtocolUnknown
        ? protocolUnknown(connection, protocol, error)
        : error
    }
    this.#track(link)
    return link
  }

  /** Ends all links with GracefulShutdown, also those that come about meanwhile. A handler that never ends is not waited for. */
  async close(): Promise<void> {
    this.#isClosing = true
    const { closeTimeoutMs } = this.#context.limits
    const goodbyes = [...this.#links].map((link) =>
      link.close(CloseReasons.GracefulShutdown, { timeoutMs: closeTimeoutMs }),
    )
    await Promise.all(goodbyes)
    using patience = this.#context.clock.deadline(closeTimeoutMs)
    await raceSignal(
      this.#scope.close(new MosaikError('HOST_CLOSED', 'the host was closed')),
      patience.signal,
    ).catch(() => {
      // The links are closed; what a handler of the user's still waits for is beyond us.
      this.#context.logger.warn('handlers of inbound links are still running', { count: this.#scope.size })
    })
    for (const unregister of this.#unregister) unregister()
  }

  async #newStream(
    connection: PeerConnection,
    protocol: LinkProtocol,
    signal: AbortSignal,
  ): Promise<ByteStream | LinkStream> {
    const { linkStreams, libp2p } = connection
    const maxOutboundStreams = this.#context.limits.quic.streamsMax
    try {
      if (linkStreams !== undefined) return await linkStreams.open(protocol.id, { signal })
      return linkStream(connection, await libp2p.newStream(protocol.id, { signal, maxOutboundStreams }))
    } catch (cause) {
      signal.throwIfAborted()
      const isUnknown = cause instanceof Error && cause.name === 'UnsupportedProtocolError'
      if (isUnknown) throw protocolUnknown(connection, protocol, cause)
      const reason = closeReason(CloseReasons.UnexpectedClose, messageOf(cause))
      const link = { peer: connection.peer, protocol: protocol.id }
      throw new LinkClosedError(reason, 'transport', link, { cause })
    }
  }

  /** From here on streams of an admitted connection come without libp2p, where its transport can do that. */
  #follow(connection: PeerConnection): void {
    connection.linkStreams?.serve((protocol) => {
      const take = this.#takers.get(protocol)
      if (take !== undefined) return (stream) => take(stream, connection)
      return this.#context.transports.libp2p.getProtocols().includes(protocol) ? 'libp2p' : 'unknown'
    })
  }

  async #answer(
    protocol: LinkProtocol,
    handler: LinkHandler,
    stream: ByteStream,
    origin: PeerConnection,
  ): Promise<void> {
    const { metrics, logger } = this.#context
    const release = this.#takePlace(origin.peer, protocol)
    let incoming
    try {
      incoming = await acceptLink({
        ...this.#linkOptions(origin, protocol, stream, 'inbound'),
        signal: this.#scope.signal,
      })
    } catch (error) {
      release?.()
      metrics.linkRefused(protocol.id, 'opening')
      logger.debug('inbound link was not opened', { protocol: protocol.id, cause: messageOf(error) })
      return
    }
    const { link } = incoming
    this.#track(link)
    if (release === undefined) {
      metrics.linkRefused(protocol.id, 'limit')
      await link.close(closeReason(CloseReasons.TooManyRequests, `too many links of ${protocol.id}`))
      return
    }
    void link.closed.then(release)
    // Not awaited, here and below: a handler may take as long as its link lives, and this need not stay for it.
    return this.#decide(handler, incoming)
  }

  async #decide(handler: LinkHandler, { link, accept }: IncomingLink): Promise<void> {
    let isDecided = false
    void link.closed.then(() => (isDecided = true))
    try {
      await handler(link, async (payload) => {
        isDecided = true
        await accept(payload)
      })
      if (!isDecided) await link.close(closeReason(CloseReasons.UnexpectedClose, 'the link was not accepted'))
    } catch (error) {
      await link.close(closeReason(CloseReasons.UnexpectedClose, 'the handler failed'))
      // A link that ends while its handler still wants something of it is nothing unusual.
      if (isMosaikError(error, 'LINK_CLOSED')) return
      this.#context.metrics.linkHandlerFailed(link.protocol)
      this.#context.logger.error('the handler of an inbound link failed', {
        protocol: link.protocol,
        peer: shortId(link.peer),
        cause: messageOf(error),
      })
    }
  }

  /** @returns A function that gives the place back; nothing when there is none. */
  #takePlace(peer: PeerId, protocol: LinkProtocol): (() => void) | undefined {
    const key = `${peer} ${protocol.id}`
    const count = this.#inboundCounts.get(key) ?? 0
    if (count >= this.#linksMax(protocol)) return undefined
    this.#inboundCounts.set(key, count + 1)
    return () => {
      const left = (this.#inboundCounts.get(key) ?? 1) - 1
      if (left === 0) this.#inboundCounts.delete(key)
      else this.#inboundCounts.set(key, left)
    }
  }

  #linksMax(protocol: LinkProtocol): number {
    return protocol.maxInboundPerPeer ?? this.#context.limits.linksPerPeerMax
  }

  #linkOptions(
    connection: PeerConnection,
    protocol: LinkProtocol,
    stream: ByteStream,
    direction: 'inbound' | 'outbound',
  ) {
    const { network, clock, limits, metrics } = this.#context
    return {
      stream,
      peer: connection.peer,
      protocol,
      network,
      clock,
      limits: { closeTimeoutMs: limits.closeTimeoutMs },
      observer: metrics.linkObserver(protocol.id, direction),
      onOver: this.#onLinkOver,
    }
  }

  #track(link: Link): void {
    if (link.isOver) return
    this.#links.add(link)
    this.#connections.touch(link.peer)
    if (this.#isClosing) void link.close(CloseReasons.GracefulShutdown)
  }

  #countByProtocol(): [{ protocol: string }, number][] {
    const counts = new Map<string, number>()
    for (const { protocol } of this.#links) counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
    return [...counts].map(([protocol, count]) => [{ protocol }, count])
  }

  /** Nothing that goes wrong with one link is a failure of the host. */
  #background(name: string, run: () => Promise<void>): void {
    this.#scope.spawn(name, (signal) =>
      run().catch((error: unknown) => {
        if (!signal.aborted) this.#context.logger.error(`${name} failed`, { cause: messageOf(error) })
      }),
    )
  }
}

function protocolUnknown(
  { peer }: PeerConnection,
  { id: protocol }: LinkProtocol,
  cause: unknown,
): LinkClosedError {
  const reason = closeReason(CloseReasons.InvalidAlpn, `the peer does not speak ${protocol}`)
  return new LinkClosedError(reason, 'remote', { peer, protocol }, { cause })
}
