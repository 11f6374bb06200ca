import { bytesOf, concatBytes, hashBytes, type Digest, type PeerId } from '#framework/primitives'
import type { HeldRecord } from '../catalog.js'
import { compareRecords, type SignedRecord, type Stamp } from '../signed-record.js'

/** What is said of a record in order to find out whether the other side has it. */
export interface RecordSummary {
  readonly peer: PeerId
  readonly stamp: Stamp
  readonly digest: Digest
  /** See {@link contentTagOf}. */
  readonly content: string
}

/** A record as it is offered to the other side. */
export interface OfferedRecord {
  readonly record: SignedRecord
  readonly ageMs: number
  /** The other side holds the same content: only the header need travel. */
  readonly isContentKnown?: boolean
}

/** What one side asks the other for. */
export interface WantedRecord {
  readonly peer: PeerId
  /** The content that it holds of that peer; see {@link contentTagOf}. */
  readonly content: string
}

/** What each side lacks of the other's records. */
export interface SyncPlan {
  /** Records that the other side lacks or holds in an older form. */
  readonly send: readonly OfferedRecord[]
  /** Peers of whom the other side holds a later record than we do, or the only one. */
  readonly want: readonly WantedRecord[]
}

/** All that one side has to offer at the start of a sync: a snapshot, in the order of peer ids. */
export class SyncOffer {
  readonly #records: ReadonlyMap<PeerId, OfferedRecord>

  /** @param monotonicMs Now, to know how old each sign of life is. Our own record is always fresh. */
  constructor(own: SignedRecord, others: ReadonlyMap<PeerId, HeldRecord>, monotonicMs: number) {
    const records = new Map<PeerId, OfferedRecord>([[own.peer, { record: own, ageMs: 0 }]])
    for (const [peer, { record, heardAtMs }] of others) {
      records.set(peer, { record, ageMs: Math.max(0, Math.round(monotonicMs - heardAtMs)) })
    }
    this.#records = new Map([...records].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  get size(): number {
    return this.#records.size
  }

  /** Equal for equal offers: two sides with the same fingerprint have nothing to tell each other. */
  get fingerprint(): Digest {
    return hashBytes(concatBytes(...[...this.#records.values()].map(({ record }) => bytesOf(record.digest))))
  }

  summaries(): RecordSummary[] {
    return [...this.#records.values()].map(({ record }) => ({
      peer: record.peer,
      stamp: record.stamp,
      digest: record.digest,
      content: contentTagOf(record),
    }))
  }

  /** Compares with what the other side holds. */
  planWith(theirs: readonly RecordSummary[]): SyncPlan {
    const send = new Map(this.#records)
    const want: WantedRecord[] = []
    for (const summary of theirs) {
      const { peer } = summary
      const mine = this.#records.get(peer)
      const order = mine ? compareRecords(mine.record, summary) : -1
      const content = mine ? contentTagOf(mine.record) : ''
      if (order <= 0) send.delete(peer)
      else if (mine) send.set(peer, { ...mine, isContentKnown: content === summary.content })
      if (order < 0) want.push({ peer, content })
    }
    return { send: [...send.values()], want }
  }

  /** The records that the other side asked for; what we do not have is left out. */
  pick(wants: readonly WantedRecord[]): OfferedRecord[] {
    const byPeer = new Map(wants.map(({ peer, content }) => [peer, content]))
    return [...byPeer].flatMap(([peer, content]) => {
      const mine = this.#records.get(peer)
      return mine ? { ...mine, isContentKnown: content === contentTagOf(mine.record) } : []
    })
  }
}

/** How many bytes of a content's digest tell it apart from others of the same peer. */
export const CONTENT_TAG_BYTES = 8

/**
 * The beginning of the digest of a record's content, as hexadecimal text; empty for a farewell. Where two contents of a peer
 * happen to begin alike, one of them has to be fetched.
 */
export function contentTagOf(record: SignedRecord): string {
  return record.kind === 'entry' ? record.contentDigest.slice(0, 2 * CONTENT_TAG_BYTES) : ''
}

/** Cuts items into pages of at most `bytesMax`, a single larger item alone. Always at least one page, which may be empty. */
export function* pagesOf<T>(
  items: Iterable<T>,
  sizeOf: (item: T) => number,
  bytesMax: number,
): Generator<T[]> {
  let page: T[] = []
  let bytes = 0
  for (const item of items) {
    const size = sizeOf(item)
    if (page.length > 0 && bytes + size > bytesMax) {
      yield page
      page = []
      bytes = 0
    }
    page.push(item)
    bytes += size
  }
  yield page
}
