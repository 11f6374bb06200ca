import { MosaikError } from './errors.js'
import { CounterFamily, GaugeFamily, HistogramFamily, type MetricFamily } from './metric-families.js'
import { renderFamily, renderLabels } from './metric-text.js'

/** One metric, declared once, in the table of the component that owns it. */
export interface MetricDefinition {
  /** `mosaik_…` in snake case with the base unit in it; the name of a counter ends in `_total`. */
  readonly name: string
  /** One sentence for people. */
  readonly help: string
  /** The names of the labels; every use gives exactly these. Never a peer id, a ticket id or user text. */
  readonly labels?: readonly string[]
  /** Histograms only: the upper bounds, ascending. Default: {@link DURATION_BUCKETS}. */
  readonly buckets?: readonly number[]
}

/** The values of a metric's labels. */
export type Labels = Readonly<Record<string, string>>

/** 1 ms to 60 s in steps of about 1, 2.5, 5: for durations in seconds. */
export const DURATION_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60,
]

/** One series of a counter, held by the component that counts: adding costs one addition. */
export interface CounterHandle {
  /**
   * Counts further, by 1 unless told.
   *
   * @throws InvariantError for a negative number or NaN.
   */
  add(n?: number): void
  /** Lets go of the series; it is gone once everyone who held it has. Later additions go nowhere. Idempotent. */
  remove(): void
}

/** Something that only grows. */
export interface Counter {
  /**
   * Counts further, by 1 unless told, in a series that stays. Labels that are not exactly the metric's are refused and
   * counted.
   *
   * @throws InvariantError for a negative number or NaN.
   */
  add(n?: number, labels?: Labels): void
  /** The series of these labels, from now on present with its value, at first 0. */
  with(labels: Labels): CounterHandle
}

/** What a gauge is asked for: one value, or one for each of several labels. */
export type GaugeCollector = () => number | Iterable<readonly [labels: Labels, value: number]>

/** Something that goes up and down. */
export interface Gauge {
  /** The value, until it is set again. */
  set(value: number, labels?: Labels): void
  /**
   * Asks for the values whenever the registry is read, so that they cannot drift from what they mirror. Where several
   * collectors (say, of two nodes in one process) report the same labels, the values are added up. What a collector
   * throws costs its own values only, and is counted.
   *
   * @returns A function that unregisters the collector; the series it reported are gone with it.
   */
  collect(fn: GaugeCollector): () => void
}

/** One series of a histogram, held by the component that measures. */
export interface HistogramHandle {
  /**
   * Counts a value into its bucket.
   *
   * @throws InvariantError for NaN.
   */
  observe(value: number): void
  /** As {@link CounterHandle.remove}. */
  remove(): void
}

/** How values are distributed over buckets. */
export interface Histogram {
  /**
   * Counts a value into its bucket, in a series that stays.
   *
   * @throws InvariantError for NaN.
   */
  observe(value: number, labels?: Labels): void
  /** The series of these labels, from now on present. */
  with(labels: Labels): HistogramHandle
}

const METRIC_NAME = /^mosaik_[a-z0-9]+(?:_[a-z0-9]+)*$/
const LABEL_NAME = /^[a-z][a-z0-9_]*$/
const HISTOGRAM_SUFFIXES = ['_bucket', '_sum', '_count']

const REFUSED_SERIES: MetricDefinition = {
  name: 'mosaik_metrics_dropped_series_total',
  help: 'Uses of a metric that were refused for other labels than its own or for too many series.',
  labels: ['metric'],
}

const FAILED_COLLECTIONS: MetricDefinition = {
  name: 'mosaik_metrics_failed_collections_total',
  help: 'Reads of a gauge that lack values because a collector threw.',
  labels: ['metric'],
}

/**
 * The metrics of one network: declared, counted, and rendered in Prometheus' text format 0.0.4. Declaring the same
 * metric again gives the same object, so that several components, or several nodes, can share one registry.
 */
export class MetricsRegistry {
  readonly #families = new Map<string, MetricFamily>()
  readonly #constantLabels: Labels
  readonly #refused: Counter
  readonly #failedCollections: Counter

  /**
   * @param constantLabels On every series, for example the network.
   * @throws MosaikError `METRIC_INVALID` for a name that is none for a label.
   */
  constructor(constantLabels: Labels = {}) {
    for (const name of Object.keys(constantLabels)) {
      if (!LABEL_NAME.test(name)) throw new MosaikError('METRIC_INVALID', `${name} is no name for a label`)
    }
    this.#constantLabels = { ...constantLabels }
    this.#refused = this.counter(REFUSED_SERIES)
    this.#failedCollections = this.counter(FAILED_COLLECTIONS)
  }

  /** @throws MosaikError `METRIC_INVALID`, or `METRIC_REDEFINED` when the name stands for something else. */
  counter(definition: MetricDefinition): Counter {
    return this.#declare('counter', definition, (onRefusal) => new CounterFamily(definition, onRefusal))
  }

  /** @throws MosaikError `METRIC_INVALID`, or `METRIC_REDEFINED` when the name stands for something else. */
  gauge(definition: MetricDefinition): Gauge {
    const onFailure = (): void => this.#failedCollections.add(1, { metric: definition.name })
    return this.#declare(
      'gauge',
      definition,
      (onRefusal) => new GaugeFamily(definition, onRefusal, onFailure),
    )
  }

  /** @throws MosaikError `METRIC_INVALID`, or `METRIC_REDEFINED` when the name stands for something else. */
  histogram(definition: MetricDefinition): Histogram {
    const complete = { buckets: DURATION_BUCKETS, ...definition }
    return this.#declare('histogram', complete, (onRefusal) => new HistogramFamily(complete, onRefusal))
  }

  /** {@link counter} for each of a component's counters, by the names it uses for them. */
  counters<K extends string>(definitions: Readonly<Record<K, MetricDefinition>>): Record<K, Counter> {
    return mapValues(definitions, (definition) => this.counter(definition))
  }

  /** {@link gauge} for each of a component's gauges. */
  gauges<K extends string>(definitions: Readonly<Record<K, MetricDefinition>>): Record<K, Gauge> {
    return mapValues(definitions, (definition) => this.gauge(definition))
  }

  /** {@link histogram} for each of a component's histograms. */
  histograms<K extends string>(definitions: Readonly<Record<K, MetricDefinition>>): Record<K, Histogram> {
    return mapValues(definitions, (definition) => this.histogram(definition))
  }

  /**
   * The value of one series, for tests and status displays; undefined when there is no such series. A histogram answers
   * to its name with `_count` and `_sum`, and with `_bucket` and the label `le`.
   */
  value(name: string, labels: Labels = {}): number | undefined {
    const wanted = renderLabels(sortedNames(labels), labels)
    for (const suffix of ['', ...HISTOGRAM_SUFFIXES]) {
      if (!name.endsWith(suffix)) continue
      const family = this.#families.get(name.slice(0, name.length - suffix.length))
      for (const sample of family?.samples() ?? []) {
        if (sample.suffix === suffix && sample.labels === wanted) return sample.value
      }
    }
    return undefined
  }

  /** Everything in Prometheus' text format 0.0.4, metrics and their series in alphabetical order. */
  render(): string {
    const constant = renderLabels(sortedNames(this.#constantLabels), this.#constantLabels)
    // Gauges first: asking for their values can count failures, and those belong into the same text.
    const texts = [...this.#families.values()]
      .toSorted((a, b) => Number(b.type === 'gauge') - Number(a.type === 'gauge'))
      .map((family) => ({ name: family.definition.name, text: renderFamily(family, constant) }))
    return texts
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ text }) => text)
      .join('')
  }

  #declare<F extends MetricFamily>(
    type: F['type'],
    definition: MetricDefinition,
    make: (onRefusal: () => void) => F,
  ): F {
    const known = this.#families.get(definition.name)
    if (known) {
      if (known.type !== type || !sameDefinition(known.definition, definition)) {
        throw new MosaikError('METRIC_REDEFINED', `${definition.name} is declared differently elsewhere`)
      }
      return known as F
    }
    const problem = this.#problemWith(type, definition)
    if (problem) throw new MosaikError('METRIC_INVALID', `${definition.name}: ${problem}`)
    const family = make(() => this.#refused.add(1, { metric: definition.name }))
    this.#families.set(definition.name, family)
    return family
  }

  #problemWith(type: MetricFamily['type'], definition: MetricDefinition): string | undefined {
    const { name, labels = [], buckets = [] } = definition
    if (!METRIC_NAME.test(name)) return 'a name is mosaik_ and more in snake case'
    if ((type === 'counter') !== name.endsWith('_total')) return 'counters, and only they, end in _total'
    for (const label of labels) {
      if (!LABEL_NAME.test(label)) return `${label} is no name for a label`
      if (label in this.#constantLabels) return `the label ${label} is on every series already`
      if (type === 'histogram' && label === 'le') return 'the label le is for the buckets'
    }
    if (new Set(labels).size < labels.length) return 'a label is named twice'
    if (type !== 'histogram' && definition.buckets) return 'only histograms have buckets'
    const ascending = buckets.every(
      (bound, i) => Number.isFinite(bound) && (i === 0 || bound > buckets[i - 1]!),
    )
    if (!ascending) return 'buckets are finite and ascending'
    return this.#clashOf(type, name)
  }

  /** The samples of a histogram have names of their own, which must not be those of other metrics. */
  #clashOf(type: MetricFamily['type'], name: string): string | undefined {
    for (const suffix of HISTOGRAM_SUFFIXES) {
      if (type === 'histogram' && this.#families.has(name + suffix))
        return `${name + suffix} is a metric already`
      if (!name.endsWith(suffix)) continue
      if (this.#families.get(name.slice(0, -suffix.length))?.type === 'histogram') {
        return 'this is the name of a sample of a histogram'
      }
    }
    return undefined
  }
}

/** In alphabetical order, but the bound of a bucket last, as everyone writes it. */
function sortedNames(labels: Labels): string[] {
  const rank = (name: string): string => (name === 'le' ? '~' : name)
  return Object.keys(labels).toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
}

function sameDefinition(a: MetricDefinition, b: MetricDefinition): boolean {
  const facts = ({ name, help, labels = [], buckets = [] }: MetricDefinition): string =>
    JSON.stringify([name, help, labels, buckets])
  return facts(a) === facts(b)
}

function mapValues<K extends string, V, R>(record: Record<K, V>, map: (value: V) => R): Record<K, R> {
  return Object.fromEntries(Object.entries<V>(record).map(([key, value]) => [key, map(value)])) as Record<
    K,
    R
  >
}
