import type { GossipVerdict } from '#framework/network'
import type { Clock, PeerId } from '#framework/primitives'
import { decodeAnnouncement, type Announcement } from './announcement.js'
import type { CatalogStore } from './catalog-store.js'
import type { WantedContent } from './fetch/fetch-plan.js'
import { KeyedLimiter } from './keyed-limiter.js'
import type { DiscoveryMetrics } from './metrics.js'
import type { RecordReader } from './record-reader.js'
import { compareRecords, rejectionOf, type SignedRecord, type UnverifiedRecord } from './signed-record.js'

/** What one neighbour may send, its own and what it passes on: ample for a thousand nodes, and bounds the time for signatures. */
const NEIGHBOUR_RATE = { capacity: 1024, perSecond: 256 }
const NEIGHBOURS_MAX = 1024

/** What one author may say; authors keep well below it, see `AnnouncePolicy`. */
const AUTHOR_RATE = { capacity: 32, perSecond: 4 }
const AUTHORS_MAX = 4096

export interface RecordIntakeOptions {
  readonly store: CatalogStore
  readonly reader: RecordReader
  readonly maxDriftMs: number
  readonly clock: Clock
  readonly metrics: DiscoveryMetrics
  /** Told when gossip brought something that only a catalog sync can judge. */
  readonly onDoubt: () => void
  /** Told of a header that came without its content, and that is worth having. */
  readonly onLacking: (wanted: WantedContent, from: PeerId) => void
}

/**
 * Judges each record that arrives by itself and takes it in, cheap checks first: nothing is verified that would be
 * refused anyway, and whoever sends nonsense costs little.
 */
export class RecordIntake {
  readonly #store: CatalogStore
  readonly #reader: RecordReader
  readonly #maxDriftMs: number
  readonly #clock: Clock
  readonly #metrics: DiscoveryMetrics
  readonly #onDoubt: () => void
  readonly #onLacking: RecordIntakeOptions['onLacking']
  readonly #neighbours = new KeyedLimiter(NEIGHBOUR_RATE, NEIGHBOURS_MAX)
  readonly #authors = new KeyedLimiter(AUTHOR_RATE, AUTHORS_MAX)

  constructor(options: RecordIntakeOptions) {
    this.#store = options.store
    this.#reader = options.reader
    this.#maxDriftMs = options.maxDriftMs
    this.#clock = options.clock
    this.#metrics = options.metrics
    this.#onDoubt = options.onDoubt
    this.#onLacking = options.onLacking
  }

  /** @param from The neighbour that the message came from; not, in general, the record's author. */
  receive(data: Uint8Array, from: PeerId): GossipVerdict {
    const now = this.#clock.monotonic()
    if (!this.#neighbours.tryTake(from, now)) return this.#refuse('ignore', 'rate')
    try {
      const announcement = decodeAnnouncement(data)
      const record = this.#reader.parse(announcement.record)
      return this.#dismiss(record, announcement) ?? this.#judge(record, announcement, from, now)
    } catch (error) {
      const reason = rejectionOf(error)
      // Later versions may have kinds of records that we do not know, and neighbours that pass them on.
      return this.#refuse(reason === 'kind' ? 'ignore' : 'reject', reason)
    }
  }

  /** Takes in a whole record that came by another way than gossip, from somebody who need not be trusted either. */
  feed(data: Uint8Array): boolean {
    let record
    try {
      const announcement = decodeAnnouncement(data)
      record = this.#wholeOf(this.#reader.parse(announcement.record), announcement)
    } catch (error) {
      this.#metrics.rejected.add(1, { reason: rejectionOf(error) })
      return false
    }
    if (record === undefined) {
      this.#metrics.rejected.add(1, { reason: 'content' })
      return false
    }
    return this.#store.take(record, 'feed') === undefined
  }

  /** What can be judged without believing the record. */
  #dismiss(record: UnverifiedRecord, { ageMs }: Announcement): GossipVerdict | undefined {
    const held = this.#store.state.records.get(record.peer)
    if (held) {
      const order = compareRecords(record, held.record)
      // Learnt by sync before, perhaps; our neighbours may still need it. But what is passed on would go round once for
      // each node that does so: it ends where it is known, and whoever knows it has told its neighbours or will.
      if (order === 0) return ageMs === undefined ? 'accept' : 'ignore'
      if (order < 0) return this.#refuse('ignore', 'outdated')
    } else if (
      ageMs === undefined &&
      record.peer !== this.#store.catalog.value.me.peer &&
      record.stamp.beat < this.#clock.now() - this.#maxDriftMs
    ) {
      // Of a peer that we have forgotten and that somebody replays, or of one whose clock is behind. A sync
      // tells them apart, because it says how long ago the peer was heard; so does who passes on what a sync has brought.
      this.#onDoubt()
      return this.#refuse('ignore', 'past')
    }
    return undefined
  }

  /** @throws RecordError */
  #judge(
    unverified: UnverifiedRecord,
    { content, ageMs = 0 }: Announcement,
    from: PeerId,
    now: number,
  ): GossipVerdict {
    const header = this.#reader.verify(unverified)
    if (!this.#authors.tryTake(header.peer, now)) return this.#refuse('ignore', 'rate')
    if (this.#store.refuse(header, ageMs)) return 'ignore'
    const record = this.#reader.complete(header, content, this.#store.state.records.get(header.peer)?.record)
    if (record) return this.#store.take(record, 'gossip', ageMs) === undefined ? 'accept' : 'ignore'
    if (header.kind === 'entry') this.#onLacking({ header, heardAtMs: now - ageMs, via: 'gossip' }, from)
    // Passed on all the same: others may have the content, and nobody shall depend on whether we can get it.
    return 'accept'
  }

  /** @throws RecordError */
  #wholeOf(unverified: UnverifiedRecord, { content }: Announcement): SignedRecord | undefined {
    const header = this.#reader.verify(unverified)
    return this.#reader.complete(header, content, this.#store.state.records.get(header.peer)?.record)
  }

  #refuse(verdict: GossipVerdict, reason: string): GossipVerdict {
    this.#metrics.rejected.add(1, { reason })
    return verdict
  }
}
