import {
  shortId,
  type Counter,
  type CounterHandle,
  type Labels,
  type MetricDefinition,
  type MetricsRegistry,
  type StreamId,
} from '#framework/primitives'
import type { AdmissionResult } from './eligibility/admission.js'
import type { TicketProblem } from './eligibility/eligibility.js'

/** Every metric of streams. Streams are labelled with their short id. */
export const streamMetrics = {
  info: {
    name: 'mosaik_stream_info',
    help: 'A stream that this node produces or consumes: always 1, to be joined for the name.',
    labels: ['stream', 'name'],
  },
  producers: { name: 'mosaik_stream_producers', help: 'Streams that this node produces.' },
  consumers: {
    name: 'mosaik_stream_consumers',
    help: 'Consumers subscribed to a stream of this node.',
    labels: ['stream'],
  },
  subscriptions: {
    name: 'mosaik_stream_subscriptions_total',
    help: 'Consumers that asked to subscribe, by what came of it.',
    labels: ['stream', 'result'],
  },
  ticketDisconnects: {
    name: 'mosaik_ticket_disconnects_total',
    help: 'Subscriptions that one end (where) has ended because of a ticket of the other: it expired, was revoked (withdrawn) or changed (replaced by one that is not accepted).',
    labels: ['where', 'cause'],
  },
  sentItems: {
    name: 'mosaik_stream_sent_items_total',
    help: 'Datums written to links, once for each consumer.',
    labels: ['stream'],
  },
  sentBytes: {
    name: 'mosaik_stream_sent_bytes_total',
    help: 'Encoded bytes of datums written to links, without framing.',
    labels: ['stream'],
  },
  replayedItems: {
    name: 'mosaik_stream_replayed_items_total',
    help: 'Of the datums written, those that a replay had kept from before the consumer subscribed.',
    labels: ['stream'],
  },
  redeliveredItems: {
    name: 'mosaik_stream_redelivered_items_total',
    help: 'Of the datums written, those that the consumer was sent before and had not acknowledged.',
    labels: ['stream'],
  },
  queueItems: {
    name: 'mosaik_stream_queue_items',
    help: 'Datums that wait for the consumer with the fullest queue.',
    labels: ['stream'],
  },
  droppedItems: {
    name: 'mosaik_stream_dropped_items_total',
    help: 'Datums that one consumer will not get: it was lagging or disconnected; or that nobody gets: there was no consumer (undelivered), or none that wants them (unmatched), or they were refused when they were sent (encode).',
    labels: ['stream', 'cause'],
  },
  filteredItems: {
    name: 'mosaik_stream_filtered_items_total',
    help: 'Datums that were not written to a consumer because they do not meet its criteria, once for each consumer.',
    labels: ['stream'],
  },
  egressWaits: {
    name: 'mosaik_stream_egress_waits_total',
    help: 'How often what waits for a consumer had to wait for what the producer may send in all.',
    labels: ['stream'],
  },
  slowDisconnects: {
    name: 'mosaik_stream_slow_disconnects_total',
    help: 'Consumers closed with TooSlow: too much was waiting (lagging), others waited too long for them (stalled), or the network did not take what was written (blocked).',
    labels: ['stream', 'cause'],
  },
  producersOfConsumer: {
    name: 'mosaik_stream_consumer_producers',
    help: 'Producers that the consumers of this node are subscribed to.',
    labels: ['stream'],
  },
  receivedItems: {
    name: 'mosaik_stream_received_items_total',
    help: 'Datums that arrived.',
    labels: ['stream'],
  },
  receivedBytes: {
    name: 'mosaik_stream_received_bytes_total',
    help: 'Encoded bytes of datums that arrived, without framing.',
    labels: ['stream'],
  },
  lostItems: {
    name: 'mosaik_stream_lost_items_total',
    help: 'Datums that a consumer knows to be missing.',
    labels: ['stream'],
  },
  invalidItems: {
    name: 'mosaik_stream_invalid_items_total',
    help: 'Received datums that could not be decoded or do not satisfy the schema.',
    labels: ['stream'],
  },
} as const satisfies Record<string, MetricDefinition>

const disconnectCauses: Readonly<Record<TicketProblem, string>> = {
  expired: 'expired',
  missing: 'revoked',
  invalid: 'changed',
}

/** Why datums did not reach one consumer. */
export type DropCause = 'lagging' | 'disconnected' | 'undelivered' | 'unmatched' | 'encode'

/** Why a consumer was closed with TooSlow. */
export type SlowCause = 'lagging' | 'stalled' | 'blocked'

/** What a producer counts. The series are gone when it lets go of them. */
export interface ProducerCounters extends Disposable {
  readonly sentItems: CounterHandle
  readonly sentBytes: CounterHandle
  readonly replayedItems: CounterHandle
  readonly redeliveredItems: CounterHandle
  readonly filteredItems: CounterHandle
  readonly egressWaits: CounterHandle
  dropped(cause: DropCause, count: number): void
  /** A consumer was closed with TooSlow. */
  disconnected(cause: SlowCause): void
}

/** What a consumer counts. */
export interface ConsumerCounters extends Disposable {
  readonly receivedItems: CounterHandle
  readonly receivedBytes: CounterHandle
  readonly lostItems: CounterHandle
  readonly invalidItems: CounterHandle
}

/** A gauge that mirrors state: for each stream, its current value. */
export type StreamValues = () => Iterable<readonly [stream: StreamId, value: number]>

/** The metrics of one node's streams in its registry. */
export class StreamMetrics {
  readonly #registry: MetricsRegistry
  readonly #subscriptions: Counter
  /** Of the streams that this node produces now. */
  readonly #asked = new Map<StreamId, Map<AdmissionResult, CounterHandle>>()
  readonly #ticketDisconnects: Counter
  /** What the consumers of a stream have in common, for as long as there is one. */
  readonly #consumers = new Map<StreamId, { readonly counters: ConsumerCounters; holders: number }>()

  constructor(registry: MetricsRegistry) {
    this.#registry = registry
    this.#subscriptions = registry.counter(streamMetrics.subscriptions)
    this.#ticketDisconnects = registry.counter(streamMetrics.ticketDisconnects)
  }

  /**
   * @param stream Undefined for a request that named no stream of this node. It counts as one that names none, as does one that this
   *   node does not produce any more: others must not make up series.
   */
  asked(stream: StreamId | undefined, result: AdmissionResult): void {
    const results = stream === undefined ? undefined : this.#asked.get(stream)
    if (stream === undefined || results === undefined) {
      this.#subscriptions.add(1, { stream: 'none', result })
      return
    }
    const known = results.get(result)
    const handle = known ?? this.#subscriptions.with({ stream: shortId(stream), result })
    if (known === undefined) results.set(result, handle)
    handle.add()
  }

  /** One end of a subscription has ended it because of a ticket of the other. */
  ticketDisconnected(where: 'producer' | 'consumer', problem: TicketProblem): void {
    this.#ticketDisconnects.add(1, { where, cause: disconnectCauses[problem] })
  }

  forProducer(stream: StreamId): ProducerCounters {
    const labels = { stream: shortId(stream) }
    const asked = new Map<AdmissionResult, CounterHandle>()
    this.#asked.set(stream, asked)
    const sentItems = this.#registry.counter(streamMetrics.sentItems).with(labels)
    const sentBytes = this.#registry.counter(streamMetrics.sentBytes).with(labels)
    const replayedItems = this.#registry.counter(streamMetrics.replayedItems).with(labels)
    const redeliveredItems = this.#registry.counter(streamMetrics.redeliveredItems).with(labels)
    const filteredItems = this.#registry.counter(streamMetrics.filteredItems).with(labels)
    const egressWaits = this.#registry.counter(streamMetrics.egressWaits).with(labels)
    const drops = this.#registry.counter(streamMetrics.droppedItems)
    const dropped: Record<DropCause, CounterHandle> = {
      lagging: drops.with({ ...labels, cause: 'lagging' }),
      disconnected: drops.with({ ...labels, cause: 'disconnected' }),
      undelivered: drops.with({ ...labels, cause: 'undelivered' }),
      unmatched: drops.with({ ...labels, cause: 'unmatched' }),
      encode: drops.with({ ...labels, cause: 'encode' }),
    }
    const slow = this.#registry.counter(streamMetrics.slowDisconnects)
    const disconnects: Record<SlowCause, CounterHandle> = {
      lagging: slow.with({ ...labels, cause: 'lagging' }),
      stalled: slow.with({ ...labels, cause: 'stalled' }),
      blocked: slow.with({ ...labels, cause: 'blocked' }),
    }
    return {
      sentItems,
      sentBytes,
      replayedItems,
      redeliveredItems,
      filteredItems,
      egressWaits,
      dropped: (cause, count) => {
        if (count > 0) dropped[cause].add(count)
      },
      disconnected: (cause) => disconnects[cause].add(),
      [Symbol.dispose]: () => {
        const counters = [sentItems, sentBytes, replayedItems, redeliveredItems, filteredItems, egressWaits]
        const byCause = [...Object.values(dropped), ...Object.values(disconnects)]
        for (const handle of [...counters, ...byCause, ...asked.values()]) handle.remove()
        if (this.#asked.get(stream) === asked) this.#asked.delete(stream)
      },
    }
  }

  /** All consumers of a stream count into the same series, and so share them. Each lets go of them once. */
  forConsumer(stream: StreamId): ConsumerCounters {
    const shared = this.#consumers.get(stream) ?? { counters: this.#consumerCounters(stream), holders: 0 }
    this.#consumers.set(stream, shared)
    shared.holders++
    return shared.counters
  }

  /** Has the gauges ask for their values whenever they are read, until the returned function is called. */
  mirror(values: {
    /** The streams that have an end here, with their names. */
    readonly names: () => Iterable<readonly [stream: StreamId, name: string]>
    readonly producers: () => number
    readonly consumers: StreamValues
    readonly queueItems: StreamValues
    readonly producersOfConsumer: StreamValues
  }): () => void {
    const labelled = (read: StreamValues) => (): Iterable<readonly [Labels, number]> =>
      [...read()].map(([stream, value]) => [{ stream: shortId(stream) }, value] as const)
    const infos = (): Iterable<readonly [Labels, number]> =>
      [...values.names()].map(([stream, name]) => [{ stream: shortId(stream), name }, 1] as const)
    const stops = [
      this.#registry.gauge(streamMetrics.info).collect(infos),
      this.#registry.gauge(streamMetrics.producers).collect(values.producers),
      this.#registry.gauge(streamMetrics.consumers).collect(labelled(values.consumers)),
      this.#registry.gauge(streamMetrics.queueItems).collect(labelled(values.queueItems)),
      this.#registry.gauge(streamMetrics.producersOfConsumer).collect(labelled(values.producersOfConsumer)),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  #consumerCounters(stream: StreamId): ConsumerCounters {
    const handle = (definition: MetricDefinition): CounterHandle =>
      this.#registry.counter(definition).with({ stream: shortId(stream) })
    const handles = {
      receivedItems: handle(streamMetrics.receivedItems),
      receivedBytes: handle(streamMetrics.receivedBytes),
      lostItems: handle(streamMetrics.lostItems),
      invalidItems: handle(streamMetrics.invalidItems),
    }
    return {
      ...handles,
      [Symbol.dispose]: () => {
        const shared = this.#consumers.get(stream)
        if (shared === undefined || --shared.holders > 0) return
        this.#consumers.delete(stream)
        for (const series of Object.values(handles)) series.remove()
      },
    }
  }
}
