import { invariant } from '#framework/primitives'
import { NO_CONFIGURATION, decodeConfiguration } from './configuration.js'
import type { Configuration, Entry, Index } from './types.js'

interface Change {
  readonly index: Index
  readonly configuration: Configuration
}

/** The configurations in the log, so that one that is taken back gives way to the one before. */
export class ConfigurationHistory {
  /** In the order of the log. The first is in force at the base and never taken back. */
  #changes: Change[]

  constructor({ index, configuration }: Change = { index: 0, configuration: NO_CONFIGURATION }) {
    this.#changes = [{ index, configuration }]
  }

  /** The latest one in the log. */
  get current(): Configuration {
    return this.#changes.at(-1)!.configuration
  }

  /** Where the latest one is in the log. */
  get currentIndex(): Index {
    return this.#changes.at(-1)!.index
  }

  /** Those that may be the one that is committed: the latest one that is known to be, and all behind it, in their order. */
  from(commitIndex: Index): readonly Configuration[] {
    const committedAt = this.#changes.findLastIndex(({ index }) => index <= commitIndex)
    return this.#changes.slice(Math.max(committedAt, 0)).map(({ configuration }) => configuration)
  }

  /** The latest one at or before an index that is not compacted. */
  at(index: Index): Configuration {
    return (this.#changes.findLast((change) => change.index <= index) ?? this.#changes[0]!).configuration
  }

  /** Takes note of an entry that was appended to the log. */
  append(entry: Entry): void {
    if (entry.kind !== 'configuration') return
    const configuration = decodeConfiguration(entry.payload)
    invariant(configuration !== undefined, `entry ${entry.index} is no configuration`)
    this.#changes.push({ index: entry.index, configuration })
  }

  reset(base: Change): void {
    this.#changes = [{ index: base.index, configuration: base.configuration }]
  }

  truncateFrom(index: Index): void {
    while (this.#changes.length > 1 && this.#changes.at(-1)!.index >= index) this.#changes.pop()
  }

  compactTo(index: Index): void {
    const keptFrom = this.#changes.findLastIndex((change) => change.index <= index)
    this.#changes.splice(0, Math.max(keptFrom, 0))
  }
}
