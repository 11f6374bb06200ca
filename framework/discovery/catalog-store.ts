import {
  TokenBucket,
  Watch,
  shortId,
  type Clock,
  type Digest,
  type EventHub,
  type Logger,
  type PeerId,
  type ReadonlyWatch,
  type Timer,
} from '#framework/primitives'
import {
  emptyState,
  insertUnsigned,
  lose,
  merge,
  nextExpiryMs,
  purge,
  refusalOf,
  removeUnsigned,
  revive,
  withMe,
  type Catalog,
  type CatalogChange,
  type CatalogRules,
  type CatalogState,
  type MergeRefusal,
  type MergeResult,
} from './catalog.js'
import type { EntryContent, PeerEntry } from './entry.js'
import type { DiscoveryEvent, Via } from './events.js'
import type { DiscoveryMetrics } from './metrics.js'
import type { OwnEntry } from './own-entry.js'
import {
  compareRecords,
  type DepartureRecord,
  type SignedHeader,
  type SignedRecord,
} from './signed-record.js'

export interface CatalogStoreOptions {
  readonly own: OwnEntry
  readonly rules: CatalogRules
  readonly clock: Clock
  readonly events: EventHub<DiscoveryEvent>
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
  /** Told the addresses of a peer whenever its entry is new or has changed. */
  readonly learn: (peer: PeerId, addresses: readonly string[]) => void
}

/** A record, and how long ago its peer was heard, as far as whoever sent it knows. */
export interface ReceivedRecord {
  readonly record: SignedRecord
  readonly ageMs: number
}

/** How often a foreign claim to our identity is answered and reported: a few times at once, then every five seconds. */
const CLAIM_ANSWERS = { capacity: 4, perSecond: 0.2 }

/** How many peers with a wrong clock are remembered, so that each is reported once. */
const SKEWED_MAX = 256

/**
 * The one owner of the catalog. Everything here is synchronous: a record is judged, taken in, counted, and reported to
 * watchers and subscribers before the next one is looked at.
 */
export class CatalogStore {
  readonly #own: OwnEntry
  readonly #rules: CatalogRules
  readonly #clock: Clock
  readonly #events: EventHub<DiscoveryEvent>
  readonly #metrics: DiscoveryMetrics
  readonly #logger: Logger
  readonly #learn: (peer: PeerId, addresses: readonly string[]) => void
  readonly #catalog: Watch<Catalog>
  readonly #ownRecordDue = new Set<() => void>()
  readonly #skewed = new Set<PeerId>()
  readonly #claimAnswers: TokenBucket
  #state: CatalogState
  #purgeTimer: { timer: Timer; atMs: number } | undefined
  #closed = false

  constructor(options: CatalogStoreOptions) {
    this.#own = options.own
    this.#rules = options.rules
    this.#clock = options.clock
    this.#events = options.events
    this.#metrics = options.metrics
    this.#logger = options.logger
    this.#learn = options.learn
    this.#claimAnswers = new TokenBucket(CLAIM_ANSWERS, options.clock.monotonic())
    this.#state = emptyState(options.own.entry)
    this.#catalog = new Watch<Catalog>(this.#state.catalog)
  }

  get catalog(): ReadonlyWatch<Catalog> {
    return this.#catalog.asReadonly()
  }

  /** All that is known of others, tombstones included. */
  get state(): CatalogState {
    return this.#state
  }

  /** Our current record. */
  get ownRecord(): SignedRecord {
    return this.#own.record
  }

  /** Calls back, synchronously, whenever we have something new to say about ourselves. */
  onOwnChange(run: () => void): () => void {
    this.#ownRecordDue.add(run)
    return () => {
      this.#ownRecordDue.delete(run)
    }
  }

  /** Takes in one record, the sign of life of `ageMs` ago. */
  take(record: SignedRecord, via: Via, ageMs = 0): MergeRefusal | undefined {
    return this.takeAll([{ record, ageMs }], via).refusals[0]
  }

  /**
   * Takes in records; watchers of the catalog are woken once for all of them, and before any event is emitted.
   *
   * @returns For each record why it was refused, if it was; and those by which a peer became known or departed.
   */
  takeAll(
    received: readonly ReceivedRecord[],
    via: Via,
  ): { refusals: (MergeRefusal | undefined)[]; news: ReceivedRecord[] } {
    const changes: CatalogChange[] = []
    const news: ReceivedRecord[] = []
    const refusals = received.map(({ record, ageMs }) => {
      const moment = { nowMs: this.#clock.now(), monotonicMs: this.#clock.monotonic(), ageMs }
      const result = merge(this.#state, record, moment, this.#rules)
      this.#state = result.state
      if (result.change) {
        changes.push(result.change)
        if (result.change.type !== 'updated') news.push({ record, ageMs })
      }
      if (result.refused) this.#onRefused(record, result.refused, moment.nowMs)
      else this.#onTaken(record)
      return result.refused
    })
    this.#publish(changes, via)
    return { refusals, news }
  }

  /** Why a record will be refused whatever its content, if it will: counted and reported like a refusal of {@link take}. */
  refuse(header: SignedHeader, ageMs: number): MergeRefusal | undefined {
    const moment = { nowMs: this.#clock.now(), monotonicMs: this.#clock.monotonic(), ageMs }
    const refused = refusalOf(this.#state, header, moment, this.#rules)
    if (refused) this.#onRefused(header, refused, moment.nowMs)
    return refused
  }

  /** Whether we hold neither this record nor a later one of its peer. */
  lacks(header: SignedHeader): boolean {
    const held = this.#state.records.get(header.peer)
    return !held || compareRecords(header, held.record) > 0
  }

  /** The encoded content of that digest, when it is what we say, or what the peer has said last. */
  contentOf(peer: PeerId, digest: Digest): Uint8Array | undefined {
    const record = peer === this.#own.entry.peer ? this.#own.record : this.#state.records.get(peer)?.record
    return record?.kind === 'entry' && record.contentDigest === digest ? record.content : undefined
  }

  /** Changes what we say about ourselves. False when nothing is different. Errors as {@link OwnEntry.change}. */
  change(change: (entry: PeerEntry) => Partial<EntryContent>): boolean {
    if (!this.#own.change(change(this.#own.entry), this.#clock.now())) return false
    this.#onOwnChange()
    return true
  }

  /** A new record of ourselves that says the same. */
  beat(): SignedRecord {
    return this.#own.beat(this.#clock.now())
  }

  /** Our farewell. */
  depart(): DepartureRecord & SignedRecord {
    return this.#own.depart(this.#clock.now())
  }

  insert(entry: PeerEntry): boolean {
    const result = insertUnsigned(this.#state, entry)
    this.#state = result.state
    if (result.change) this.#publish([result.change], 'local')
    return result.change !== undefined
  }

  /** Removes entries that were inserted by hand. False when there were none. */
  removeUnsigned(peers: Iterable<PeerId>): boolean {
    const changes: CatalogChange[] = []
    for (const peer of peers) {
      const result = removeUnsigned(this.#state, peer)
      this.#state = result.state
      if (result.change) changes.push(result.change)
    }
    this.#publish(changes, 'local')
    return changes.length > 0
  }

  /** The peer cannot be reached any more. False when it was not in the catalog as a signed entry. */
  lose(peer: PeerId): boolean {
    return this.#apply(lose(this.#state, peer, this.#clock.monotonic()))
  }

  /** A peer that was lost has been reached. False when it was not lost. */
  revive(peer: PeerId): boolean {
    const isBack = this.#apply(revive(this.#state, peer, this.#clock.monotonic()))
    if (isBack) this.#purgeBy(nextExpiryMs(this.#state, this.#rules))
    return isBack
  }

  /** No more changes. Idempotent. */
  close(cause?: unknown): void {
    this.#closed = true
    this.#purgeTimer?.timer.cancel()
    this.#purgeTimer = undefined
    this.#ownRecordDue.clear()
    this.#catalog.end(cause)
    this.#events.end(cause)
  }

  #apply({ state, change }: MergeResult): boolean {
    this.#state = state
    if (change) this.#publish([change], 'local')
    return change !== undefined
  }

  #publish(changes: readonly CatalogChange[], via: Via): void {
    for (const change of changes) {
      if (change.type !== 'departed') this.#learn(change.entry.peer, change.entry.addresses)
    }
    // Watchers first: whoever reads the catalog after an event finds the event's change in it.
    this.#catalog.set(this.#state.catalog)
    for (const change of changes) {
      this.#count(change, via)
      this.#events.emit(change.type === 'departed' ? change : { ...change, via })
    }
  }

  #count(change: CatalogChange, via: Via): void {
    if (change.type === 'departed') this.#metrics.departed.add(1, { cause: change.cause })
    else if (change.type === 'discovered') this.#metrics.discovered.add(1, { via })
    else this.#metrics.updated.add(1, { via })
  }

  #onTaken(record: SignedRecord): void {
    this.#skewed.delete(record.peer)
    const lifetimeMs = record.kind === 'entry' ? this.#rules.purgeAfterMs : this.#rules.tombstoneMs
    const heardAtMs = this.#state.records.get(record.peer)?.heardAtMs
    if (heardAtMs !== undefined) this.#purgeBy(heardAtMs + lifetimeMs)
  }

  #onRefused(record: SignedHeader, refused: MergeRefusal, nowMs: number): void {
    if (refused === 'own') return this.#onOwnRecord(record)
    // The same record by two ways is how gossip and sync work, and nothing that was lost.
    if (refused === 'duplicate') return
    this.#metrics.rejected.add(1, { reason: refused })
    if (refused === 'future') this.#onFuture(record, record.stamp.beat - nowMs)
  }

  #onFuture({ peer }: SignedHeader, aheadMs: number): void {
    if (this.#skewed.has(peer) || this.#skewed.size >= SKEWED_MAX) return
    this.#skewed.add(peer)
    this.#logger.warn('the clock of a peer is ahead of ours, or ours is behind: its records are refused', {
      peer: shortId(peer),
      aheadMs,
    })
    this.#events.emit({ type: 'clock-skewed', peer, aheadMs })
  }

  /** Somebody holds a record of our identity. What we say about ourselves is never replaced by it. */
  #onOwnRecord(record: SignedHeader): void {
    const meaning = this.#own.judge(record)
    if (meaning === 'past' || !this.#claimAnswers.tryTake(this.#clock.monotonic())) return
    if (meaning === 'duplicate-identity') {
      this.#logger.error('another process uses the identity of this node: give each its own', {
        peer: shortId(record.peer),
      })
      this.#metrics.duplicateIdentities.add()
      this.#events.emit({ type: 'duplicate-identity', peer: record.peer })
    }
    this.#own.outrank(record, this.#clock.now())
    this.#onOwnChange()
  }

  #onOwnChange(): void {
    this.#state = withMe(this.#state, this.#own.entry)
    this.#catalog.set(this.#state.catalog)
    for (const run of this.#ownRecordDue) run()
  }

  #purgeBy(atMs: number): void {
    if (this.#closed || atMs === Infinity || (this.#purgeTimer && this.#purgeTimer.atMs <= atMs)) return
    this.#purgeTimer?.timer.cancel()
    const timer = this.#clock.after(Math.max(0, atMs - this.#clock.monotonic()), () => this.#purge())
    this.#purgeTimer = { timer, atMs }
  }

  #purge(): void {
    this.#purgeTimer = undefined
    const { state, changes } = purge(this.#state, this.#clock.monotonic(), this.#rules)
    this.#state = state
    this.#publish(changes, 'local')
    this.#purgeBy(nextExpiryMs(state, this.#rules))
  }
}
