import { invariant } from '#framework/primitives'
import type { Entry, Index, LogPosition, Term } from './types.js'

/** In front of the first entry of a log. */
export const LOG_START: LogPosition = Object.freeze({ index: 0, term: 0, applicationIndex: 0, hash: 0 })

/** The part of the log that is in memory: entries without gaps behind a base, which stands for all before. */
export class RaftLog {
  #base: LogPosition
  #entries: Entry[]

  /** @throws InvariantError when the entries do not follow each other and the base. */
  constructor(base: LogPosition, entries: readonly Entry[]) {
    this.#base = base
    this.#entries = []
    for (const entry of entries) this.append(entry)
  }

  /** The last entry that is not in memory any more. */
  get base(): LogPosition {
    return this.#base
  }

  get firstIndex(): Index {
    return this.#base.index + 1
  }

  get last(): LogPosition {
    return this.#entries.at(-1) ?? this.#base
  }

  get lastIndex(): Index {
    return this.#base.index + this.#entries.length
  }

  get lastTerm(): Term {
    return this.last.term
  }

  entryAt(index: Index): Entry | undefined {
    return this.#entries[index - this.#base.index - 1]
  }

  /** The entry or the base. Undefined for what is compacted or not there yet. */
  positionAt(index: Index): LogPosition | undefined {
    return index === this.#base.index ? this.#base : this.entryAt(index)
  }

  termAt(index: Index): Term | undefined {
    return this.positionAt(index)?.term
  }

  append(entry: Entry): void {
    invariant(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`)
    invariant(
      entry.term >= this.lastTerm,
      `term ${entry.term} of entry ${entry.index} follows ${this.lastTerm}`,
    )
    this.#entries.push(entry)
  }

  /** Entries from an index on: as many as the limits allow, but one at least if there is one. */
  slice(from: Index, countMax: number, bytesMax: number): Entry[] {
    const start = from - this.#base.index - 1
    invariant(start >= 0, `entry ${from} is compacted`)
    const endMax = Math.min(start + countMax, this.#entries.length)
    let end = start
    for (let bytes = 0; end < endMax; end++) {
      bytes += this.#entries[end]!.payload.byteLength
      if (bytes > bytesMax && end > start) break
    }
    return this.#entries.slice(start, end)
  }

  /** Drops the entry at `index` and everything behind it. */
  truncateFrom(index: Index): void {
    invariant(index > this.#base.index, `entry ${index} is compacted and cannot be taken back`)
    this.#entries.length = Math.min(this.#entries.length, index - this.#base.index - 1)
  }

  /** Drops everything up to and including `index`, which becomes the base. */
  compactTo(index: Index): void {
    const base = this.positionAt(index)
    invariant(base !== undefined, `entry ${index} is not there, so nothing can be compacted to it`)
    this.#entries.splice(0, index - this.#base.index)
    this.#base = positionOf(base)
  }

  /** An empty log that begins behind `base`. */
  reset(base: LogPosition): void {
    this.#base = positionOf(base)
    this.#entries = []
  }

  /** The first entry in memory of the term that the entry at `index` has. */
  firstIndexOfTermAt(index: Index): Index {
    const term = this.termAt(index)
    let first = index
    while (first > this.firstIndex && this.termAt(first - 1) === term) first--
    return first
  }

  /** The last index at or before `from` whose term is at most `term`; the base when there is none behind it. */
  lastIndexUpToTerm(term: Term, from: Index): Index {
    let index = Math.min(from, this.lastIndex)
    while (index > this.#base.index && this.termAt(index)! > term) index--
    return Math.max(index, this.#base.index)
  }
}

function positionOf({ index, term, applicationIndex, hash }: LogPosition): LogPosition {
  return { index, term, applicationIndex, hash }
}
