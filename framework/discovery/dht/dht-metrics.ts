import type { Counter, Gauge, MetricDefinition, MetricsRegistry } from '#framework/primitives'

const counters = {
  starts: {
    name: 'mosaik_discovery_dht_client_starts_total',
    help: 'Attempts to start the client of the Mainline DHT.',
    labels: ['result'],
  },
  packets: {
    name: 'mosaik_discovery_dht_packets_total',
    help: 'Packets that came in from the DHT, by what was made of them.',
    labels: ['result'],
  },
  lookups: {
    name: 'mosaik_discovery_dht_lookups_total',
    help: 'Slots that were looked at, by what was found.',
    labels: ['found'],
  },
  checks: {
    name: 'mosaik_discovery_dht_checks_total',
    help: 'Occupants of slots that were connected to.',
    labels: ['result'],
  },
  publications: {
    name: 'mosaik_discovery_dht_publications_total',
    help: 'Times that this node has put its record into a slot.',
    labels: ['result'],
  },
  omitted: {
    name: 'mosaik_discovery_dht_omitted_addresses_total',
    help: 'Addresses of this host that had no room in a record that was published.',
  },
  contested: {
    name: 'mosaik_discovery_dht_contested_polls_total',
    help: 'Polls in which the slots of the network were held against it, so that those of the epoch were used.',
  },
  lost: {
    name: 'mosaik_discovery_dht_lost_candidates_total',
    help: 'Members that were found in the DHT and could not be handed on, because too many waited.',
  },
} satisfies Record<string, MetricDefinition>

const gauges = {
  nodes: { name: 'mosaik_discovery_dht_nodes', help: 'Nodes of the Mainline DHT that are known.' },
  published: {
    name: 'mosaik_discovery_dht_published',
    help: 'Whether a record of this node was stored in the DHT when that was tried last.',
  },
} satisfies Record<string, MetricDefinition>

/** What the DHT source counts: apart from the metrics of discovery, because few nodes have it. */
export type DhtMetrics = Readonly<Record<keyof typeof counters, Counter> & Record<keyof typeof gauges, Gauge>>

export function declareDhtMetrics(registry: MetricsRegistry): DhtMetrics {
  return { ...registry.counters(counters), ...registry.gauges(gauges) }
}
