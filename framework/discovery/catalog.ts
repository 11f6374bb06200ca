import type { PeerId } from '#framework/primitives'
import { compareVersions, type PeerEntry } from './entry.js'
import { PeerMap } from './peer-map.js'
import { compareRecords, type EntryRecord, type SignedHeader, type SignedRecord } from './signed-record.js'

/** The peers of a network as one node knows them at one moment. Immutable; a later moment is another catalog. */
export interface Catalog {
  /** What this node says about itself. */
  readonly me: PeerEntry
  /** Every other live peer, in the order of peer ids. */
  readonly peers: ReadonlyMap<PeerId, PeerEntry>
  /** Those of `peers` that were inserted by hand and that no signature backs. */
  readonly unsigned: ReadonlySet<PeerId>
  /** How many other peers there are. */
  readonly size: number
  /** The entry of a peer, this node included. */
  get(peer: PeerId): PeerEntry | undefined
  /** The peers, this node included, that are not what they were in an earlier catalog of this node. */
  changedSince(earlier: Catalog): readonly PeerId[]
}

/** The rules by which records are taken in and let go. */
export interface CatalogRules {
  /** How long an entry lives after the last sign of life of its peer, in milliseconds. */
  readonly purgeAfterMs: number
  /**
   * How long a departure is remembered, in milliseconds. Longer than any live record of the peer can still be around,
   * which is `purgeAfterMs`; otherwise a peer that missed the departure would bring the departed one back.
   */
  readonly tombstoneMs: number
  /** How far ahead of our clock a record may be stamped, in milliseconds. */
  readonly maxDriftMs: number
  /** How many records are held, departures included. */
  readonly recordsMax: number
  /** How many bytes the contents of all entries may take. */
  readonly contentBytesMax: number
}

/** A record, and when its peer last gave a sign of life. */
export interface HeldRecord {
  readonly record: SignedRecord
  /** On our monotonic clock. The author's clock plays no part in it. */
  readonly heardAtMs: number
  /** When we lost the peer: it could not be reached any more. On our monotonic clock; absent for all others. */
  readonly lostAtMs?: number
}

/** All that discovery knows. Persistent: functions of this file return a new state and leave the old one as it was. */
export interface CatalogState {
  /** The newest record of each other peer: entries, and departures as tombstones. */
  readonly records: PeerMap<HeldRecord>
  readonly catalog: Snapshot
}

/**
 * Why a peer is no longer in the catalog: it said goodbye; it gave no sign of life for too long; its connection ended
 * without a word and it could not be reached again; it had been inserted by hand and was removed.
 */
export type DepartureCause = 'graceful' | 'stale' | 'lost' | 'removed'

/**
 * For how long after a loss news of the same life of the peer is taken for what it had said before, in milliseconds: the
 * last words of a peer that was killed may still be going round.
 */
const ECHO_MS = 2_000

/** What others can notice of a change. */
export type CatalogChange =
  | { readonly type: 'discovered' | 'updated'; readonly entry: PeerEntry }
  | {
      readonly type: 'departed'
      readonly peer: PeerId
      readonly entry?: PeerEntry
      readonly cause: DepartureCause
    }

/** Why a record was not taken in. */
export type MergeRefusal =
  /** It is the very record we hold. */
  | 'duplicate'
  /** We hold a later one. */
  | 'outdated'
  /** It is about ourselves, and only we decide what we say. */
  | 'own'
  /** It is of another network. */
  | 'network'
  /** It is stamped too far ahead of our clock. */
  | 'future'
  /** Its peer gave no sign of life for so long that the entry would have to be purged. */
  | 'stale'
  /** There is no room for another peer, or for all that it says. */
  | 'full'

/** The moment of a merge. */
export interface MergeMoment {
  /** Unix milliseconds. */
  readonly nowMs: number
  readonly monotonicMs: number
  /**
   * How long ago the peer gave the sign of life that the record is, as far as whoever brought the record knows.
   * Ages add up along the way, so that a dead peer is forgotten by all at about the same time and does not go round
   * for ever from those who still hold it to those who have just let go.
   */
  readonly ageMs: number
}

export interface MergeResult {
  readonly state: CatalogState
  /** Absent when nobody needs to know: the record was refused, or is only a sign of life. */
  readonly change?: CatalogChange
  readonly refused?: MergeRefusal
}

export function emptyState(me: PeerEntry): CatalogState {
  return {
    records: PeerMap.empty<HeldRecord>(({ record }) => (record.kind === 'entry' ? record.contentBytes : 0)),
    catalog: new Snapshot({ me, peers: PeerMap.empty(), unsigned: new Set() }),
  }
}

/** The state with what this node says about itself. */
export function withMe(state: CatalogState, me: PeerEntry): CatalogState {
  const { peers, unsigned } = state.catalog
  return { records: state.records, catalog: new Snapshot({ me, peers, unsigned }) }
}

/** Why a record will not be taken in, whatever its content; nothing when it may be. */
export function refusalOf(
  state: CatalogState,
  record: SignedHeader,
  moment: MergeMoment,
  rules: CatalogRules,
): MergeRefusal | undefined {
  const { me } = state.catalog
  if (record.network !== me.network) return 'network'
  if (record.peer === me.peer) return 'own'
  if (record.stamp.beat > moment.nowMs + rules.maxDriftMs) return 'future'
  const held = state.records.get(record.peer)
  if (held) {
    const order = compareRecords(record, held.record)
    if (order === 0) return 'duplicate'
    if (order < 0) return 'outdated'
  }
  const lifetimeMs = record.kind === 'entry' ? rules.purgeAfterMs : rules.tombstoneMs
  return moment.ageMs >= lifetimeMs ? 'stale' : undefined
}

/**
 * Takes in a record if it outranks the one we hold of that peer. For records that are not refused for their time or
 * for want of room the outcome is the greatest record of each peer: merging commutes, associates and is idempotent, so
 * that catalogs converge whatever the order in which records arrive, and however often.
 */
export function merge(
  state: CatalogState,
  record: SignedRecord,
  moment: MergeMoment,
  rules: CatalogRules,
): MergeResult {
  const refused = refusalOf(state, record, moment, rules)
  if (refused) return { state, refused }
  const { peer } = record
  const held = state.records.get(peer)
  const room = held ? state.records : withRoomForOne(state.records, rules.recordsMax)
  if (!room) return { state, refused: 'full' }

  const heardAtMs = Math.max(moment.monotonicMs - Math.max(0, moment.ageMs), held?.heardAtMs ?? -Infinity)
  const records = room.with(peer, { record, heardAtMs })
  if (records.weight > Math.max(rules.contentBytesMax, room.weight)) return { state, refused: 'full' }
  if (record.kind === 'entry' && held?.lostAtMs !== undefined && isEcho(record, held, heardAtMs)) {
    const { lostAtMs } = held
    return { state: { records: room.with(peer, { record, heardAtMs, lostAtMs }), catalog: state.catalog } }
  }
  if (record.kind === 'entry' && isSignOfLife(record, held)) {
    return { state: { records, catalog: state.catalog } }
  }
  return changed(
    records,
    state,
    record.kind === 'entry'
      ? withEntry(state.catalog, record.entry)
      : withoutEntry(state.catalog, peer, 'graceful'),
  )
}

/**
 * Adds an entry that no signature backs, for this node alone: it is never told to others, and never purged. Refused
 * for ourselves, for another network, and while a signed entry of the peer is held.
 */
export function insertUnsigned(state: CatalogState, entry: PeerEntry): MergeResult {
  const { me, peers, unsigned } = state.catalog
  if (entry.network !== me.network) return { state, refused: 'network' }
  if (entry.peer === me.peer) return { state, refused: 'own' }
  const known = peers.get(entry.peer)
  if (known && !unsigned.has(entry.peer)) return { state, refused: 'outdated' }
  if (known && compareVersions(entry.version, known.version) <= 0) return { state, refused: 'outdated' }
  const { live, change } = withEntry(state.catalog, entry)
  return changed(state.records, state, {
    live: { ...live, unsigned: new Set([...unsigned, entry.peer]) },
    change,
  })
}

/** Removes an entry that no signature backs. No change when there is none. */
export function removeUnsigned(state: CatalogState, peer: PeerId): MergeResult {
  if (!state.catalog.unsigned.has(peer)) return { state }
  return changed(state.records, state, withoutEntry(state.catalog, peer, 'removed'))
}

/**
 * Takes a peer out of the catalog that could not be reached any more. What it said is kept, and it is back as soon as
 * anybody has heard it later than this, or by {@link revive}. No change when it is not there, or was never signed.
 */
export function lose(state: CatalogState, peer: PeerId, monotonicMs: number): MergeResult {
  const held = state.records.get(peer)
  if (held?.record.kind !== 'entry' || held.lostAtMs !== undefined) return { state }
  const records = state.records.with(peer, { ...held, lostAtMs: monotonicMs })
  return changed(records, state, withoutEntry(state.catalog, peer, 'lost'))
}

/** Brings back a peer that was lost, because it has been reached. No change when it was not. */
export function revive(state: CatalogState, peer: PeerId, monotonicMs: number): MergeResult {
  const held = state.records.get(peer)
  if (held?.record.kind !== 'entry' || held.lostAtMs === undefined) return { state }
  const { record } = held
  const records = state.records.with(peer, { record, heardAtMs: monotonicMs })
  return changed(records, state, withEntry(state.catalog, record.entry))
}

/** Lets go of the entries whose peers gave no sign of life for too long, and of departures that nobody can miss any more. */
export function purge(
  state: CatalogState,
  monotonicMs: number,
  rules: CatalogRules,
): { state: CatalogState; changes: readonly CatalogChange[] } {
  const changes: CatalogChange[] = []
  let current = state
  for (const [peer, held] of state.records) {
    if (expiryMsOf(held, rules) > monotonicMs) continue
    const records = current.records.without(peer)
    const outcome =
      held.record.kind === 'entry' ? withoutEntry(current.catalog, peer, 'stale') : { live: current.catalog }
    const result = changed(records, current, outcome)
    if (result.change) changes.push(result.change)
    current = result.state
  }
  return { state: current, changes }
}

/** When, on the monotonic clock, {@link purge} has something to do next; Infinity when never. */
export function nextExpiryMs(state: CatalogState, rules: CatalogRules): number {
  let next = Infinity
  for (const held of state.records.values()) next = Math.min(next, expiryMsOf(held, rules))
  return next
}

function changed(
  records: PeerMap<HeldRecord>,
  before: CatalogState,
  outcome: { readonly live: Live; readonly change?: CatalogChange },
): MergeResult {
  if (!outcome.change) return { state: { records, catalog: before.catalog } }
  return { state: { records, catalog: new Snapshot(outcome.live) }, change: outcome.change }
}

interface Live {
  readonly me: PeerEntry
  readonly peers: PeerMap<PeerEntry>
  readonly unsigned: ReadonlySet<PeerId>
}

class Snapshot implements Catalog, Live {
  readonly me: PeerEntry
  readonly peers: PeerMap<PeerEntry>
  readonly unsigned: ReadonlySet<PeerId>

  constructor({ me, peers, unsigned }: Live) {
    this.me = me
    this.peers = peers
    this.unsigned = unsigned
  }

  get size(): number {
    return this.peers.size
  }

  get(peer: PeerId): PeerEntry | undefined {
    return peer === this.me.peer ? this.me : this.peers.get(peer)
  }

  changedSince(earlier: Snapshot): readonly PeerId[] {
    // Most often it is this node alone that says something else.
    const peers = this.peers === earlier.peers ? [] : this.peers.changedSince(earlier.peers)
    return earlier.me === this.me ? peers : [this.me.peer, ...peers]
  }
}

function withEntry(live: Live, entry: PeerEntry): { live: Live; change: CatalogChange } {
  const { me, peers, unsigned } = live
  return {
    live: { me, peers: peers.with(entry.peer, entry), unsigned: without(unsigned, entry.peer) },
    change: { type: peers.has(entry.peer) ? 'updated' : 'discovered', entry },
  }
}

function withoutEntry(
  live: Live,
  peer: PeerId,
  cause: DepartureCause,
): { live: Live; change?: CatalogChange } {
  const { me, peers, unsigned } = live
  const entry = peers.get(peer)
  if (!entry) return { live }
  return {
    live: { me, peers: peers.without(peer), unsigned: without(unsigned, peer) },
    change: { type: 'departed', peer, entry, cause },
  }
}

/** A record that only shows that its peer is alive: what it says was known already. */
function isSignOfLife(record: EntryRecord, held: HeldRecord | undefined): boolean {
  return (
    held?.record.kind === 'entry' &&
    held.lostAtMs === undefined &&
    compareVersions(held.record.stamp, record.stamp) === 0 &&
    held.record.contentDigest === record.contentDigest
  )
}

/** Whether news of a lost peer may be no more than what it said before we lost it. Of a later start it never is. */
function isEcho(record: EntryRecord, held: HeldRecord, heardAtMs: number): boolean {
  if (held.lostAtMs === undefined || record.stamp.run !== held.record.stamp.run) return false
  return heardAtMs < held.lostAtMs + ECHO_MS
}

function expiryMsOf({ record, heardAtMs }: HeldRecord, rules: CatalogRules): number {
  return heardAtMs + (record.kind === 'entry' ? rules.purgeAfterMs : rules.tombstoneMs)
}

/**
 * The records, with room for one more. Departures give way, the oldest first: forgetting one too early can at worst
 * bring a departed peer back until it is purged.
 */
function withRoomForOne(records: PeerMap<HeldRecord>, recordsMax: number): PeerMap<HeldRecord> | undefined {
  if (records.size < recordsMax) return records
  let oldest: { peer: PeerId; heardAtMs: number } | undefined
  for (const [peer, { record, heardAtMs }] of records) {
    if (record.kind === 'departure' && heardAtMs < (oldest?.heardAtMs ?? Infinity))
      oldest = { peer, heardAtMs }
  }
  return oldest && records.without(oldest.peer)
}

function without(set: ReadonlySet<PeerId>, peer: PeerId): ReadonlySet<PeerId> {
  if (!set.has(peer)) return set
  return new Set([...set].filter((other) => other !== peer))
}
