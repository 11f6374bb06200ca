import {
  MetricsRegistry,
  MosaikError,
  messageOf,
  shortId,
  silentLogger,
  systemClock,
  systemRandom,
  toHex,
  raceSignal,
  type Clock,
  type Logger,
  type NetworkId,
  type PeerId,
  type Random,
  type ReadonlyWatch,
} from '#framework/primitives'
import { AddressBook, type AddressOrigin } from './address-book.js'
import { parseAddress, peerOf, withoutPeer } from './addresses.js'
import { LinkClosedError, type CloseReason } from './close-reason.js'
import { choosePruned } from './connection-pruning.js'
import { Connections } from './connections.js'
import { Dialler } from './dialler.js'
import { Identity } from './identity.js'
import { limitsOf, type NetworkLimits } from './limits.js'
import { LinkService, type LinkHandler } from './link-service.js'
import { listenOn, type Listening } from './listening.js'
import { NetworkMetrics } from './metrics.js'
import { NetworkKey } from './network-key.js'
import { planOf, type RelayOptions, type RelayPlan } from './reach/reach-options.js'
import { RttTracker } from './rtt/rtt-tracker.js'
import type { DialTarget } from './dial-target.js'
import type { Disconnect } from './disconnect.js'
import type { GossipTopic, GossipTopicOptions } from './gossip/gossip-topic.js'
import type { Gossip } from './gossip/gossip.js'
import type { HostContext } from './host-context.js'
import type { Link, LinkProtocol } from './link.js'
import type { PeerConnection } from './peer-connection.js'
import type { ReachService } from './reach/reach-service.js'
import type { Reachability } from './reach/reachability.js'
import type { RelayTarget } from './relay/reservation-plan.js'

export interface HostOptions {
  readonly network: NetworkId
  /**
   * Closes the network: only who has the same secret gets in, and to everybody else it is not even recognisable. Text
   * counts as its UTF-8 bytes; at least 16 bytes, drawn at random. Default: none, the network is open to all who know
   * its name.
   */
  readonly secret?: string | Uint8Array
  /** Default: a new random one. */
  readonly identity?: Identity
  /**
   * Multiaddrs to listen on; none makes a node that only dials. Default: QUIC and TCP on 127.0.0.1, with one port
   * number for both. `/memory/<name>` is for tests within one process.
   */
  readonly listen?: readonly string[]
  /** Whether this node is a relay, and over which ones it can be reached. Default: neither. */
  readonly relay?: RelayOptions
  readonly limits?: Partial<NetworkLimits>
  readonly clock?: Clock
  readonly logger?: Logger
  /** Default: a registry of the host's own, with the network's short id on every series. */
  readonly metrics?: MetricsRegistry
  readonly random?: Random
}

/** A connection, as those see it who only use it. */
export type PeerPath = Pick<PeerConnection, 'transport' | 'direction' | 'address'>

export interface ReachOptions {
  readonly signal?: AbortSignal | undefined
  /** For everything together; default 5000. */
  readonly timeoutMs?: number | undefined
}

export interface OpenOptions extends ReachOptions {
  /** What the acceptor sees as `openPayload`. */
  readonly payload?: unknown
}

const INSTANCE_BYTES = 8
const DEFAULT_LISTEN = ['/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1/tcp/0']

interface HostParts {
  readonly connections: Connections
  readonly gossip: Gossip
  readonly listening: Listening
  readonly relay: RelayPlan
  readonly Reach: typeof ReachService
}

/**
 * A node's place in one network: its identity, the addresses it listens on, its connections to peers, and links over
 * them. Peers of other networks, and strangers that do not say of which they are, get no further than the door.
 */
export class Host implements AsyncDisposable {
  readonly metrics: MetricsRegistry
  readonly #context: HostContext
  readonly #listening: Listening
  readonly #connections: Connections
  readonly #links: LinkService
  readonly #gossip: Gossip
  readonly #dialler: Dialler
  readonly #book: AddressBook
  readonly #reachService: ReachService
  readonly #closed = Promise.withResolvers<unknown>()
  readonly #closingSignal = new AbortController()
  #closing: Promise<void> | undefined

  private constructor(context: HostContext, metrics: MetricsRegistry, parts: HostParts) {
    this.metrics = metrics
    this.#context = context
    this.#listening = parts.listening
    this.#connections = parts.connections
    this.#gossip = parts.gossip
    this.#links = new LinkService(context, parts.connections)
    this.#reachService = new parts.Reach({
      context,
      connections: parts.connections,
      links: this.#links,
      listening: parts.listening,
      metrics,
      relay: parts.relay,
      reachRelay: (peer, addresses, signal) => this.#reach({ peer, addresses }, signal),
      dial: (peer, addresses, signal) => this.#dialler.dial(peer, addresses, signal),
      addressesOf: (peer) => this.addressesOf(peer),
    })
    this.#dialler = new Dialler(context, (address, signal) => this.#reachService.dialRelayed(address, signal))
    this.#book = new AddressBook(context.identity.peerId, context.limits)
  }

  /**
   * Starts a host and resolves when it listens on every address.
   *
   * @throws {MosaikError} `ADDRESS_IN_USE` or `ADDRESS_INVALID`, naming the address; `QUIC_UNAVAILABLE`; `SECRET_WEAK`;
   *   `RELAY_INVALID`.
   */
  static async start(options: HostOptions): Promise<Host> {
    const networkKey = new NetworkKey(options.network, options.secret)
    const { clock = systemClock, random = systemRandom, logger = silentLogger } = options
    const listen = options.listen ?? DEFAULT_LISTEN
    const relay = planOf(options.relay)
    const identity = options.identity ?? Identity.random(random)
    const limits = limitsOf(options.limits ?? {})
    const metrics = options.metrics ?? new MetricsRegistry({ network: shortId(options.network) })
    const counts = new NetworkMetrics(metrics)
    let connections: Connections | undefined
    let gossip: Gossip | undefined
    let host: Host | undefined
    // Loaded here, because it takes most of the time that starting takes: a program that only looks at declarations,
    // such as one that draws them, never needs libp2p.
    const [{ startTransports }, { Gossip }, { ReachService: Reach }] = await Promise.all([
      import('./transports.js'),
      import('./gossip/gossip.js'),
      import('./reach/reach-service.js'),
    ])
    const transports = await startTransports({
      identity,
      limits,
      clock,
      logger,
      knock: (remote) => connections?.knock(remote),
    })
    try {
      const instance = toHex(random.bytes(INSTANCE_BYTES))
      const rtt = new RttTracker({ clock, peersMax: limits.bookPeersMax })
      const context = {
        network: networkKey.id,
        networkKey,
        identity,
        instance,
        limits,
        clock,
        random,
        logger,
        metrics: counts,
        transports,
        rtt,
      }
      connections = new Connections(context)
      await connections.start()
      gossip = new Gossip(context, connections)
      await gossip.start()
      let onLost = (_cause: unknown): void => {}
      const listening = await listenOn(transports, listen, (cause) => onLost(cause))
      const started = new Host(context, metrics, { connections, gossip, listening, relay, Reach })
      host = started
      onLost = (cause) => void started.#fail(cause)
      await started.#reachService.start()
      return started
    } catch (error) {
      if (host === undefined) {
        await gossip?.close(AbortSignal.abort())
        await connections?.close()
        await transports.libp2p.stop()
      } else await host.close()
      throw error
    }
  }

  /**
   * The id that members know the network by, also in records and gossip. Not the one that was given when there is a
   * secret: who has only the name must not be able to tell.
   */
  get network(): NetworkId {
    return this.#context.network
  }

  /** 32 bytes that only members have, to derive from where they leave word for each other in public places. */
  get rendezvousSeed(): Uint8Array {
    return this.#context.networkKey.rendezvousSeed
  }

  get identity(): Identity {
    return this.#context.identity
  }

  get peerId(): PeerId {
    return this.identity.peerId
  }

  /** Multiaddrs at which this node can be dialled, each ending in its peer id, the best first. */
  get addresses(): ReadonlyWatch<readonly string[]> {
    return this.#reachService.addresses
  }

  /**
   * Whether peers anywhere can dial this node, as far as those have found out that see it from outside. It is `unknown`
   * for ever on one machine or within one site, and again when the way out is lost.
   */
  get reachability(): ReadonlyWatch<Reachability> {
    return this.#reachService.reachability
  }

  /**
   * The relays that there are in the network, for a host whose `relay.via` is `auto`: the best first. Whoever knows the
   * members says so; when they change, again.
   */
  setRelays(targets: readonly RelayTarget[]): void {
    this.#reachService.setRelays(targets)
  }

  /** Whether anything comes of {@link setRelays}. */
  get takesRelays(): boolean {
    return this.#reachService.takesRelays
  }

  /** What the framework does on this node for other peers, as entries name it: `relay`, when it is one. */
  get serves(): readonly string[] {
    return this.#reachService.isRelay ? ['relay'] : []
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
    return this.#links.serve(protocol, handler)
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
    const reached = await this.#reach(target, signal)
    const connection = await this.#reachService.settled(reached, signal)
    return await this.#links.open(connection, protocol, { payload: options.payload, signal })
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

  /**
   * Notes where another peer can be reached, for a day (`bookTtlMs`). Addresses that are of no use are left out.
   *
   * @param origin Default: the peer has said so itself, in an entry that it has signed.
   */
  learn(peer: PeerId, addresses: readonly string[], origin: AddressOrigin = 'entry'): void {
    this.#book.learn(peer, addresses, origin, this.#context.clock.monotonic())
  }

  /** Where another peer can be reached, as far as is known: multiaddrs without the peer, those that have worked first. */
  addressesOf(peer: PeerId): readonly string[] {
    return this.#book.of(peer, this.#context.clock.monotonic())
  }

  /**
   * Calls `fn` with the end of the last connection with each peer, until the returned function is called. By then there
   * may be a new one.
   */
  onDisconnected(fn: (disconnect: Disconnect) => void): () => void {
    return this.#connections.onDisconnected(fn)
  }

  /**
   * Lets go of idle connections when there are more than `connectionsHigh`, until `connectionsLow` are left. The peers are
   * told that they are not needed at present (205 Pruned).
   *
   * @param keep Peers to stay connected with.
   * @returns When to prune again though nothing changes, in monotonic milliseconds.
   */
  prune(keep: ReadonlySet<PeerId>): number {
    const { limits, clock } = this.#context
    if (this.connections.value.size <= limits.connectionsHigh) return Infinity
    const uses = this.#connections.uses(this.#gossip.neighbours)
    const kept = new Set([...keep, ...this.#reachService.needed])
    const { peers, atMs } = choosePruned(uses, kept, limits, clock.monotonic())
    this.#connections.prune(peers)
    return atMs
  }

  /** Ends all connections to a peer, which is told why. The links over them end with the connection. */
  async disconnect(peer: PeerId, reason: CloseReason): Promise<void> {
    await this.#connections.disconnect(peer, reason)
  }

  /**
   * Ends the connections with a peer that nobody uses; it is told that it is not needed at present (205 Pruned).
   *
   * @returns Whether nobody does.
   */
  release(peer: PeerId): boolean {
    const use = this.#connections.uses(this.#gossip.neighbours).find((each) => each.peer === peer)
    if (use?.isIdle !== true) return false
    this.#connections.prune([peer])
    return true
  }

  /** How one is connected with a peer, over the best of the connections to it; undefined when one is not. */
  pathTo(peer: PeerId): PeerPath | undefined {
    const connection = this.#connections.best(peer)
    if (connection === undefined) return undefined
    const { transport, direction, address } = connection
    return { transport, direction, address }
  }

  /** The smoothed round trip to a peer, in milliseconds, when it was measured in the last five minutes. */
  rttMs(peer: PeerId): number | undefined {
    return this.rtt.ms(peer)
  }

  /**
   * The round trips to peers: measured over every connection, by either side, and kept for five minutes. Whoever measures
   * one elsewhere can add it.
   */
  get rtt(): RttTracker {
    return this.#context.rtt
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
    this.#context.logger.error('the host cannot go on', { cause: messageOf(cause) })
    await this.#shutDown(cause)
  }

  #shutDown(cause: unknown): Promise<void> {
    this.#closing ??= this.#closeAll(cause)
    return this.#closing
  }

  /** From the top down, so that each layer can still say goodbye over the one below. */
  async #closeAll(cause: unknown): Promise<void> {
    const { clock, limits, transports } = this.#context
    this.#closingSignal.abort(new MosaikError('HOST_CLOSED', 'the host was closed'))
    this.#dialler.close()
    await this.#links.close()
    await this.#reachService.close()
    using patience = clock.deadline(limits.closeTimeoutMs)
    await this.#gossip.close(patience.signal)
    await this.#connections.close()
    this.#context.rtt.close()
    await this.#listening.close()
    await transports.libp2p.stop()
    this.#closed.resolve(cause)
  }

  #deadline({ signal, timeoutMs = this.#context.limits.openTimeoutMs }: ReachOptions) {
    this.#closingSignal.signal.throwIfAborted()
    return this.#context.clock.deadline(timeoutMs, signal, this.#closingSignal.signal)
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
    const booked = peer === undefined ? [] : this.addressesOf(peer).map(parseAddress)
    const connection = await this.#dialler.dial(peer, [...given, ...booked], signal)
    const dialled = this.#connections.of(connection)
    if (dialled === undefined) {
      throw new MosaikError('DIAL_FAILED', 'the connection was refused or closed at once', {
        details: { attempts: [] },
      })
    }
    await raceSignal(dialled.admitted, signal)
    this.#book.worked(dialled.peer, dialled.address, this.#context.clock.monotonic())
    return dialled
  }

  #known(peer: PeerId | undefined, addresses: readonly string[]): PeerConnection | undefined {
    if (peer === undefined) return this.#connections.dialledTo(addresses)
    return this.#connections.best(peer) ?? this.#connections.pending(peer)
  }
}

/** The one value of them all, if there is one. */
function soleOf<T>(values: readonly (T | undefined)[]): T | undefined {
  const distinct = new Set(values)
  return distinct.size === 1 ? values[0] : undefined
}
