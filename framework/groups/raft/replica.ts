import { invariant } from '#framework/primitives'
import type { ChainHasher } from './chain-hash.js'
import { ConfigurationHistory } from './configuration-history.js'
import { Durability } from './durability.js'
import type { CoreFaults } from './faults.js'
import type { RaftLimits } from './options.js'
import { LOG_START, RaftLog } from './raft-log.js'
import type {
  Configuration,
  Entry,
  EntryKind,
  Index,
  LogPosition,
  RestoredState,
  SnapshotFacts,
  Term,
} from './types.js'

/** What a new entry is made of; everything else follows from where it is appended. */
export interface EntryContent {
  readonly kind: EntryKind
  readonly commandCount: number
  readonly timestampMs: number
  readonly payload: Uint8Array
}

/** This member's copy of the log, and how much of it is durable, committed and handed out to be applied. */
export class Replica {
  readonly log: RaftLog
  readonly configurations: ConfigurationHistory
  readonly durability: Durability
  readonly #hasher: ChainHasher
  readonly #faults: CoreFaults
  #commitIndex: Index
  #handedOutIndex: Index

  constructor({ base, entries, appliedIndex }: RestoredState, hasher: ChainHasher, faults: CoreFaults) {
    this.log = new RaftLog(base ?? LOG_START, entries)
    this.configurations = new ConfigurationHistory(base)
    for (const entry of entries) this.configurations.append(entry)
    this.durability = new Durability(this.log.lastIndex)
    this.#hasher = hasher
    this.#faults = faults
    const baseIndex = this.log.base.index
    // Only what is committed is compacted or applied.
    this.#handedOutIndex = Math.max(appliedIndex ?? baseIndex, baseIndex)
    invariant(this.#handedOutIndex <= this.log.lastIndex, 'more is applied than the log has')
    this.#commitIndex = this.#handedOutIndex
  }

  get commitIndex(): Index {
    return this.#commitIndex
  }

  /** Up to where entries were handed out to be applied. */
  get handedOutIndex(): Index {
    return this.#handedOutIndex
  }

  get configuration(): Configuration {
    return this.configurations.current
  }

  /** Appends an entry of this leader's, or the founding one. */
  create(term: Term, { kind, commandCount, timestampMs, payload }: EntryContent): Entry {
    const { index, applicationIndex, hash } = this.log.last
    const fields = {
      index: index + 1,
      term,
      kind,
      commandCount,
      applicationIndex: applicationIndex + commandCount,
      timestampMs,
      payload,
    }
    const entry = { ...fields, hash: this.#hasher.next(hash, fields) }
    this.append(entry)
    return entry
  }

  /** Appends an entry of somebody else's. */
  append(entry: Entry): void {
    this.log.append(entry)
    this.configurations.append(entry)
  }

  truncateFrom(index: Index): void {
    invariant(index > this.#commitIndex || this.#faults.truncatesBelowCommit, `entry ${index} is committed`)
    this.log.truncateFrom(index)
    this.configurations.truncateFrom(index)
    this.durability.onTruncate(index)
  }

  /** Whether it advanced. Never goes back, and never beyond the end of the log. */
  commitTo(index: Index): boolean {
    const next = Math.min(index, this.log.lastIndex)
    if (next <= this.#commitIndex) return false
    this.#commitIndex = next
    return true
  }

  /** Whether this entry has a hash that makes it the successor of `previous`. */
  isChained(previous: LogPosition, entry: Entry): boolean {
    return (
      entry.index === previous.index + 1 &&
      entry.applicationIndex === previous.applicationIndex + entry.commandCount &&
      entry.hash === this.#hasher.next(previous.hash, entry)
    )
  }

  /** Whether there are entries to apply: committed, and not handed out yet. */
  get hasCommitted(): boolean {
    return this.#appliableIndex > this.#handedOutIndex
  }

  takeCommitted(countMax: number): readonly Entry[] {
    if (!this.hasCommitted) return []
    const count = Math.min(this.#appliableIndex - this.#handedOutIndex, countMax)
    const entries = this.log.slice(this.#handedOutIndex + 1, count, Infinity)
    this.#handedOutIndex += count
    return entries
  }

  /**
   * Goes on from a snapshot that is ahead of what is committed. When the log has the snapshot's last entry, what is
   * behind that stays (Raft, §7).
   */
  install(facts: SnapshotFacts): void {
    const keepsEntries = this.log.positionAt(facts.index)?.hash === facts.hash
    if (keepsEntries) {
      this.log.compactTo(facts.index)
      this.configurations.compactTo(facts.index)
    } else {
      this.log.reset(facts)
      this.configurations.reset(facts)
    }
    this.durability.onSnapshot({ facts, keepsEntries })
    this.#commitIndex = facts.index
    this.#handedOutIndex = facts.index
  }

  /** What a snapshot stands for that has applied everything up to an entry in memory, or the base. */
  factsAt(index: Index): SnapshotFacts | undefined {
    const position = this.log.positionAt(index)
    if (position === undefined || index > this.#handedOutIndex) return undefined
    return {
      index,
      term: position.term,
      applicationIndex: position.applicationIndex,
      hash: position.hash,
      configuration: this.configurations.at(index),
    }
  }

  /**
   * Forgets entries up to an index, but not what was not handed out or is not durable, nor the tail that the limits say.
   *
   * @returns What is in front of the log from now on; undefined when nothing was forgotten.
   */
  compact(
    upTo: Index,
    limits: Pick<RaftLimits, 'tailEntriesMax' | 'tailBytesMax'>,
  ): SnapshotFacts | undefined {
    const to = Math.min(upTo, this.#handedOutIndex, this.durability.durableIndex, this.#tailStart(limits))
    const base = to > this.log.base.index ? this.factsAt(to) : undefined
    if (base === undefined) return undefined
    this.configurations.compactTo(to)
    this.log.compactTo(to)
    return base
  }

  /** The last index that is not in the tail: so many entries and bytes at the end of the log, whichever is less. */
  #tailStart({ tailEntriesMax, tailBytesMax }: Pick<RaftLimits, 'tailEntriesMax' | 'tailBytesMax'>): Index {
    let start = this.log.lastIndex
    const startMin = Math.max(this.log.base.index, start - tailEntriesMax)
    for (let bytes = 0; start > startMin; start--) {
      bytes += this.log.entryAt(start)!.payload.byteLength
      if (bytes > tailBytesMax) break
    }
    return start
  }

  get #appliableIndex(): Index {
    // Durable at a majority is enough, whether this member is part of that or not.
    return this.#faults.appliesUncommitted ? this.log.lastIndex : this.#commitIndex
  }
}
