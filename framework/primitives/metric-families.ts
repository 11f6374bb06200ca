import { invariant } from './errors.js'
import { LabelTuple, SERIES_MAX, SeriesTable } from './metric-series.js'
import { renderNumber } from './metric-text.js'
import type {
  Counter,
  CounterHandle,
  Gauge,
  GaugeCollector,
  Histogram,
  HistogramHandle,
  Labels,
  MetricDefinition,
} from './metrics.js'

/** A declared metric with all its series, as the registry reads it. */
export interface MetricFamily {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly definition: MetricDefinition
  samples(): Iterable<Sample>
}

/** One line of the text format. */
export interface Sample {
  /** What follows the metric's name: `_bucket`, `_sum`, `_count`, or nothing. */
  readonly suffix: string
  /** As rendered text, without the constant labels. */
  readonly labels: string
  readonly value: number
}

interface Cell {
  value: number
}

export class CounterFamily implements MetricFamily, Counter {
  readonly type = 'counter'
  readonly definition: MetricDefinition
  readonly #table: SeriesTable<Cell>

  constructor(definition: MetricDefinition, onRefusal: () => void) {
    this.definition = definition
    const tuple = new LabelTuple(definition)
    this.#table = new SeriesTable<Cell>(tuple, () => ({ value: 0 }), onRefusal)
    // The one series of a metric without labels is there, at zero, before anything happens.
    if (tuple.isEmpty) this.#table.lasting({})
  }

  add(n = 1, labels: Labels = {}): void {
    const cell = this.#table.lasting(labels)
    if (cell) increase(cell, n)
  }

  with(labels: Labels): CounterHandle {
    const { series, release } = this.#table.held(labels)
    return { add: (n = 1) => increase(series, n), remove: release }
  }

  *samples(): Iterable<Sample> {
    for (const [labels, cell] of this.#table) yield { suffix: '', labels, value: cell.value }
  }
}

export class GaugeFamily implements MetricFamily, Gauge {
  readonly type = 'gauge'
  readonly definition: MetricDefinition
  readonly #tuple: LabelTuple
  readonly #table: SeriesTable<Cell>
  readonly #collectors = new Set<{ readonly fn: GaugeCollector }>()
  readonly #onRefusal: () => void
  readonly #onFailure: () => void

  constructor(definition: MetricDefinition, onRefusal: () => void, onFailure: () => void) {
    this.definition = definition
    this.#tuple = new LabelTuple(definition)
    this.#table = new SeriesTable<Cell>(this.#tuple, () => ({ value: 0 }), onRefusal)
    this.#onRefusal = onRefusal
    this.#onFailure = onFailure
  }

  set(value: number, labels: Labels = {}): void {
    const cell = this.#table.lasting(labels)
    if (cell) cell.value = value
  }

  collect(fn: GaugeCollector): () => void {
    const collector = { fn }
    this.#collectors.add(collector)
    return () => {
      this.#collectors.delete(collector)
    }
  }

  *samples(): Iterable<Sample> {
    const values = new Map<string, number>()
    for (const [labels, cell] of this.#table) values.set(labels, cell.value)
    for (const { fn } of this.#collectors) {
      for (const [labels, value] of this.#ask(fn)) {
        const key = this.#tuple.keyOf(labels)
        const known = key === undefined ? undefined : values.get(key)
        if (key === undefined || (known === undefined && values.size >= SERIES_MAX)) this.#onRefusal()
        else values.set(key, (known ?? 0) + value)
      }
    }
    for (const [labels, value] of [...values].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      yield { suffix: '', labels, value }
    }
  }

  #ask(fn: GaugeCollector): readonly (readonly [Labels, number])[] {
    try {
      const answer = fn()
      return typeof answer === 'number' ? [[{}, answer]] : [...answer]
    } catch {
      this.#onFailure()
      return []
    }
  }
}

interface Distribution {
  /** How many values fell into each bucket, not cumulated; the last is above all bounds. */
  readonly counts: number[]
  sum: number
}

export class HistogramFamily implements MetricFamily, Histogram {
  readonly type = 'histogram'
  readonly definition: MetricDefinition
  readonly #bounds: readonly number[]
  readonly #table: SeriesTable<Distribution>

  constructor(definition: MetricDefinition & { readonly buckets: readonly number[] }, onRefusal: () => void) {
    this.definition = definition
    this.#bounds = definition.buckets
    const tuple = new LabelTuple(definition)
    const make = (): Distribution => ({
      counts: Array.from({ length: this.#bounds.length + 1 }, () => 0),
      sum: 0,
    })
    this.#table = new SeriesTable(tuple, make, onRefusal)
    if (tuple.isEmpty) this.#table.lasting({})
  }

  observe(value: number, labels: Labels = {}): void {
    const distribution = this.#table.lasting(labels)
    if (distribution) this.#put(distribution, value)
  }

  with(labels: Labels): HistogramHandle {
    const { series, release } = this.#table.held(labels)
    return { observe: (value) => this.#put(series, value), remove: release }
  }

  *samples(): Iterable<Sample> {
    for (const [labels, { counts, sum }] of this.#table) {
      const before = labels === '' ? '' : `${labels},`
      let count = 0
      for (let i = 0; i < counts.length; i++) {
        count += counts[i]!
        const bound = renderNumber(this.#bounds[i] ?? Infinity)
        yield { suffix: '_bucket', labels: `${before}le="${bound}"`, value: count }
      }
      yield { suffix: '_sum', labels, value: sum }
      yield { suffix: '_count', labels, value: count }
    }
  }

  #put(distribution: Distribution, value: number): void {
    invariant(!Number.isNaN(value), `${this.definition.name} cannot count NaN`)
    let bucket = 0
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++
    distribution.counts[bucket]!++
    distribution.sum += value
  }
}

function increase(cell: Cell, n: number): void {
  invariant(n >= 0, 'a counter only grows')
  cell.value += n
}
