import type { Counter, Gauge, MetricDefinition, MetricsRegistry } from '#framework/primitives'

/** Every metric of relays, of finding out where a node can be reached, and of making ways through NATs. */
export const reachMetrics = {
  relayReservations: {
    name: 'mosaik_relay_reservations',
    help: 'Peers that can be reached over this node.',
  },
  relayCircuits: {
    name: 'mosaik_relay_circuits',
    help: 'Requests to this relay that are being answered, and the relayed connections they became.',
  },
  relayRefused: {
    name: 'mosaik_relay_refused_total',
    help: 'Requests that this relay turned away, by the limit that was reached.',
    labels: ['limit'],
  },
  relaysHeld: {
    name: 'mosaik_relays_held',
    help: 'Relays over which this node can be reached.',
  },
  reservations: {
    name: 'mosaik_relay_reservation_attempts_total',
    help: 'Times that this node asked a relay for a place, or renewed it, by result.',
    labels: ['result'],
  },
  incoming: {
    name: 'mosaik_relayed_connections_total',
    help: 'Connections that relays announced to this node, by result.',
    labels: ['result'],
  },
  probes: {
    name: 'mosaik_reachability_probes_total',
    help: 'Peers asked to dial this node back, by what they found.',
    labels: ['result'],
  },
  probesServed: {
    name: 'mosaik_reachability_probes_served_total',
    help: 'Requests of peers to be dialled back, by what was found.',
    labels: ['result'],
  },
  punches: {
    name: 'mosaik_hole_punches_total',
    help: 'Attempts to replace a relayed connection by a direct one, by result.',
    labels: ['result'],
  },
} as const satisfies Record<string, MetricDefinition>

export type ProbeResult = 'reached' | 'unreached' | 'refused' | 'failed'
export type PunchResult = 'reversed' | 'punched' | 'failed' | 'refused'

/** The metrics of one host's reach, declared. */
export class ReachMetrics {
  readonly relayReservations: Gauge
  readonly relayCircuits: Gauge
  readonly relaysHeld: Gauge
  readonly #relayRefused: Counter
  readonly #reservations: Counter
  readonly #incoming: Counter
  readonly #probes: Counter
  readonly #probesServed: Counter
  readonly #punches: Counter

  constructor(registry: MetricsRegistry) {
    this.relayReservations = registry.gauge(reachMetrics.relayReservations)
    this.relayCircuits = registry.gauge(reachMetrics.relayCircuits)
    this.relaysHeld = registry.gauge(reachMetrics.relaysHeld)
    this.#relayRefused = registry.counter(reachMetrics.relayRefused)
    this.#reservations = registry.counter(reachMetrics.reservations)
    this.#incoming = registry.counter(reachMetrics.incoming)
    this.#probes = registry.counter(reachMetrics.probes)
    this.#probesServed = registry.counter(reachMetrics.probesServed)
    this.#punches = registry.counter(reachMetrics.punches)
  }

  relayRefused(limit: 'circuits' | 'peer'): void {
    this.#relayRefused.add(1, { limit })
  }

  reserved(result: 'ok' | 'refused' | 'failed'): void {
    this.#reservations.add(1, { result })
  }

  circuitIncoming(result: 'ok' | 'refused' | 'failed'): void {
    this.#incoming.add(1, { result })
  }

  probed(result: ProbeResult): void {
    this.#probes.add(1, { result })
  }

  probeServed(result: ProbeResult): void {
    this.#probesServed.add(1, { result })
  }

  punched(result: PunchResult): void {
    this.#punches.add(1, { result })
  }
}
