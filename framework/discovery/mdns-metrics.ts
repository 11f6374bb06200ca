import type { Counter, MetricDefinition, MetricsRegistry } from '#framework/primitives'

const counters = {
  received: {
    name: 'mosaik_discovery_mdns_received_total',
    help: 'Multicast packets that arrived, by what was made of them.',
    labels: ['kind'],
  },
  sent: {
    name: 'mosaik_discovery_mdns_sent_total',
    help: 'Multicast packets that were sent, on each link.',
    labels: ['kind', 'result'],
  },
  sightings: {
    name: 'mosaik_discovery_mdns_sightings_total',
    help: 'Hosts of this network that said where they are, by what was made of it.',
    labels: ['result'],
  },
  omitted: {
    name: 'mosaik_discovery_mdns_omitted_addresses_total',
    help: 'Addresses of this host that had no room in an announcement.',
  },
} satisfies Record<string, MetricDefinition>

/** What the mDNS source counts: apart from the metrics of discovery, because few nodes have it. */
export type MdnsMetrics = Readonly<Record<keyof typeof counters, Counter>>

export function declareMdnsMetrics(registry: MetricsRegistry): MdnsMetrics {
  return registry.counters(counters)
}
