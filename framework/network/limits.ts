import { MosaikError, type TokenBucketOptions } from '#framework/primitives'
import type { QuicOptions } from './quic/transport.js'

/** Everything of a host that is bounded, and by how much. Times are in milliseconds. */
export interface NetworkLimits {
  /** Connections at once, admitted or not. One more is refused. Default 1024. */
  readonly connectionsMax: number
  /**
   * Connections of one peer at once; when there are more, the oldest one goes. Two peers that dial each other at the
   * same moment have two, and a peer that restarts has old ones that nobody has missed yet. Default 8.
   */
  readonly connectionsPerPeerMax: number
  /** Peers connected at once, above which {@link Host.prune} lets go of some that are not needed. Default 160. */
  readonly connectionsHigh: number
  /** How many peers it leaves. Default 128. */
  readonly connectionsLow: number
  /** How long it leaves a connection alone after it was made or used. Default 30000. */
  readonly pruneGraceMs: number
  /**
   * Inbound connections that have not yet shown their network: so many whose transport handshake is under way, and so
   * many that have not said hello. One more is refused. Default 256.
   */
  readonly unadmittedMax: number
  /** The same for each block of remote addresses (/24 of IPv4, /64 of IPv6). Default 32 unadmitted, 256 in all. */
  readonly perBlock: BlockLimits
  /** The same for this machine, on which many nodes may live. Default: as many as there may be at all. */
  readonly perLoopback: BlockLimits
  /** Streams that a connection may have while it has not shown its network; the hello needs one. Default 32. */
  readonly unadmittedStreamsMax: number
  /** How long a connection may take to show its network. Default 2000. */
  readonly admissionTimeoutMs: number
  /** After this time a second connection to the same peer, if nothing uses it, is closed. Default 3000. */
  readonly surplusGraceMs: number

  /** What `open` and `connect` may take in all, unless told. Default 5000. */
  readonly openTimeoutMs: number
  /** One attempt to reach a QUIC address. UDP does not say that nobody is there. Default 1500. */
  readonly quicDialTimeoutMs: number
  /** One attempt to reach any other address, handshakes included. Default 3000. */
  readonly dialTimeoutMs: number
  /** Addresses that one dial tries. Default 16. */
  readonly dialAddressesMax: number
  /** Dials at once. One more fails. Default 128. */
  readonly dialsMax: number

  /** Links of one protocol that one peer may have open towards us, where the protocol does not say. Default 64. */
  readonly linksPerPeerMax: number
  /** Streams that one connection may open towards us: a burst of 4096, and 1000 a second. More, and it is closed. */
  readonly inboundStreams: TokenBucketOptions
  /** What each end of closing (a link, a connection, a listener) may take. Default 1000. */
  readonly closeTimeoutMs: number

  /** Peers in the address book; the one that was learnt or used longest ago is forgotten first. Default 4096. */
  readonly bookPeersMax: number
  /** Addresses of one peer in the address book. Default 16. */
  readonly bookAddressesMax: number
  /** How long an address in the address book is good for that nobody has repeated and that has not worked. Default 86400000. */
  readonly bookTtlMs: number

  /** Signs of life over QUIC, which notices lost connections itself: they measure the round trip, and find hung peers. */
  readonly signsOfLifeQuic: SignsOfLife
  /** Signs of life over TCP, which would not notice a lost connection for minutes. */
  readonly signsOfLife: SignsOfLife

  readonly quic: QuicOptions
  readonly gossip: GossipLimits
}

/** Inbound connections from one block of addresses. One more is refused. */
export interface BlockLimits {
  /** Connections that have not yet shown their network, counted as in {@link NetworkLimits.unadmittedMax}. */
  readonly unadmittedMax: number
  /** Connections, admitted or not. */
  readonly connectionsMax: number
}

/** How the two ends of a connection make sure of each other. */
export interface SignsOfLife {
  /** How often the dialler asks. Default 15000 over QUIC, else 3000. */
  readonly intervalMs: number
  /** How long an answer, or the next question, may be overdue. Default 30000 over QUIC, else 7000. */
  readonly timeoutMs: number
}

/** Bounds and proportions of gossip (gossipsub v1.1 spec, "Parameters"), fit for networks from two nodes on. */
export interface GossipLimits {
  /** How often the mesh is looked after and missed messages are offered. Default 1000. */
  readonly heartbeatMs: number
  /** Peers that a node sends each message to: as many as it aims at. Default 5. */
  readonly meshPeers: number
  /** Below this many it looks for more. Default 4. */
  readonly meshPeersMin: number
  /** Above this many it lets some go. Default 8. */
  readonly meshPeersMax: number
  /** How long the same bytes count as the same message. Default 120000. */
  readonly seenMs: number
  /** The longest message that any topic may allow. Default 262144. */
  readonly messageBytesMax: number
  /** What may wait to be sent to one peer; more, and the stream to it starts anew. Default 1048576. */
  readonly queueBytesMax: number
  /** Topics that a peer may subscribe to, roughly. Default 64. */
  readonly topicsPerPeerMax: number
  /** How long opening a gossip stream may take. Default 2000. */
  readonly streamTimeoutMs: number
}

export const defaultLimits: NetworkLimits = Object.freeze({
  connectionsMax: 1_024,
  connectionsPerPeerMax: 8,
  connectionsHigh: 160,
  connectionsLow: 128,
  pruneGraceMs: 30_000,
  unadmittedMax: 256,
  perBlock: Object.freeze({ unadmittedMax: 32, connectionsMax: 256 }),
  perLoopback: Object.freeze({ unadmittedMax: 256, connectionsMax: 1_024 }),
  unadmittedStreamsMax: 32,
  admissionTimeoutMs: 2_000,
  surplusGraceMs: 3_000,
  openTimeoutMs: 5_000,
  quicDialTimeoutMs: 1_500,
  dialTimeoutMs: 3_000,
  dialAddressesMax: 16,
  dialsMax: 128,
  linksPerPeerMax: 64,
  inboundStreams: Object.freeze({ capacity: 4_096, perSecond: 1_000 }),
  closeTimeoutMs: 1_000,
  bookPeersMax: 4_096,
  bookAddressesMax: 16,
  bookTtlMs: 24 * 60 * 60_000,
  signsOfLifeQuic: Object.freeze({ intervalMs: 15_000, timeoutMs: 30_000 }),
  signsOfLife: Object.freeze({ intervalMs: 3_000, timeoutMs: 7_000 }),
  quic: Object.freeze({
    idleTimeoutMs: 2_500,
    keepAliveIntervalMs: 1_000,
    streamsMax: 4_096,
    streamWindowBytes: 2 * 1024 * 1024,
    connectionWindowBytes: 64 * 1024 * 1024,
    socketBufferBytes: 4 * 1024 * 1024,
  }),
  gossip: Object.freeze({
    heartbeatMs: 1_000,
    meshPeers: 5,
    meshPeersMin: 4,
    meshPeersMax: 8,
    seenMs: 120_000,
    messageBytesMax: 256 * 1024,
    queueBytesMax: 1024 * 1024,
    topicsPerPeerMax: 64,
    streamTimeoutMs: 2_000,
  }),
})

/** Limits that make sense as nothing at all. */
const MAY_BE_ZERO = new Set(['connectionsLow', 'pruneGraceMs', 'surplusGraceMs', 'inboundStreams.perSecond'])

/**
 * The defaults with these changes; a group is taken whole.
 *
 * @throws {MosaikError} `LIMIT_INVALID`, naming the first that makes no sense: one that is unknown, no finite number or
 *   not greater than 0, and a lower bound above its upper one.
 */
export function limitsOf(changes: Partial<NetworkLimits>): NetworkLimits {
  const limits: NetworkLimits = { ...defaultLimits, ...changes }
  check(defaultLimits, limits, '')
  const { connectionsLow, connectionsHigh, gossip } = limits
  if (connectionsLow > connectionsHigh)
    throw invalid('connectionsLow', connectionsLow, 'connectionsHigh or less')
  const { meshPeersMin, meshPeers, meshPeersMax } = gossip
  if (meshPeersMin > meshPeers || meshPeers > meshPeersMax) {
    throw invalid('gossip.meshPeers', meshPeers, 'between meshPeersMin and meshPeersMax')
  }
  return limits
}

/** Each of the values against the default in its place. */
function check(defaults: object, values: object, path: string): void {
  const known = new Map<string, unknown>(Object.entries(defaults))
  const given = new Map<string, unknown>(Object.entries(values))
  for (const name of given.keys()) {
    if (!known.has(name)) throw invalid(path + name, given.get(name), 'left out: there is no such limit')
  }
  for (const [name, model] of known) {
    const value = given.get(name)
    const full = path + name
    if (typeof model === 'object' && model !== null) {
      if (typeof value !== 'object' || value === null) throw invalid(full, value, 'a group of limits')
      check(model, value, `${full}.`)
    } else if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw invalid(full, value, 'a finite number')
    } else if (value < 0 || (value === 0 && !MAY_BE_ZERO.has(full))) {
      throw invalid(full, value, 'greater than 0')
    }
  }
}

function invalid(limit: string, value: unknown, must: string): MosaikError {
  return new MosaikError('LIMIT_INVALID', `the limit "${limit}" must be ${must}`, {
    details: { limit, value },
  })
}
