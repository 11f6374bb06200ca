import type { ChainHash, EntryKind, Index, Term } from './types.js'

/** What the hash of an entry is made of, besides the hash of the entry before. */
export interface HashedFields {
  readonly index: Index
  readonly term: Term
  readonly kind: EntryKind
  readonly commandCount: number
  readonly applicationIndex: Index
  readonly timestampMs: number
  readonly payload: Uint8Array
}

/** Chains entries: equal hashes mean equal entries and equal histories. */
export interface ChainHasher {
  /** The hash of an entry that follows one with the hash `previous` (0: the first of the log). A safe integer. */
  next(previous: ChainHash, entry: HashedFields): ChainHash
}
