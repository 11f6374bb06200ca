import type { Connection, Stream } from '@libp2p/interface'
import {
  MosaikError,
  TaskScope,
  Watch,
  invariant,
  isMosaikError,
  messageOf,
  shortId,
  type Clock,
  type Logger,
  type NetworkId,
  type PeerId,
  type ReadonlyWatch,
  type Timer,
} from '#framework/primitives'
import { transportOf, withoutPeer, type TransportKind } from './addresses.js'
import { Admission } from './admission.js'
import { CloseReasons, LinkClosedError, closeReason, type CloseReason } from './close-reason.js'
import { acceptLink, openLink } from './framed-link.js'
import { GOSSIP_PROTOCOL } from './gossip/gossip-protocol.js'
import { HELLO, askForSignsOfLife, giveSignsOfLife } from './hello.js'
import { byteStreamOf } from './libp2p-byte-stream.js'
import { fromLibp2pPeerId } from './libp2p-peer-id.js'
import { raceSignal } from './race-signal.js'
import type { ByteStream } from './byte-stream.js'
import type { NetworkLimits } from './limits.js'
import type { Link } from './link.js'
import type { HandshakeRejection, NetworkMetrics } from './metrics.js'
import type { Transports } from './transports.js'

/** One connection, and what the host knows of it. */
export interface PeerConnection {
  readonly id: string
  readonly peer: PeerId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: TransportKind
  /** Where it leads, without the peer. */
  readonly address: string
  readonly libp2p: Connection
  /** Resolves when both sides have shown the same network; rejects when that failed. */
  readonly admitted: Promise<void>
  /** Resolves when the connection is closed. */
  readonly gone: Promise<void>
  /** The smoothed round trip in milliseconds, once measured. */
  readonly rttMs: number | undefined
}

export interface ConnectionsOptions {
  readonly transports: Transports
  readonly self: PeerId
  readonly network: NetworkId
  readonly limits: NetworkLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: NetworkMetrics
}

/** After a refusal the other side, which was told why, gets this long to close the connection itself. */
const REFUSED_WAIT_MS = 500
/** Of each new round trip, as in RFC 6298 §2.3. */
const RTT_GAIN = 1 / 8
/** Two connections opened within this time are taken for two peers dialling each other. */
const SIMULTANEOUS_MS = 5_000

interface Entry extends PeerConnection {
  rttMs: number | undefined
  readonly openedAt: number
  readonly onAdmitted: () => void
  readonly onRejected: (cause: unknown) => void
  readonly onGone: () => void
  /** Ends the time for the other side's hello. */
  patience: Timer | undefined
  /** The other side has begun its hello. */
  isGreeted: boolean
  isRejected: boolean
  control: Link | undefined
}

/**
 * The connections of a host, and the gate before them: nothing but the hello is exchanged on a connection until both
 * sides have shown the same network.
 */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #admission: Admission
  readonly #entries = new Map<string, Entry>()
  readonly #peers = new Watch<ReadonlySet<PeerId>>(new Set())
  readonly #scope = new TaskScope()
  readonly #onAdmitted = new Set<(connection: PeerConnection) => void>()
  readonly #unregister: (() => void)[] = []
  #isClosing = false

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#admission = new Admission(options.limits)
  }

  /** Admitted peers. */
  get peers(): ReadonlyWatch<ReadonlySet<PeerId>> {
    return this.#peers.asReadonly()
  }

  /** Whether an inbound connection would have no place. */
  get isFull(): boolean {
    return this.#isClosing || this.#admission.isFull
  }

  async start(): Promise<void> {
    const { libp2p } = this.#options.transports
    const onOpen = ({ detail }: CustomEvent<Connection>): void => this.#onOpen(detail)
    const onClose = ({ detail }: CustomEvent<Connection>): void => this.#onClose(detail)
    libp2p.addEventListener('connection:open', onOpen)
    libp2p.addEventListener('connection:close', onClose)
    const { metrics } = this.#options
    this.#unregister.push(
      () => libp2p.removeEventListener('connection:open', onOpen),
      () => libp2p.removeEventListener('connection:close', onClose),
      metrics.peersConnected.collect(() => this.#admission.peers.size),
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

  /**
   * Where an inbound stream comes from. Keeps the stream back until its connection is admitted: what is of the other
   * side's network may arrive before the news that it is. A stream of anybody else is reset, and nothing of it was read.
   */
  async originOf(
    stream: Stream,
    connection: Connection,
    protocol: string,
  ): Promise<PeerConnection | undefined> {
    const origin = this.#entries.get(connection.id)
    try {
      if (origin === undefined) throw new MosaikError('CONNECTION_CLOSED', 'the connection is gone')
      if (!this.isAdmitted(origin)) {
        stream.pause()
        const { clock, limits } = this.#options
        using patience = clock.deadline(limits.admissionTimeoutMs, this.#scope.signal)
        await raceSignal(origin.admitted, patience.signal)
        if (stream.readStatus === 'paused') stream.resume()
      }
      return origin
    } catch (error) {
      this.#options.metrics.linkRefused(protocol, 'unadmitted')
      stream.abort(new Error(messageOf(error)))
      return undefined
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
    return this.#admittedOf(peer).toSorted((a, b) => this.#compare(a, b))[0]
  }

  /** The shortest smoothed round trip over the connections to a peer, in milliseconds. */
  rttMs(peer: PeerId): number | undefined {
    const known = this.#admittedOf(peer).flatMap(({ rttMs }) => rttMs ?? [])
    return known.length === 0 ? undefined : Math.min(...known)
  }

  /** A connection of that peer which may be admitted soon. */
  pending(peer: PeerId): PeerConnection | undefined {
    return this.#entriesOf(peer).find((entry) => !this.isAdmitted(entry))
  }

  /** An open connection that was dialled to this address, whoever is there. */
  dialledTo(addresses: readonly string[]): PeerConnection | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.direction === 'outbound' && addresses.includes(entry.address)) return entry
    }
    return undefined
  }

  /** Ends all connections to a peer, and says why. */
  async disconnect(peer: PeerId, reason: CloseReason): Promise<void> {
    await Promise.all(this.#entriesOf(peer).map((entry) => this.#end(entry, reason)))
  }

  /** Lets nobody in any more, and ends every connection in good order. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all(
      [...this.#entries.values()].map((entry) => this.#end(entry, CloseReasons.GracefulShutdown)),
    )
    await this.#scope.close()
    await this.#options.transports.libp2p.unhandle(HELLO.id)
    for (const unregister of this.#unregister.splice(0)) unregister()
    this.#peers.end()
  }

  #onOpen(connection: Connection): void {
    const { metrics, clock, limits } = this.#options
    let peer
    try {
      peer = fromLibp2pPeerId(connection.remotePeer)
    } catch (error) {
      metrics.handshakeRejected('identity')
      connection.abort(new Error(messageOf(error)))
      return
    }
    const place = this.#admission.enter(connection.id, peer, connection.direction)
    if (place.refused || this.#isClosing) {
      this.#admission.leave(connection.id)
      metrics.handshakeRejected('capacity')
      connection.abort(new MosaikError('CAPACITY', 'there is no place for one more connection'))
      return
    }
    const entry = this.#entryFor(connection, peer)
    this.#entries.set(entry.id, entry)
    if (place.evict !== undefined) this.#evict(place.evict)
    if (entry.direction === 'outbound') {
      this.#background('hello', () => this.#greet(entry))
    } else {
      entry.patience = clock.after(limits.admissionTimeoutMs, () => {
        const text = `no hello within ${limits.admissionTimeoutMs} ms`
        this.#reject(entry, 'timeout', new MosaikError('TIMEOUT', text))
      })
    }
  }

  #onClose(connection: Connection): void {
    const entry = this.#entries.get(connection.id)
    if (entry === undefined) return
    this.#entries.delete(entry.id)
    entry.patience?.cancel()
    if (!this.isAdmitted(entry)) {
      const reason = closeReason(
        CloseReasons.UnexpectedClose,
        'the connection was closed before it was admitted',
      )
      entry.onRejected(new LinkClosedError(reason, 'transport', { peer: entry.peer, protocol: HELLO.id }))
    }
    this.#admission.leave(entry.id)
    this.#peers.set(this.#admission.peers)
    entry.onGone()
    if (this.#admission.connectionsOf(entry.peer).length > 0) return
    // libp2p notes something about everyone it ever spoke to; the host has its own address book, which is bounded.
    this.#background('forget', async () => {
      await this.#options.transports.libp2p.peerStore.delete(connection.remotePeer)
    })
  }

  /** The dialler's part: opens the hello, then asks for signs of life. */
  async #greet(entry: Entry): Promise<void> {
    const { network, clock, metrics } = this.#options
    let link
    try {
      using deadline = clock.deadline(this.#options.limits.admissionTimeoutMs, this.#scope.signal)
      const { signal } = deadline
      const stream = await entry.libp2p.newStream(HELLO.id, { signal, maxOutboundStreams: 1 })
      link = await openLink({ ...this.#linkOptions(entry, stream, 'outbound'), network, signal })
    } catch (error) {
      this.#reject(entry, rejectionOf(error), error)
      return
    }
    this.#admit(entry, link)
    const onRoundTrip = (ms: number): void => {
      entry.rttMs = entry.rttMs === undefined ? ms : entry.rttMs + RTT_GAIN * (ms - entry.rttMs)
      metrics.roundTrip.observe(ms / 1000)
    }
    await this.#keep(entry, link, () =>
      askForSignsOfLife(link, { clock, ...this.#signsOfLife(entry), onRoundTrip }),
    )
  }

  /** The accepting part. */
  #onHello(stream: Stream, connection: Connection): void {
    const entry = this.#entries.get(connection.id)
    if (entry === undefined || entry.direction === 'outbound' || entry.isGreeted) {
      stream.abort(new Error('a connection has one hello, and its dialler opens it'))
      return
    }
    entry.isGreeted = true
    this.#background('hello', () => this.#answer(entry, stream))
  }

  async #answer(entry: Entry, stream: Stream): Promise<void> {
    let link
    try {
      const incoming = await acceptLink({
        ...this.#linkOptions(entry, stream, 'inbound'),
        network: this.#options.network,
        signal: this.#scope.signal,
      })
      link = incoming.link
      await incoming.accept()
    } catch (error) {
      this.#reject(entry, rejectionOf(error), error)
      return
    }
    this.#admit(entry, link)
    const { intervalMs, timeoutMs } = this.#signsOfLife(entry)
    await this.#keep(entry, link, () => giveSignsOfLife(link, intervalMs + timeoutMs))
  }

  #admit(entry: Entry, control: Link): void {
    entry.patience?.cancel()
    entry.control = control
    if (!this.#admission.admit(entry.id)) return
    this.#peers.set(this.#admission.peers)
    entry.onAdmitted()
    for (const fn of this.#onAdmitted) fn(entry)
    if (this.#admittedOf(entry.peer).length > 1)
      this.#background('surplus', () => this.#closeSurplus(entry.peer))
  }

  /** Runs the exchange on the hello link; when that is over, so is the connection. */
  async #keep(entry: Entry, link: Link, exchange: () => Promise<never>): Promise<void> {
    let reason
    try {
      await exchange()
    } catch (error) {
      if (!isMosaikError(error, 'LINK_CLOSED') && !isMosaikError(error, 'TIMEOUT')) throw error
      reason = await link.closed
    }
    const { logger } = this.#options
    logger.debug('connection ends', { peer: shortId(entry.peer), address: entry.address, reason })
    await this.#closeConnection(entry)
  }

  #reject(entry: Entry, reason: HandshakeRejection, cause: unknown): void {
    // Whoever rejects first counts: a connection that is closed makes the exchange on it fail too.
    if (this.isAdmitted(entry) || entry.isRejected) return
    entry.isRejected = true
    entry.patience?.cancel()
    this.#options.metrics.handshakeRejected(reason)
    this.#options.logger.debug('connection is not admitted', {
      peer: shortId(entry.peer),
      address: entry.address,
      reason,
      cause: messageOf(cause),
    })
    entry.onRejected(cause)
    this.#background('refuse', async () => {
      // Closing a connection drops what is still on its way, such as the reason for closing it.
      if (reason !== 'timeout' && entry.direction === 'inbound') {
        using patience = this.#options.clock.deadline(REFUSED_WAIT_MS, this.#scope.signal)
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

  /** Two peers that dialled each other at the same time need only one of the connections. */
  async #closeSurplus(peer: PeerId): Promise<void> {
    const { clock, limits } = this.#options
    await clock.sleep(limits.surplusGraceMs, { signal: this.#scope.signal })
    const best = this.best(peer)
    const surplus = this.#admittedOf(peer).filter(
      // The dialler of a connection closes it, so that not both sides do, and keeps it while anybody uses it.
      (entry) => entry !== best && entry.direction === 'outbound' && isUnused(entry.libp2p),
    )
    const reason = closeReason(CloseReasons.Success, 'another connection between the two is in use')
    await Promise.all(surplus.map((entry) => this.#end(entry, reason)))
  }

  /** Tells the other side why, if there is a link to say it on, and closes the connection. */
  async #end(entry: Entry, reason: CloseReason): Promise<void> {
    await entry.control?.close(reason, { timeoutMs: this.#options.limits.closeTimeoutMs })
    await this.#closeConnection(entry)
  }

  async #closeConnection({ libp2p }: Entry): Promise<void> {
    using deadline = this.#options.clock.deadline(this.#options.limits.closeTimeoutMs)
    try {
      await libp2p.close({ signal: deadline.signal })
    } catch (error) {
      // A stream that does not come to its end in time must not keep the connection.
      libp2p.abort(new Error(messageOf(error)))
    }
    if (libp2p.status !== 'closed') libp2p.abort(new Error('the connection does not close'))
  }

  #entryFor(connection: Connection, peer: PeerId): Entry {
    const admitted = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    // Not everybody who opens a connection waits for its admission.
    admitted.promise.catch(() => {})
    return {
      id: connection.id,
      peer,
      direction: connection.direction,
      transport: transportOf(connection.remoteAddr) ?? 'tcp',
      address: withoutPeer(connection.remoteAddr),
      libp2p: connection,
      openedAt: this.#options.clock.monotonic(),
      admitted: admitted.promise,
      onAdmitted: admitted.resolve,
      onRejected: admitted.reject,
      gone: gone.promise,
      onGone: gone.resolve,
      rttMs: undefined,
      patience: undefined,
      isGreeted: false,
      isRejected: false,
      control: undefined,
    }
  }

  #linkOptions(entry: Entry, stream: Stream, direction: 'inbound' | 'outbound') {
    const { clock, metrics, limits } = this.#options
    return {
      stream: linkStream(entry, stream),
      peer: entry.peer,
      protocol: HELLO,
      clock,
      limits: { openingTimeoutMs: limits.admissionTimeoutMs, closeTimeoutMs: limits.closeTimeoutMs },
      observer: metrics.linkObserver(HELLO.id, direction),
    }
  }

  #signsOfLife({ transport }: Entry) {
    return transport === 'quic' ? this.#options.limits.signsOfLifeQuic : this.#options.limits.signsOfLife
  }

  /** Oldest first. */
  #entriesOf(peer: PeerId): Entry[] {
    return this.#admission.connectionsOf(peer).flatMap((id) => this.#entries.get(id) ?? [])
  }

  #admittedOf(peer: PeerId): Entry[] {
    return this.#entriesOf(peer).filter((entry) => this.isAdmitted(entry) && entry.libp2p.status === 'open')
  }

  /** Negative when `a` is the better one. */
  #compare(a: Entry, b: Entry): number {
    const quicFirst = Number(b.transport === 'quic') - Number(a.transport === 'quic')
    if (quicFirst !== 0) return quicFirst
    // A peer that comes back has an old connection that nobody has missed yet: the newer one is the live one.
    if (Math.abs(a.openedAt - b.openedAt) > SIMULTANEOUS_MS) return b.openedAt - a.openedAt
    return (
      Number(this.#isDialledByGreater(a)) - Number(this.#isDialledByGreater(b)) || a.openedAt - b.openedAt
    )
  }

  #isDialledByGreater({ peer, direction }: Entry): boolean {
    return this.#options.self > peer === (direction === 'outbound')
  }

  #countByState(): [{ state: string }, number][] {
    const admitted = [...this.#entries.keys()].filter((id) => this.#admission.isAdmitted(id)).length
    return [
      [{ state: 'admitted' }, admitted],
      [{ state: 'unadmitted' }, this.#entries.size - admitted],
    ]
  }

  /** Nothing that goes wrong with one connection is a failure of the host. */
  #background(name: string, run: () => Promise<void>): void {
    this.#scope.spawn(name, async (signal) => {
      try {
        await run()
      } catch (error) {
        if (!signal.aborted) this.#options.logger.error(`${name} failed`, { cause: messageOf(error) })
      }
    })
  }
}

/** A libp2p stream of that connection, for a link. */
export function linkStream(connection: PeerConnection, stream: Stream): ByteStream {
  // The QUIC binding has copied the bytes when it reports room; sockets and the memory transport may still hold them.
  return byteStreamOf(stream, connection.transport === 'quic')
}

/** Whether a connection carries nothing but what every connection does. Gossip moves to another one by itself. */
function isUnused(connection: Connection): boolean {
  return connection.streams.every(({ protocol }) => protocol === HELLO.id || protocol === GOSSIP_PROTOCOL)
}

function rejectionOf(error: unknown): HandshakeRejection {
  if (isMosaikError(error, 'TIMEOUT')) return 'timeout'
  if (!(error instanceof LinkClosedError)) return 'lost'
  switch (error.reason.code) {
    case CloseReasons.DifferentNetwork.code:
      return 'network'
    case CloseReasons.Timeout.code:
      return 'timeout'
    case CloseReasons.UnexpectedClose.code:
    case CloseReasons.GracefulShutdown.code:
      return 'lost'
    default:
      return 'protocol'
  }
}
