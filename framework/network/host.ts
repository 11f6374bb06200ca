import type { Connection, Stream } from '@libp2p/interface'
import {
  MetricsRegistry,
  MosaikError,
  TaskScope,
  Watch,
  isMosaikError,
  messageOf,
  shortId,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
  type NetworkId,
  type PeerId,
  type Random,
  type ReadonlyWatch,
  systemRandom,
} from '#framework/primitives'
import { AddressBook } from './address-book.js'
import { parseAddress, peerOf, withPeer, withoutPeer } from './addresses.js'
import { CloseReasons, LinkClosedError, closeReason, type CloseReason } from './close-reason.js'
import { Connections, linkStream, type PeerConnection } from './connections.js'
import { Dialler } from './dialler.js'
import { acceptLink, openLink, type IncomingLink } from './framed-link.js'
import type { Gossip } from './gossip/gossip.js'
import { Identity } from './identity.js'
import { defaultLimits, type NetworkLimits } from './limits.js'
import { listenOn, type Listening } from './listening.js'
import { NetworkMetrics } from './metrics.js'
import { raceSignal } from './race-signal.js'
import type { Transports } from './transports.js'
import type { GossipTopic, GossipTopicOptions } from './gossip/gossip-topic.js'
import type { Link, LinkProtocol } from './link.js'

export interface HostOptions {
  readonly network: NetworkId
  /** Default: a new random one. */
  readonly identity?: Identity
  /**
   * Multiaddrs to listen on; none makes a node that only dials. Default: QUIC and TCP on 127.0.0.1, with one port
   * number for both. `/memory/<name>` is for tests within one process.
   */
  readonly listen?: readonly string[]
  readonly limits?: Partial<NetworkLimits>
  readonly clock?: Clock
  readonly logger?: Logger
  /** Default: a registry of the host's own, with the network's short id on every series. */
  readonly metrics?: MetricsRegistry
  readonly random?: Random
}

/** Whom to reach, and where. At least one of the two. */
export interface DialTarget {
  /** Alone: over the connection there is, or at an address from the address book. */
  readonly peer?: PeerId
  /** Multiaddrs, which may end in `/p2p/<peer>`. They are tried before those in the address book. */
  readonly addresses?: readonly string[]
}

export interface ReachOptions {
  readonly signal?: AbortSignal | undefined
  /** For everything together; default 5000. */
  readonly timeoutMs?: number | undefined
}

export interface OpenOptions extends ReachOptions {
  /** What the acceptor sees as `openPayload`. */
  readonly payload?: unknown
}

/**
 * Decides about an inbound link: it sees `link.openPayload`, and then either consents with `accept`, after which the
 * link is open, or closes the link with a reason. When it throws, the link is closed, and the error is logged and
 * counted.
 */
export type LinkHandler = (link: Link, accept: (payload?: unknown) => Promise<void>) => Promise<void>

const DEFAULT_LISTEN = ['/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1/tcp/0']

/**
 * A node's place in one network: its identity, the addresses it listens on, its connections to peers, and links over
 * them. Peers of other networks, and strangers that do not say of which they are, get no further than the door.
 */
export class Host implements AsyncDisposable {
  readonly network: NetworkId
  readonly identity: Identity
  readonly metrics: MetricsRegistry
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #limits: NetworkLimits
  readonly #counts: NetworkMetrics
  readonly #transports: Transports
  readonly #listening: Listening
  readonly #connections: Connections
  readonly #gossip: Gossip
  readonly #dialler: Dialler
  readonly #book: AddressBook
  readonly #addresses: Watch<readonly string[]>
  readonly #links = new Set<Link>()
  /** Inbound links by peer and protocol. */
  readonly #inboundCounts = new Map<string, number>()
  readonly #scope = new TaskScope()
  readonly #closed = Promise.withResolvers<unknown>()
  readonly #unregister: () => void
  #closing: Promise<void> | undefined

  private constructor(parts: {
    readonly options: HostOptions
    readonly identity: Identity
    readonly metrics: MetricsRegistry
    readonly limits: NetworkLimits
    readonly clock: Clock
    readonly logger: Logger
    readonly counts: NetworkMetrics
    readonly transports: Transports
    readonly connections: Connections
    readonly listening: Listening
    readonly gossip: Gossip
  }) {
    this.network = parts.options.network
    this.identity = parts.identity
    this.metrics = parts.metrics
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#limits = parts.limits
    this.#counts = parts.counts
    this.#transports = parts.transports
    this.#connections = parts.connections
    this.#listening = parts.listening
    this.#gossip = parts.gossip
    this.#book = new AddressBook(parts.limits)
    this.#dialler = new Dialler({
      transports: parts.transports,
      limits: parts.limits,
      clock: parts.clock,
      metrics: parts.counts,
    })
    this.#addresses = new Watch<readonly string[]>(
      parts.listening.addresses.map((address) => withPeer(address, this.peerId)),
    )
    this.#unregister = parts.counts.linksOpen.collect(() => this.#openLinksByProtocol())
  }

  /**
   * Starts a host and resolves when it listens on every address.
   *
   * @throws {MosaikError} `ADDRESS_IN_USE` or `ADDRESS_INVALID`, naming the address; `QUIC_UNAVAILABLE`.
   */
  static async start(options: HostOptions): Promise<Host> {
    const { network, clock = systemClock, random = systemRandom, logger = silentLogger } = options
    const listen = options.listen ?? DEFAULT_LISTEN
    const identity = options.identity ?? Identity.random(random)
    const limits = { ...defaultLimits, ...options.limits }
    const metrics = options.metrics ?? new MetricsRegistry({ network: shortId(network) })
    const counts = new NetworkMetrics(metrics)
    let connections: Connections | undefined
    let gossip: Gossip | undefined
    // Loaded here, because it takes most of the time that starting takes: a program that only looks at declarations,
    // such as one that draws them, never needs libp2p.
    const [{ startTransports }, { Gossip }] = await Promise.all([
      import('./transports.js'),
      import('./gossip/gossip.js'),
    ])
    const transports = await startTransports({
      identity,
      limits,
      clock,
      logger,
      refusesInbound: () => {
        const refuses = connections?.isFull !== false
        if (refuses) counts.handshakeRejected('capacity')
        return refuses
      },
    })
    try {
      connections = new Connections({
        transports,
        self: identity.peerId,
        network,
        limits,
        clock,
        logger,
        metrics: counts,
      })
      await connections.start()
      gossip = new Gossip({
        libp2p: transports.libp2p,
        identity,
        connections,
        limits: limits.gossip,
        clock,
        random,
        logger,
        metrics: counts,
      })
      await gossip.start()
      let onLost = (_cause: unknown): void => {}
      const listening = await listenOn(transports, listen, (cause) => onLost(cause))
      const host = new Host({
        options,
        identity,
        metrics,
        limits,
        clock,
        logger,
        counts,
        transports,
        connections,
        listening,
        gossip,
      })
      onLost = (cause) => void host.#fail(cause)
      return host
    } catch (error) {
      await gossip?.close(AbortSignal.abort())
      await connections?.close()
      await transports.libp2p.stop()
      throw error
    }
  }

  get peerId(): PeerId {
    return this.identity.peerId
  }

  /** Multiaddrs at which this node can be dialled, each ending in its peer id, the best first. */
  get addresses(): ReadonlyWatch<readonly string[]> {
    return this.#addresses.asReadonly()
  }

  /** The peers with at least one connection on which both sides have shown this network. */
  get connections(): ReadonlyWatch<ReadonlySet<PeerId>> {
    return this.#connections.peers
  }

  /** Resolves when the host is closed: with undefined when it was asked to, else with the cause. Never rejects. */
  get closed(): Promise<unknown> {
    return this.#closed.promise
  }

  /**
   * Serves a protocol: `handler` is called with each inbound link of an admitted peer. One handler a protocol.
   *
   * @returns A function that stops serving it; open links stay.
   * @throws {MosaikError} `PROTOCOL_TAKEN`.
   */
  handle(protocol: LinkProtocol, handler: LinkHandler): () => void {
    const { libp2p } = this.#transports
    if (libp2p.getProtocols().includes(protocol.id)) {
      throw new MosaikError('PROTOCOL_TAKEN', `${protocol.id} has a handler already`)
    }
    const linksMax = protocol.maxInboundPerPeer ?? this.#limits.linksPerPeerMax
    const onStream = (stream: Stream, connection: Connection): void =>
      this.#background('inbound link', () => this.#onStream(protocol, handler, stream, connection))
    this.#background('handle', async () => {
      await libp2p.handle(protocol.id, onStream, {
        // Counted for each connection, and without a word for those beyond. The host counts for each peer, and says so.
        maxInboundStreams: 2 * linksMax,
        maxOutboundStreams: this.#limits.quic.streamsMax,
      })
    })
    return () => this.#background('unhandle', async () => libp2p.unhandle(protocol.id))
  }

  /**
   * Opens a link to a peer, over the best connection there is or a new one.
   *
   * @throws {LinkClosedError} LINK_CLOSED with the other side's reason: it refused the link, does not speak the protocol
   *   (100), or is of another network (101).
   * @throws {MosaikError} `DIAL_FAILED` with every attempt; `TIMEOUT`; `ADDRESS_INVALID`; `HOST_CLOSED`.
   */
  async open(target: DialTarget, protocol: LinkProtocol, options: OpenOptions = {}): Promise<Link> {
    using deadline = this.#deadline(options)
    const { signal } = deadline
    const connection = await this.#reach(target, signal)
    const stream = await this.#newStream(connection, protocol, signal)
    const link = await openLink({
      ...this.#linkOptions(connection, protocol, stream, 'outbound'),
      payload: options.payload,
      signal,
    })
    this.#track(link)
    return link
  }

  /**
   * Makes sure that there is an admitted connection.
   *
   * @returns Who is at the other end.
   * @throws As {@link open}.
   */
  async connect(target: DialTarget, options: ReachOptions = {}): Promise<PeerId> {
    using deadline = this.#deadline(options)
    const { peer } = await this.#reach(target, deadline.signal)
    return peer
  }

  /** Notes where a peer can be reached. Addresses that are of no use are left out. */
  learn(peer: PeerId, addresses: readonly string[]): void {
    if (peer !== this.peerId) this.#book.learn(peer, addresses)
  }

  /** Ends all connections to a peer, which is told why. The links over them end with the connection. */
  async disconnect(peer: PeerId, reason: CloseReason): Promise<void> {
    await this.#connections.disconnect(peer, reason)
  }

  /** The smoothed round trip to a connected peer, in milliseconds, once it has been measured. */
  rttMs(peer: PeerId): number | undefined {
    return this.#connections.rttMs(peer)
  }

  /**
   * Takes part in a gossip topic, together with all admitted peers that do.
   *
   * @throws {MosaikError} `GOSSIP_TOPIC_TAKEN`, when this host does already; `GOSSIP_CLOSED`.
   */
  gossip(topic: string, options: GossipTopicOptions): GossipTopic {
    return this.#gossip.topic(topic, options)
  }

  /**
   * Ends everything in good order, each step bounded: open links with GracefulShutdown, connections, listeners. Leaves
   * nothing behind that would keep the process alive. Idempotent.
   */
  close(): Promise<void> {
    return this.#shutDown(undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #fail(cause: unknown): Promise<void> {
    this.#logger.error('the host cannot go on', { cause: messageOf(cause) })
    await this.#shutDown(cause)
  }

  #shutDown(cause: unknown): Promise<void> {
    this.#closing ??= this.#closeAll(cause)
    return this.#closing
  }

  async #closeAll(cause: unknown): Promise<void> {
    const goodbye = CloseReasons.GracefulShutdown
    const links = [...this.#links].map((link) =>
      link.close(goodbye, { timeoutMs: this.#limits.closeTimeoutMs }),
    )
    await Promise.all(links)
    this.#dialler.close()
    await this.#scope.close(new MosaikError('HOST_CLOSED', 'the host was closed'))
    using patience = this.#clock.deadline(this.#limits.closeTimeoutMs)
    await this.#gossip.close(patience.signal)
    await this.#connections.close()
    await this.#listening.close()
    await this.#transports.libp2p.stop()
    this.#unregister()
    this.#addresses.end()
    this.#closed.resolve(cause)
  }

  #deadline({ signal, timeoutMs = this.#limits.openTimeoutMs }: ReachOptions) {
    if (this.#closing !== undefined) throw new MosaikError('HOST_CLOSED', 'the host was closed')
    return this.#clock.deadline(timeoutMs, signal, this.#scope.signal)
  }

  /** Finds an admitted connection to the target, or makes one. */
  async #reach(target: DialTarget, signal: AbortSignal): Promise<PeerConnection> {
    const given = (target.addresses ?? []).map(parseAddress)
    const peer = target.peer ?? soleOf(given.map(peerOf))
    if (peer === this.peerId) throw new MosaikError('DIAL_FAILED', 'a node does not dial itself')
    const known = this.#known(peer, given.map(withoutPeer))
    if (known !== undefined) {
      try {
        await raceSignal(known.admitted, signal)
        return known
      } catch (error) {
        signal.throwIfAborted()
        // It knows us and does not want us: another connection would fare no better.
        if (known.direction === 'outbound' && error instanceof LinkClosedError && error.by === 'remote')
          throw error
      }
    }
    const booked = peer === undefined ? [] : this.#book.of(peer).map(parseAddress)
    const connection = await this.#dialler.dial(peer, [...given, ...booked], signal)
    const dialled = this.#connections.of(connection)
    if (dialled === undefined) {
      throw new MosaikError('DIAL_FAILED', 'the connection was refused or closed at once', {
        details: { attempts: [] },
      })
    }
    await raceSignal(dialled.admitted, signal)
    this.#book.worked(dialled.peer, dialled.address)
    return dialled
  }

  #known(peer: PeerId | undefined, addresses: readonly string[]): PeerConnection | undefined {
    if (peer === undefined) return this.#connections.dialledTo(addresses)
    return this.#connections.best(peer) ?? this.#connections.pending(peer)
  }

  async #newStream(connection: PeerConnection, protocol: LinkProtocol, signal: AbortSignal): Promise<Stream> {
    try {
      return await connection.libp2p.newStream(protocol.id, {
        signal,
        maxOutboundStreams: this.#limits.quic.streamsMax,
      })
    } catch (cause) {
      signal.throwIfAborted()
      const { peer } = connection
      const isUnknown = cause instanceof Error && cause.name === 'UnsupportedProtocolError'
      const reason = isUnknown
        ? closeReason(CloseReasons.InvalidAlpn, `the peer does not speak ${protocol.id}`)
        : closeReason(CloseReasons.UnexpectedClose, messageOf(cause))
      throw new LinkClosedError(
        reason,
        isUnknown ? 'remote' : 'transport',
        { peer, protocol: protocol.id },
        { cause },
      )
    }
  }

  async #onStream(
    protocol: LinkProtocol,
    handler: LinkHandler,
    stream: Stream,
    connection: Connection,
  ): Promise<void> {
    const from = await this.#connections.originOf(stream, connection, protocol.id)
    if (from === undefined) return
    const release = this.#takePlace(from.peer, protocol)
    let incoming
    try {
      incoming = await acceptLink({
        ...this.#linkOptions(from, protocol, stream, 'inbound'),
        signal: this.#scope.signal,
      })
    } catch (error) {
      release?.()
      this.#counts.linkRefused(protocol.id, 'opening')
      this.#logger.debug('inbound link was not opened', { protocol: protocol.id, cause: messageOf(error) })
      return
    }
    const { link } = incoming
    this.#track(link)
    if (release === undefined) {
      this.#counts.linkRefused(protocol.id, 'limit')
      await link.close(closeReason(CloseReasons.TooManyRequests, `too many links of ${protocol.id}`))
      return
    }
    void link.closed.then(release)
    await this.#decide(handler, incoming)
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
      this.#counts.linkHandlerFailed(link.protocol)
      this.#logger.error('the handler of an inbound link failed', {
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
    if (count >= (protocol.maxInboundPerPeer ?? this.#limits.linksPerPeerMax)) return undefined
    this.#inboundCounts.set(key, count + 1)
    return () => {
      const left = (this.#inboundCounts.get(key) ?? 1) - 1
      if (left === 0) this.#inboundCounts.delete(key)
      else this.#inboundCounts.set(key, left)
    }
  }

  #linkOptions(
    connection: PeerConnection,
    protocol: LinkProtocol,
    stream: Stream,
    direction: 'inbound' | 'outbound',
  ) {
    return {
      stream: linkStream(connection, stream),
      peer: connection.peer,
      protocol,
      network: this.network,
      clock: this.#clock,
      limits: { closeTimeoutMs: this.#limits.closeTimeoutMs },
      observer: this.#counts.linkObserver(protocol.id, direction),
    }
  }

  #track(link: Link): void {
    this.#links.add(link)
    void link.closed.then(() => this.#links.delete(link))
    if (this.#closing !== undefined) void link.close(CloseReasons.GracefulShutdown)
  }

  #openLinksByProtocol(): [{ protocol: string }, number][] {
    const counts = new Map<string, number>()
    for (const { protocol } of this.#links) counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
    return [...counts].map(([protocol, count]) => [{ protocol }, count])
  }

  /** Nothing that goes wrong with one link is a failure of the host. */
  #background(name: string, run: () => Promise<void>): void {
    this.#scope.spawn(name, async (signal) => {
      try {
        await run()
      } catch (error) {
        if (!signal.aborted) this.#logger.error(`${name} failed`, { cause: messageOf(error) })
      }
    })
  }
}

/** The one value of them all, if there is one. */
function soleOf<T>(values: readonly (T | undefined)[]): T | undefined {
  const distinct = new Set(values)
  return distinct.size === 1 ? values[0] : undefined
}
