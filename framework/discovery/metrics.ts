import type { Counter, Gauge, Histogram, MetricDefinition, MetricsRegistry } from '#framework/primitives'

const counters = {
  discovered: {
    name: 'mosaik_discovery_peers_discovered_total',
    help: 'Peers that became known.',
    labels: ['via'],
  },
  updated: {
    name: 'mosaik_discovery_peer_updates_total',
    help: 'Changes of what a known peer says of itself; signs of life are not counted.',
    labels: ['via'],
  },
  departed: {
    name: 'mosaik_discovery_peers_departed_total',
    help: 'Peers that left: said goodbye, fell silent, were lost, or were removed by hand.',
    labels: ['cause'],
  },
  rejected: {
    name: 'mosaik_discovery_entries_rejected_total',
    help: 'Records that were not taken in, by reason.',
    labels: ['reason'],
  },
  announcements: {
    name: 'mosaik_discovery_announcements_total',
    help: 'Records of this node that were published: changes and signs of life, and departures.',
    labels: ['kind'],
  },
  syncs: {
    name: 'mosaik_discovery_syncs_total',
    help: 'Catalog syncs that came to an end.',
    labels: ['direction', 'result'],
  },
  fetches: {
    name: 'mosaik_discovery_fetches_total',
    help: 'Requests for the content of an entry that was announced without, by who asks whom and how it ended.',
    labels: ['direction', 'result'],
  },
  dials: {
    name: 'mosaik_discovery_dials_total',
    help: 'Attempts to connect to candidates and to peers of the catalog.',
    labels: ['result'],
  },
  redials: {
    name: 'mosaik_discovery_redials_total',
    help: 'Attempts to reach a peer again whose connection broke.',
    labels: ['result'],
  },
  candidatesDropped: {
    name: 'mosaik_discovery_candidates_dropped_total',
    help: 'Bootstrap candidates that were not taken in: their source has too many, or they cannot be dialled.',
    labels: ['source', 'reason'],
  },
  rttProbes: {
    name: 'mosaik_discovery_rtt_probes_total',
    help: 'Round trips to peers that were measured because somebody asked about them, by result.',
    labels: ['result'],
  },
  rankingChanges: {
    name: 'mosaik_discovery_ranking_changes_total',
    help: 'Times that a ranking chose other peers than before.',
  },
  missedEvents: {
    name: 'mosaik_discovery_events_missed_total',
    help: 'Events that were lost because a subscriber was too slow.',
  },
  duplicateIdentities: {
    name: 'mosaik_discovery_duplicate_identities_total',
    help: 'Times that another process was seen using the identity of this node.',
  },
} satisfies Record<string, MetricDefinition>

const gauges = {
  candidates: {
    name: 'mosaik_discovery_candidates',
    help: 'Bootstrap candidates that are known, by source.',
    labels: ['source'],
  },
  peers: { name: 'mosaik_discovery_peers', help: 'Other peers in the catalog.' },
  rankings: { name: 'mosaik_discovery_rankings', help: 'Rankings that follow the catalog.' },
  neighbors: {
    name: 'mosaik_discovery_gossip_neighbors',
    help: 'Connected peers that take part in gossip.',
  },
} satisfies Record<string, MetricDefinition>

const histograms = {
  syncDuration: {
    name: 'mosaik_discovery_sync_duration_seconds',
    help: 'How long a catalog sync took.',
    labels: ['direction'],
  },
} satisfies Record<string, MetricDefinition>

/** Every metric of discovery, declared here and nowhere else. */
export type DiscoveryMetrics = Readonly<
  Record<keyof typeof counters, Counter> &
    Record<keyof typeof gauges, Gauge> &
    Record<keyof typeof histograms, Histogram>
>

export function declareMetrics(registry: MetricsRegistry): DiscoveryMetrics {
  return {
    ...registry.counters(counters),
    ...registry.gauges(gauges),
    ...registry.histograms(histograms),
  }
}
