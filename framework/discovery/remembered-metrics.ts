import type { Counter, Gauge, MetricsRegistry } from '#framework/primitives'

/** Every metric of remembered peers. */
export interface RememberedMetrics {
  readonly peers: Gauge
  readonly files: Counter
}

export function declareRememberedMetrics(registry: MetricsRegistry): RememberedMetrics {
  return {
    peers: registry.gauge({
      name: 'mosaik_discovery_remembered_peers',
      help: 'Peers that are remembered for the next life of this node.',
    }),
    files: registry.counter({
      name: 'mosaik_discovery_remembered_files_total',
      help: 'Files of remembered peers that were read or written, by result.',
      labels: ['operation', 'result'],
    }),
  }
}
