import type { Connection, PeerId as Libp2pPeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import { Backoff, nextTurn, type Clock, type PeerId, type Random } from '#framework/primitives'
import { toLibp2pPeerId } from '../libp2p-keys.js'
import { GOSSIP_PROTOCOL, GOSSIP_STREAMS_MAX } from './gossip-protocol.js'
import type { Connections } from '../connections.js'
import type { PeerConnection } from '../peer-connection.js'
import type { GossipLimits } from '../limits.js'
import type { NetworkMetrics } from '../metrics.js'
import type { GossipsubInternals } from './gossipsub-internals.js'

/** Streams that lived this long are renewed at once: most likely their connection was closed, and there is another. */
const STABLE_MS = 1_000
/** gossipsub takes over a stream within one turn of the event loop; this is plenty. */
const TAKE_OVER_TURNS = 5

type LossCause = 'overflow' | 'failed' | 'closed' | 'finished'

export interface GossipPeerOptions {
  readonly peer: PeerId
  readonly connections: Connections
  readonly internals: GossipsubInternals
  /** gossipsub's own callbacks. */
  readonly handler: StreamHandler
  readonly topology: Topology
  readonly limits: GossipLimits
  readonly clock: Clock
  readonly random: Random
  readonly metrics: NetworkMetrics
  /** This peer may have become, or ceased to be, a neighbour. */
  readonly onChange: () => void
}

/**
 * The pair of streams between us and one admitted peer: ours to it, which we open, and its to us.
 *
 * Left alone, gossipsub forms the two independently, one peer after the other, and never renews one. Then a message
 * that is forwarded while only one direction stands is lost; one peer that does not answer holds up all others; and a
 * stream that broke stays broken for as long as the peer is connected. So we open our stream ourselves, hand it to
 * gossipsub when it is ready, keep the peer's stream back until then, and when one of the two is lost, renew both.
 */
export class GossipPeer {
  readonly peer: PeerId
  /** As gossipsub names it. */
  readonly name: string
  readonly #options: GossipPeerOptions
  readonly #libp2pPeer: Libp2pPeerId
  #isReady = false
  /** Ends the current pair of streams. */
  #lose: ((cause: LossCause) => void) | undefined
  /** The peer's stream that gossipsub has. */
  #inbound: Stream | undefined
  /** The peer's stream that is kept back, with the connection it came over. */
  #waiting: { readonly stream: Stream; readonly connection: PeerConnection } | undefined

  constructor(options: GossipPeerOptions) {
    this.#options = options
    this.peer = options.peer
    this.#libp2pPeer = toLibp2pPeerId(options.peer)
    this.name = this.#libp2pPeer.toString()
  }

  /** Whether messages can be sent to it. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Keeps the pair of streams up until the signal aborts. The streams of that moment are left to gossipsub. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, connections, metrics } = this.#options
    const backoff = new Backoff({ initialMs: 100, maxMs: 10_000 }, random)
    while (!signal.aborted) {
      const connection = connections.best(this.peer)
      if (connection === undefined) return
      const since = clock.monotonic()
      const cause = await this.#serve(connection, signal)
      if (signal.aborted) return
      metrics.gossipStreamLost(cause)
      const wasStable = clock.monotonic() - since > STABLE_MS
      if (wasStable) backoff.reset()
      // Whoever finishes our stream may be going, and its connection with it: that is worth waiting for.
      if (!wasStable || cause === 'finished') await clock.sleep(backoff.next(), { signal })
    }
  }

  /** The peer has opened its stream to us. */
  receive(stream: Stream, connection: PeerConnection): void {
    stream.addEventListener('close', () => this.#onInboundClosed(stream), { once: true })
    stream.addEventListener('remoteCloseWrite', () => {
      // Nothing is written in this direction; without this the stream would stay half open.
      stream.close().catch((error: unknown) => stream.abort(error as Error))
    })
    this.#waiting?.stream.abort(new Error('the peer has opened another gossip stream'))
    this.#waiting = { stream, connection }
    if (stream.readStatus === 'readable') stream.pause()
    if (!this.#isReady) return
    // gossipsub would forget the peer when the old stream breaks later, so it has to go through that first.
    if (this.#inbound !== undefined && this.#inbound.remoteWriteStatus !== 'closed') this.#lose?.('failed')
    else this.#handOver()
  }

  /**
   * Notices when gossipsub has let the peer go, which it does without a word when the peer's stream breaks or brings
   * something malformed. To be called now and then.
   */
  check(): void {
    if (this.#isReady && !this.#options.internals.streamsOutbound.has(this.name)) this.#lose?.('failed')
  }

  /** The peer is gone: gossipsub forgets it, and nothing of it is kept. */
  dispose(): void {
    this.#isReady = false
    void this.#options.topology.onDisconnect?.(this.#libp2pPeer)
    this.#waiting?.stream.abort(new Error('the peer is gone'))
    this.#waiting = undefined
  }

  /** One pair of streams, until one of them is lost. */
  async #serve(connection: PeerConnection, signal: AbortSignal): Promise<LossCause> {
    const { topology, onChange } = this.#options
    let outbound
    try {
      outbound = await this.#openOutbound(connection, signal)
    } catch {
      return 'failed'
    }
    if (this.#inbound !== undefined) {
      // The peer said what it subscribes to at the beginning of this stream. It says so again on a new one only.
      this.#inbound.abort(new Error('gossip with the peer starts anew'))
      await nextTurn()
    }
    const lost = Promise.withResolvers<LossCause>()
    this.#lose = lost.resolve
    outbound.addEventListener('close', ({ error }) => {
      lost.resolve(error?.name === 'StreamBufferError' ? 'overflow' : 'closed')
    })
    // Nothing ever comes in on this stream; its end says that the other side has no more use for it. QUIC would show
    // that only to the next write.
    outbound.addEventListener('remoteCloseWrite', () => lost.resolve('finished'))
    const onAbort = (): void => lost.resolve('closed')
    signal.addEventListener('abort', onAbort, { once: true })
    await topology.onConnect?.(
      this.#libp2pPeer,
      viewOf(connection, () => Promise.resolve(outbound)),
    )
    this.#isReady = await this.#isTakenOver()
    if (this.#isReady) {
      this.#handOver()
      onChange()
    } else {
      lost.resolve('failed')
    }
    const cause = await lost.promise
    signal.removeEventListener('abort', onAbort)
    this.#isReady = false
    this.#lose = undefined
    if (!signal.aborted) await this.#tearDown(outbound, cause)
    onChange()
    return cause
  }

  async #openOutbound(connection: PeerConnection, stop: AbortSignal): Promise<Stream> {
    const { clock, limits, metrics } = this.#options
    using deadline = clock.deadline(limits.streamTimeoutMs, stop)
    const stream = await connection.libp2p.newStream(GOSSIP_PROTOCOL, {
      signal: deadline.signal,
      maxOutboundStreams: GOSSIP_STREAMS_MAX,
    })
    // gossipsub writes to its streams behind our back, so what it writes is counted where it leaves.
    const send = stream.send.bind(stream)
    stream.send = (data) => {
      metrics.gossipBytes.sent.add(data.byteLength)
      return send(data)
    }
    return stream
  }

  async #isTakenOver(): Promise<boolean> {
    const { internals } = this.#options
    for (let turn = 0; turn < TAKE_OVER_TURNS; turn++) {
      await nextTurn()
      if (internals.streamsOutbound.has(this.name)) return true
    }
    return false
  }

  /** Makes gossipsub forget the peer, and the peer renew its stream too: what either side knew may be out of step. */
  async #tearDown(outbound: Stream, cause: LossCause): Promise<void> {
    await this.#options.topology.onDisconnect?.(this.#libp2pPeer)
    const reason = new Error('gossip with the peer starts anew')
    outbound.abort(reason)
    // Whoever finishes our stream is going, and what it said last is still on its way.
    if (cause !== 'finished') this.#inbound?.abort(reason)
    // gossipsub forgets the peer once more when it sees its stream broken. That has to be over before it is added again.
    await nextTurn()
  }

  #handOver(): void {
    if (this.#waiting === undefined) return
    const { stream, connection } = this.#waiting
    this.#waiting = undefined
    if (stream.status !== 'open') return
    this.#inbound = stream
    const noStream = (): Promise<never> => Promise.reject(new Error('the host opens the gossip streams'))
    void this.#options.handler(stream, viewOf(connection, noStream))
    // After gossipsub: what arrives waits for the first listener, and would be lost to any later one.
    const { gossipBytes } = this.#options.metrics
    stream.addEventListener('message', ({ data }) => gossipBytes.received.add(data.byteLength))
    if (stream.readStatus === 'paused') stream.resume()
  }

  #onInboundClosed(stream: Stream): void {
    if (this.#waiting?.stream === stream) this.#waiting = undefined
    if (this.#inbound === stream) this.#inbound = undefined
  }
}

/** A connection as gossipsub gets to see it. */
function viewOf({ libp2p }: PeerConnection, newStream: () => Promise<Stream>): Connection {
  const view: Pick<Connection, 'id' | 'direction' | 'remoteAddr' | 'remotePeer' | 'status' | 'newStream'> = {
    id: libp2p.id,
    direction: libp2p.direction,
    remoteAddr: libp2p.remoteAddr,
    remotePeer: libp2p.remotePeer,
    status: libp2p.status,
    newStream,
  }
  return view as Connection
}
