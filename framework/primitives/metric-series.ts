import { renderLabels } from './metric-text.js'
import type { Labels, MetricDefinition } from './metrics.js'

/** How many series one metric may have: more means that something unbounded became a label. */
export const SERIES_MAX = 1_000

/** Names the series of one metric by their labels. */
export class LabelTuple {
  readonly #names: readonly string[]

  constructor(definition: MetricDefinition) {
    this.#names = (definition.labels ?? []).toSorted()
  }

  /** Whether the metric has labels at all. */
  get isEmpty(): boolean {
    return this.#names.length === 0
  }

  /** The labels as rendered text, one for each series; undefined when these are not exactly the metric's labels. */
  keyOf(labels: Labels): string | undefined {
    const names = this.#names
    for (const name of names) {
      if (typeof labels[name] !== 'string') return undefined
    }
    return Object.keys(labels).length === names.length ? renderLabels(names, labels) : undefined
  }
}

interface Entry<S> {
  readonly series: S
  holders: number
  stays: boolean
}

/** The series of one metric, created as they are used, at most {@link SERIES_MAX} at a time. */
export class SeriesTable<S> {
  readonly #tuple: LabelTuple
  readonly #make: () => S
  readonly #onRefusal: () => void
  readonly #entries = new Map<string, Entry<S>>()

  constructor(tuple: LabelTuple, make: () => S, onRefusal: () => void) {
    this.#tuple = tuple
    this.#make = make
    this.#onRefusal = onRefusal
  }

  /** The series of these labels, which stays; undefined when it was refused. */
  lasting(labels: Labels): S | undefined {
    const entry = this.#entryOf(this.#tuple.keyOf(labels))
    if (entry) entry.stays = true
    return entry?.series
  }

  /**
   * The series of these labels, which stays until everyone who holds it has released it. When it was refused, a series
   * that is nowhere shown, so that the owner need not care.
   */
  held(labels: Labels): { readonly series: S; readonly release: () => void } {
    const key = this.#tuple.keyOf(labels)
    const entry = this.#entryOf(key)
    if (key === undefined || !entry) return { series: this.#make(), release: () => undefined }
    entry.holders++
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      entry.holders--
      if (entry.holders === 0 && !entry.stays) this.#entries.delete(key)
    }
    return { series: entry.series, release }
  }

  /** Every series with its labels as rendered text, in alphabetical order. */
  *[Symbol.iterator](): Iterator<readonly [labels: string, series: S]> {
    for (const [key, { series }] of [...this.#entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      yield [key, series]
    }
  }

  #entryOf(key: string | undefined): Entry<S> | undefined {
    if (key !== undefined) {
      const known = this.#entries.get(key)
      if (known) return known
      if (this.#entries.size < SERIES_MAX) {
        const entry: Entry<S> = { series: this.#make(), holders: 0, stays: false }
        this.#entries.set(key, entry)
        return entry
      }
    }
    this.#onRefusal()
    return undefined
  }
}
