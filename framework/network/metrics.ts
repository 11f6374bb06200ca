import type {
  Counter,
  CounterHandle,
  Gauge,
  Histogram,
  MetricDefinition,
  MetricsRegistry,
} from '#framework/primitives'
import { CloseReasons, type CloseReason } from './close-reason.js'
import type { LinkObserver } from './link.js'

/** Why a connection was not admitted. */
export type HandshakeRejection =
  /** The other side is of another network. */
  | 'network'
  /** It knew which network to ask for, and could not prove that it belongs there. */
  | 'proof'
  /** It did not show its network in time. */
  | 'timeout'
  /** It showed something that is not ours. */
  | 'protocol'
  /** It went before it was admitted. */
  | 'lost'
  /** There was no place for it. */
  | 'capacity'
  /** There was none for one more from its block of addresses. */
  | 'block'
  /** It opened more streams than it needs to show its network. */
  | 'streams'
  /** Its key is of a kind that no peer of ours has. */
  | 'identity'

/** Every metric of a host. */
export const networkMetrics = {
  connections: {
    name: 'mosaik_connections',
    help: 'Open connections, admitted ones and those that have not shown their network yet.',
    labels: ['state'],
  },
  connectionsPruned: {
    name: 'mosaik_connections_pruned_total',
    help: 'Peers that were let go because there were more connections than needed.',
  },
  peersConnected: {
    name: 'mosaik_peers_connected',
    help: 'Peers of this network with at least one admitted connection.',
  },
  handshakesRejected: {
    name: 'mosaik_handshakes_rejected_total',
    help: 'Connections that were not admitted, by reason.',
    labels: ['reason'],
  },
  dials: {
    name: 'mosaik_dials_total',
    help: 'Attempts to reach one address, by transport and result.',
    labels: ['transport', 'result'],
  },
  linksOpened: {
    name: 'mosaik_links_opened_total',
    help: 'Links that both sides have consented to.',
    labels: ['protocol', 'direction'],
  },
  linksClosed: {
    name: 'mosaik_links_closed_total',
    help: 'Links that ended, also before they were open, by the name of the close reason.',
    labels: ['protocol', 'reason'],
  },
  linksRefused: {
    name: 'mosaik_links_refused_total',
    help: 'Streams and links that were turned away before their protocol saw them, by reason.',
    labels: ['protocol', 'reason'],
  },
  linksOpen: {
    name: 'mosaik_links_open',
    help: 'Links that are open or being opened.',
    labels: ['protocol'],
  },
  linkBytes: {
    name: 'mosaik_link_bytes_total',
    help: 'Bytes of links given to and received from the transport, framing included.',
    labels: ['protocol', 'direction'],
  },
  linkHandlerFailures: {
    name: 'mosaik_link_handler_failures_total',
    help: 'Handlers of inbound links that threw.',
    labels: ['protocol'],
  },
  roundTrip: {
    name: 'mosaik_peer_rtt_seconds',
    help: 'Round trips to peers, as measured over their connections.',
  },
  roundTripsKnown: {
    name: 'mosaik_peer_rtt_estimates',
    help: 'Peers whose round trip is known, because it was measured in the last minutes.',
  },
  gossipPublished: {
    name: 'mosaik_gossip_published_total',
    help: 'Messages that this node published, by whether anybody was there to send them to.',
    labels: ['result'],
  },
  gossipReceived: {
    name: 'mosaik_gossip_received_total',
    help: 'Messages of others by what the validator of their topic made of them; each message counts once.',
    labels: ['result'],
  },
  gossipBytes: {
    name: 'mosaik_gossip_bytes_total',
    help: 'Bytes of gossip given to and received from the transport: messages, offers of messages, and what neighbours agree on.',
    labels: ['direction'],
  },
  gossipStreamsLost: {
    name: 'mosaik_gossip_streams_lost_total',
    help: 'Gossip streams that ended or could not be opened while their peer was connected, by cause.',
    labels: ['cause'],
  },
  gossipCaughtUp: {
    name: 'mosaik_gossip_catch_ups_total',
    help: 'Times that a new neighbour was offered the latest messages.',
  },
  gossipTopics: {
    name: 'mosaik_gossip_topics_known',
    help: 'Topics that this node or any of its peers has subscribed to.',
  },
  gossipDistrusted: {
    name: 'mosaik_gossip_distrusted_peers',
    help: 'Peers that have misbehaved in gossip, by what they have lost: offers, our own messages, or everything.',
    labels: ['loses'],
  },
  gossipNeighbours: {
    name: 'mosaik_gossip_neighbours',
    help: 'Peers that messages are exchanged with directly, over all topics.',
  },
} as const satisfies Record<string, MetricDefinition>

/** The metrics of one host, declared. */
export class NetworkMetrics {
  readonly connections: Gauge
  readonly peersConnected: Gauge
  readonly connectionsPruned: Counter
  readonly linksOpen: Gauge
  readonly gossipNeighbours: Gauge
  readonly gossipTopics: Gauge
  readonly gossipDistrusted: Gauge
  readonly roundTrip: Histogram
  readonly roundTripsKnown: Gauge
  readonly gossipCaughtUp: Counter
  readonly gossipBytes: { readonly sent: CounterHandle; readonly received: CounterHandle }
  readonly #handshakesRejected: Counter
  readonly #dials: Counter
  readonly #linksOpened: Counter
  readonly #linksClosed: Counter
  readonly #linksRefused: Counter
  readonly #linkBytes: Counter
  readonly #linkHandlerFailures: Counter
  readonly #gossipPublished: Counter
  readonly #gossipReceived: Counter
  readonly #gossipStreamsLost: Counter
  readonly #linkObservers = new Map<string, LinkObserver>()
  readonly #byteCounters = new Map<
    string,
    { readonly sent: CounterHandle; readonly received: CounterHandle }
  >()

  constructor(registry: MetricsRegistry) {
    this.connections = registry.gauge(networkMetrics.connections)
    this.peersConnected = registry.gauge(networkMetrics.peersConnected)
    this.connectionsPruned = registry.counter(networkMetrics.connectionsPruned)
    this.linksOpen = registry.gauge(networkMetrics.linksOpen)
    this.gossipNeighbours = registry.gauge(networkMetrics.gossipNeighbours)
    this.gossipTopics = registry.gauge(networkMetrics.gossipTopics)
    this.gossipDistrusted = registry.gauge(networkMetrics.gossipDistrusted)
    this.roundTrip = registry.histogram(networkMetrics.roundTrip)
    this.roundTripsKnown = registry.gauge(networkMetrics.roundTripsKnown)
    this.gossipCaughtUp = registry.counter(networkMetrics.gossipCaughtUp)
    const gossipBytes = registry.counter(networkMetrics.gossipBytes)
    this.gossipBytes = {
      sent: gossipBytes.with({ direction: 'outbound' }),
      received: gossipBytes.with({ direction: 'inbound' }),
    }
    this.#handshakesRejected = registry.counter(networkMetrics.handshakesRejected)
    this.#dials = registry.counter(networkMetrics.dials)
    this.#linksOpened = registry.counter(networkMetrics.linksOpened)
    this.#linksClosed = registry.counter(networkMetrics.linksClosed)
    this.#linksRefused = registry.counter(networkMetrics.linksRefused)
    this.#linkBytes = registry.counter(networkMetrics.linkBytes)
    this.#linkHandlerFailures = registry.counter(networkMetrics.linkHandlerFailures)
    this.#gossipPublished = registry.counter(networkMetrics.gossipPublished)
    this.#gossipReceived = registry.counter(networkMetrics.gossipReceived)
    this.#gossipStreamsLost = registry.counter(networkMetrics.gossipStreamsLost)
  }

  handshakeRejected(reason: HandshakeRejection): void {
    this.#handshakesRejected.add(1, { reason })
  }

  dialled(transport: string, result: 'ok' | 'failed'): void {
    this.#dials.add(1, { transport, result })
  }

  linkRefused(protocol: string, reason: 'unadmitted' | 'limit' | 'opening' | 'rate'): void {
    this.#linksRefused.add(1, { protocol, reason })
  }

  linkHandlerFailed(protocol: string): void {
    this.#linkHandlerFailures.add(1, { protocol })
  }

  gossipPublished(result: 'sent' | 'nobody'): void {
    this.#gossipPublished.add(1, { result })
  }

  gossipReceived(result: 'accepted' | 'ignored' | 'rejected' | 'too_large'): void {
    this.#gossipReceived.add(1, { result })
  }

  gossipStreamLost(cause: 'overflow' | 'failed' | 'closed' | 'finished'): void {
    this.#gossipStreamsLost.add(1, { cause })
  }

  /** Counts what links do; all of a protocol and direction have the same one, and there are as many as protocols. */
  linkObserver(protocol: string, direction: 'inbound' | 'outbound'): LinkObserver {
    const key = `${direction} ${protocol}`
    let observer = this.#linkObservers.get(key)
    if (observer === undefined) {
      observer = this.#newLinkObserver(protocol, direction)
      this.#linkObservers.set(key, observer)
    }
    return observer
  }

  #newLinkObserver(protocol: string, direction: 'inbound' | 'outbound'): LinkObserver {
    const bytes = this.#bytesOf(protocol)
    return {
      onOpened: () => this.#linksOpened.add(1, { protocol, direction }),
      onBytesSent: (count) => bytes.sent.add(count),
      onBytesReceived: (count) => bytes.received.add(count),
      onClosed: (reason) => this.#linksClosed.add(1, { protocol, reason: reasonLabel(reason) }),
    }
  }

  /** Both series stay for the life of the host: there are as many as protocols. */
  #bytesOf(protocol: string) {
    let counters = this.#byteCounters.get(protocol)
    if (counters === undefined) {
      counters = {
        sent: this.#linkBytes.with({ protocol, direction: 'outbound' }),
        received: this.#linkBytes.with({ protocol, direction: 'inbound' }),
      }
      this.#byteCounters.set(protocol, counters)
    }
    return counters
  }
}

const REASON_NAMES = new Map(Object.values(CloseReasons).map(({ code, name }) => [code, name]))

/** Only our own names become labels: a peer may send any. */
function reasonLabel({ code }: CloseReason): string {
  return REASON_NAMES.get(code) ?? 'other'
}
