import type { Connection, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import {
  MosaikError,
  TaskScope,
  Watch,
  invariant,
  isMosaikError,
  messageOf,
  shortId,
  raceSignal,
  type PeerId,
  type ReadonlyWatch,
  type Timer,
} from '#framework/primitives'
import { withoutPeer } from './addresses.js'
import { blockOf } from './address-block.js'
import { Admission } from './admission.js'
import { CloseReasons, LinkClosedError, closeReason, type CloseReason } from './close-reason.js'
import { compareConnections } from './connection-choice.js'
import { isUnused } from './connection-use.js'
import { disconnectOf, type Disconnect } from './disconnect.js'
import { HELLO } from './hello.js'
import { HelloExchange, rejectionOf } from './hello-exchange.js'
import { InboundStreams } from './inbound-streams.js'
import { fromLibp2pPeerId } from './libp2p-peer-id.js'
import { ConnectionEntry, type PeerConnection } from './peer-connection.js'
import { SurplusConnections } from './surplus-connections.js'
import type { PeerUse } from './connection-pruning.js'
import type { Greeted } from './greet.js'
import type { HostContext } from './host-context.js'
import type { Link } from './link.js'
import type { HandshakeRejection } from './metrics.js'

/** After a refusal the other side, which was told why, gets this long to close the connection itself. */
const REFUSED_WAIT_MS = 500
/** How often one looks, while a connection is not admitted, whether it should be turned away already. */
const PATIENCE_STEPS = 8

/**
 * The connections of a host, and the gate before them: nothing but the hello is exchanged on a connection until both
 * sides have shown the same network.
 */
export class Connections {
  /** The gate for streams that others open. */
  readonly inboundStreams: InboundStreams
  readonly #context: HostContext
  readonly #admission: Admission
  readonly #hello: HelloExchange
  readonly #surplus: SurplusConnections
  readonly #entries = new Map<string, ConnectionEntry>()
  readonly #peers = new Watch<ReadonlySet<PeerId>>(new Set())
  readonly #scope = new TaskScope()
  readonly #onAdmitted = new Set<(connection: PeerConnection) => void>()
  readonly #onDisconnected = new Set<(disconnect: Disconnect) => void>()
  /** When the last link of each connected peer began or ended; monotonic milliseconds. */
  readonly #usedAtMs = new Map<PeerId, number>()
  readonly #unregister: (() => void)[] = []
  /** Addresses that are being dialled only to see whether somebody is there. */
  readonly #leftAlone = new Set<string>()
  /** Peers that were asked to do that with us. */
  readonly #expectedFrom = new Map<PeerId, () => void>()
  #isClosing = false

  constructor(context: HostContext) {
    this.#context = context
    this.#admission = new Admission(context.limits)
    this.#hello = new HelloExchange(context)
    this.#surplus = new SurplusConnections({
      context,
      admittedOf: (peer) => this.#admittedOf(peer),
      best: (peer) => this.best(peer),
      end: (entry, reason) => this.#end(entry, reason),
      spawn: (name, run) => this.#background(name, run),
    })
    this.inboundStreams = new InboundStreams({
      context,
      entry: (id) => this.#entries.get(id),
      isAdmitted: (entry) => this.isAdmitted(entry),
      end: (entry, reason) => this.#background('rate', () => this.#end(entry, reason)),
      signal: this.#scope.signal,
    })
  }

  /** Admitted peers. */
  get peers(): ReadonlyWatch<ReadonlySet<PeerId>> {
    return this.#peers.asReadonly()
  }

  /**
   * An inbound connection has arrived, and its handshake is about to begin.
   *
   * @returns What to call when that is over, well or not; nothing when there is no place for it.
   */
  knock(remote: Multiaddr): (() => void) | undefined {
    const block = blockOf(remote)
    const refusal = this.#isClosing ? 'capacity' : this.#admission.knock(block)
    if (refusal === undefined) return () => this.#admission.knocked(block)
    this.#context.metrics.handshakeRejected(refusal)
    return undefined
  }

  /** Whether an inbound connection would have no place. */
  get isFull(): boolean {
    return this.#isClosing || this.#admission.isFull
  }

  async start(): Promise<void> {
    const { libp2p } = this.#context.transports
    const onOpen = ({ detail }: CustomEvent<Connection>): void => this.#onOpen(detail)
    const onClose = ({ detail }: CustomEvent<Connection>): void => this.#onClose(detail)
    libp2p.addEventListener('connection:open', onOpen)
    libp2p.addEventListener('connection:close', onClose)
    const { metrics } = this.#context
    this.#unregister.push(
      () => libp2p.removeEventListener('connection:open', onOpen),
      () => libp2p.removeEventListener('connection:close', onClose),
      metrics.peersConnected.collect(() => this.#admission.peers.size),
      metrics.roundTripsKnown.collect(() => this.#context.rtt.size),
      metrics.connections.collect(() => this.#countByState()),
    )
    await libp2p.handle(HELLO.id, (stream, connection) => this.#onHello(stream, connection), {
      maxInboundStreams: 1,
      maxOutboundStreams: 1,
    })
  }

  /** Calls `fn` for each connection that is admitted from now on, until the returned function is called. */
  onAdmitted(fn: (connection: PeerConnection) => void): () => void {
    this.#onAdmitted.add(fn)
    return () => void this.#onAdmitted.delete(fn)
  }

  /** Calls `fn` whenever the last admitted connection with a peer has ended, until the returned function is called. */
  onDisconnected(fn: (disconnect: Disconnect) => void): () => void {
    this.#onDisconnected.add(fn)
    return () => void this.#onDisconnected.delete(fn)
  }

  /** A link over a connection with the peer has begun or ended. */
  touch(peer: PeerId): void {
    if (this.#admission.peers.has(peer)) this.#usedAtMs.set(peer, this.#context.clock.monotonic())
  }

  /** What the connections with each admitted peer are used for, where they are not about to end. */
  uses(gossipsWith: ReadonlySet<PeerId>): PeerUse[] {
    const uses: PeerUse[] = []
    for (const peer of this.#admission.peers) {
      const entries = this.#admittedOf(peer).filter(({ isEnded }) => !isEnded)
      if (entries.length === 0) continue
      const openedAt = Math.max(...entries.map((entry) => entry.openedAt))
      uses.push({
        peer,
        usedAtMs: Math.max(openedAt, this.#usedAtMs.get(peer) ?? -Infinity),
        isIdle: !gossipsWith.has(peer) && entries.every(isUnused),
      })
    }
    return uses
  }

  /** Ends the connections with peers that are not needed, without waiting for it, and says so. */
  prune(peers: readonly PeerId[]): void {
    for (const peer of peers) {
      this.#context.metrics.connectionsPruned.add()
      this.#background('prune', () => this.disconnect(peer, CloseReasons.Pruned))
    }
  }

  /** What is known of a libp2p connection; nothing when it is closed, or was refused a place. */
  of(connection: Connection): PeerConnection | undefined {
    return this.#entries.get(connection.id)
  }

  isAdmitted(connection: PeerConnection): boolean {
    return this.#admission.isAdmitted(connection.id)
  }

  /** The admitted connection to use for new streams. Two peers with two connections both choose the same one. */
  best(peer: PeerId): PeerConnection | undefined {
    const self = this.#context.identity.peerId
    return this.#admittedOf(peer).toSorted((a, b) => compareConnections(self, a, b))[0]
  }

  /** As {@link best}, of the connections that lead over no relay. */
  direct(peer: PeerId): PeerConnection | undefined {
    const best = this.best(peer)
    // A relayed one is the best only where there is no other.
    return best?.transport === 'relay' ? undefined : best
  }

  /** A connection of that peer which may be admitted soon. */
  pending(peer: PeerId): PeerConnection | undefined {
    return this.#entriesOf(peer).find((entry) => !this.isAdmitted(entry) && !entry.isRejected)
  }

  /** An open connection that was dialled to this address and not turned away, whoever is there. */
  dialledTo(addresses: readonly string[]): PeerConnection | undefined {
    for (const entry of this.#entries.values()) {
      const isOurs = entry.direction === 'outbound' && !entry.isRejected
      if (isOurs && addresses.includes(entry.address)) return entry
    }
    return undefined
  }

  /** Ends all connections to a peer, and says why. */
  async disconnect(peer: PeerId, reason: CloseReason): Promise<void> {
    await Promise.all(this.#entriesOf(peer).map((entry) => this.#end(entry, reason)))
  }

  /**
   * Until it is disposed, connections that this node dials at that address are nothing to the host: no place, no hello.
   *
   * @param address Without the peer.
   */
  leaveAlone(address: string): Disposable {
    this.#leftAlone.add(address)
    return { [Symbol.dispose]: () => void this.#leftAlone.delete(address) }
  }

  /** Until it is disposed, a connection from that peer without a hello is no offence. `arrived` resolves when it opens. */
  expectProbe(peer: PeerId): Disposable & { readonly arrived: Promise<void> } {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#expectedFrom.set(peer, resolve)
    return { arrived: promise, [Symbol.dispose]: () => void this.#expectedFrom.delete(peer) }
  }

  /** Lets nobody in any more, and ends every connection in good order. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all(
      [...this.#entries.values()].map((entry) => this.#end(entry, CloseReasons.GracefulShutdown)),
    )
    await this.#scope.close()
    await this.#context.transports.libp2p.unhandle(HELLO.id)
    for (const unregister of this.#unregister.splice(0)) unregister()
    this.#peers.end()
  }

  #onOpen(connection: Connection): void {
    const { metrics, clock } = this.#context
    if (connection.direction === 'outbound' && this.#leftAlone.has(withoutPeer(connection.remoteAddr))) return
    let peer
    try {
      peer = fromLibp2pPeerId(connection.remotePeer)
    } catch (error) {
      metrics.handshakeRejected('identity')
      connection.abort(new Error(messageOf(error)))
      return
    }
    const { direction } = connection
    const place = this.#admission.enter(connection.id, {
      peer,
      direction,
      block: blockOf(connection.remoteAddr),
    })
    if (place.refused !== undefined || this.#isClosing) {
      this.#admission.leave(connection.id)
      metrics.handshakeRejected(place.refused ?? 'capacity')
      connection.abort(new MosaikError('CAPACITY', 'there is no place for one more connection'))
      return
    }
    const entry = new ConnectionEntry(connection, peer, clock.monotonic())
    this.#entries.set(entry.id, entry)
    if (place.evict !== undefined) this.#evict(place.evict)
    if (direction === 'inbound') {
      const onExpected = this.#expectedFrom.get(peer)
      entry.isProbe = onExpected !== undefined
      onExpected?.()
    }
    entry.patience = this.#startPatience(entry)
    if (entry.direction === 'outbound') this.#keep(entry, (signal) => this.#hello.greet(entry, signal))
  }

  /** Watches a connection until it is admitted: for the time that it takes, and for streams that it does not need. */
  #startPatience(entry: ConnectionEntry): Timer {
    const { clock, limits } = this.#context
    const { admissionTimeoutMs, unadmittedStreamsMax } = limits
    const dueAtMs = clock.monotonic() + admissionTimeoutMs
    const stepMs = admissionTimeoutMs / PATIENCE_STEPS
    const look = (): void => {
      const { streamCount } = entry
      if (streamCount > unadmittedStreamsMax) {
        const text = `${streamCount} streams before a hello`
        this.#reject(entry, 'streams', new MosaikError('UNADMITTED', text))
      } else if (clock.monotonic() < dueAtMs) {
        timer = clock.after(stepMs, look)
      } else if (entry.direction === 'inbound') {
        const text = `no hello within ${admissionTimeoutMs} ms`
        this.#reject(entry, 'timeout', new MosaikError('TIMEOUT', text))
      }
    }
    let timer = clock.after(stepMs, look)
    return { cancel: () => timer.cancel() }
  }

  #onClose(connection: Connection): void {
    const entry = this.#entries.get(connection.id)
    if (entry === undefined) return
    this.#entries.delete(entry.id)
    entry.patience?.cancel()
    if (!this.isAdmitted(entry)) {
      const text = 'the connection was closed before it was admitted'
      const reason = closeReason(CloseReasons.UnexpectedClose, text)
      const { peer } = entry
      this.#reject(entry, 'lost', new LinkClosedError(reason, 'transport', { peer, protocol: HELLO.id }))
    }
    const wasAdmitted = this.isAdmitted(entry)
    this.#admission.leave(entry.id)
    this.#peers.set(this.#admission.peers)
    entry.onGone()
    if (wasAdmitted && !this.#admission.peers.has(entry.peer)) this.#onLastGone(entry)
    if (this.#admission.connectionsOf(entry.peer).length > 0) return
    // libp2p notes something about everyone it ever spoke to; the host has its own address book, which is bounded.
    this.#background('forget', async () => {
      await this.#context.transports.libp2p.peerStore.delete(connection.remotePeer)
    })
  }

  #onLastGone(entry: ConnectionEntry): void {
    this.#usedAtMs.delete(entry.peer)
    this.#background('disconnected', async () => {
      // The hello link ends with its connection, and knows what the other side may have said before.
      const reason = (await entry.control?.closed) ?? CloseReasons.UnexpectedClose
      const disconnect = disconnectOf(entry.peer, reason, entry.isEnded)
      for (const fn of this.#onDisconnected) fn(disconnect)
    })
  }

  /** The accepting part. */
  #onHello(stream: Stream, connection: Connection): void {
    const entry = this.#entries.get(connection.id)
    if (entry === undefined || entry.direction === 'outbound' || entry.isGreeted) {
      stream.abort(new Error('a connection has one hello, and its dialler opens it'))
      return
    }
    entry.isGreeted = true
    this.#keep(entry, (signal) => this.#hello.answer(entry, stream, signal))
  }

  /** Admits a connection when its greeting goes well. The hello then stays, and when that is over, so is the connection. */
  #keep(entry: ConnectionEntry, greeting: (signal: AbortSignal) => Promise<Greeted>): void {
    this.#background('hello', async (signal) => {
      let greeted
      try {
        greeted = await greeting(signal)
      } catch (error) {
        this.#reject(entry, rejectionOf(error), error)
        return
      }
      this.#admit(entry, greeted)
      const reason = await this.#ending(entry, greeted.link)
      const { logger } = this.#context
      logger.debug('connection ends', { peer: shortId(entry.peer), address: entry.address, reason })
      await this.#closeConnection(entry)
    })
  }

  /** Keeps up the hello. @returns Why it has ended. */
  async #ending(entry: ConnectionEntry, link: Link): Promise<CloseReason> {
    try {
      return await this.#hello.keepUp(entry, link, (ms) => this.#onRoundTrip(entry, ms))
    } catch (error) {
      if (!isMosaikError(error, 'LINK_CLOSED') && !isMosaikError(error, 'TIMEOUT')) throw error
      return await link.closed
    }
  }

  /** Of two connections to a peer only the one that is used says how far away the peer is. */
  #onRoundTrip(entry: ConnectionEntry, ms: number): void {
    const { metrics, rtt } = this.#context
    metrics.roundTrip.observe(ms / 1000)
    if (this.best(entry.peer) === entry) rtt.note(entry.peer, ms, entry.id)
  }

  #admit(entry: ConnectionEntry, { link, said }: Greeted): void {
    entry.patience?.cancel()
    entry.control = link
    entry.instance = said.instance
    entry.observed = said.observed
    // Too late when it was turned away meanwhile, or is gone.
    if (entry.isRejected || !this.#admission.admit(entry.id)) return
    this.#peers.set(this.#admission.peers)
    entry.onAdmitted()
    for (const fn of this.#onAdmitted) fn(entry)
    if (this.#admittedOf(entry.peer).length > 1) this.#surplus.closeLater(entry.peer)
  }

  #reject(entry: ConnectionEntry, reason: HandshakeRejection, cause: unknown): void {
    // Whoever rejects first counts: a connection that is closed makes the exchange on it fail too.
    if (this.isAdmitted(entry) || entry.isRejected) return
    entry.isRejected = true
    entry.patience?.cancel()
    if (!entry.isProbe) this.#context.metrics.handshakeRejected(reason)
    this.#context.logger.debug('connection is not admitted', {
      peer: shortId(entry.peer),
      address: entry.address,
      reason,
      cause: messageOf(cause),
    })
    entry.onRejected(cause)
    this.#background('refuse', async () => {
      // Closing a connection drops what is still on its way, such as the reason for closing it.
      if (reason !== 'timeout' && reason !== 'streams' && entry.direction === 'inbound') {
        using patience = this.#context.clock.deadline(REFUSED_WAIT_MS, this.#scope.signal)
        await raceSignal(entry.gone, patience.signal).catch(() => {})
      }
      await this.#closeConnection(entry)
    })
  }

  #evict(id: string): void {
    const entry = this.#entries.get(id)
    invariant(entry !== undefined, 'admission knows only connections that are there')
    const reason = closeReason(CloseReasons.GracefulShutdown, 'too many connections of one peer')
    this.#background('evict', () => this.#end(entry, reason))
  }

  /** Tells the other side why, if there is a link to say it on, and closes the connection. */
  async #end(entry: ConnectionEntry, reason: CloseReason): Promise<void> {
    entry.isEnded = true
    await entry.control?.close(reason, { timeoutMs: this.#context.limits.closeTimeoutMs })
    await this.#closeConnection(entry)
  }

  async #closeConnection({ libp2p }: ConnectionEntry): Promise<void> {
    using deadline = this.#context.clock.deadline(this.#context.limits.closeTimeoutMs)
    try {
      await libp2p.close({ signal: deadline.signal })
    } catch (error) {
      // A stream that does not come to its end in time must not keep the connection.
      libp2p.abort(new Error(messageOf(error)))
    }
    if (libp2p.status !== 'closed') libp2p.abort(new Error('the connection does not close'))
  }

  /** Oldest first. */
  #entriesOf(peer: PeerId): ConnectionEntry[] {
    return this.#admission.connectionsOf(peer).flatMap((id) => this.#entries.get(id) ?? [])
  }

  #admittedOf(peer: PeerId): ConnectionEntry[] {
    return this.#entriesOf(peer).filter((entry) => this.isAdmitted(entry) && entry.libp2p.status === 'open')
  }

  #countByState(): [{ state: string }, number][] {
    const admitted = [...this.#entries.keys()].filter((id) => this.#admission.isAdmitted(id)).length
    return [
      [{ state: 'admitted' }, admitted],
      [{ state: 'unadmitted' }, this.#entries.size - admitted],
    ]
  }

  /** Nothing that goes wrong with one connection is a failure of the host. */
  #background(name: string, run: (signal: AbortSignal) => Promise<void>): void {
    this.#scope.spawn(name, async (signal) => {
      try {
        await run(signal)
      } catch (error) {
        if (!signal.aborted) this.#context.logger.error(`${name} failed`, { cause: messageOf(error) })
      }
    })
  }
}
