import type { Identity } from '#framework/network'
import { MosaikError, equalBytes, type Digest, type NetworkId } from '#framework/primitives'
import { encodeContent, normalizeContent, type EntryContent, type PeerEntry } from './entry.js'
import {
  CONTENT_BYTES_MAX,
  compareStamps,
  entryOf,
  signDeparture,
  signEntry,
  type DepartureRecord,
  type EntryRecord,
  type SignedHeader,
  type SignedRecord,
  type Stamp,
} from './signed-record.js'

/**
 * What a record of our own identity that we did not just write tells us: that it is older than what we say now, that
 * an earlier process of ours had a clock ahead of ours, or that another process is using our identity right now.
 */
export type OwnRecordMeaning = 'past' | 'earlier-life' | 'duplicate-identity'

/** How many of our latest records we can recognise. */
const REMEMBERED_MAX = 64

/**
 * What this node says about itself: the one entry of the catalog that only we decide. Pure: is told the time, and
 * makes records without sending them.
 */
export class OwnEntry {
  readonly #identity: Identity
  readonly #network: NetworkId
  #content: EntryContent
  #encoded: Uint8Array
  #stamp: Stamp
  #supersedes: Digest | undefined
  #entry: PeerEntry
  #record: (EntryRecord & SignedRecord) | undefined
  readonly #recent = new Set<Digest>()
  #departed = false

  /** @throws MosaikError `DISCOVERY_ENTRY_TOO_LARGE` or `DISCOVERY_ENTRY_INVALID`. */
  constructor(identity: Identity, network: NetworkId, content: EntryContent, nowMs: number) {
    this.#identity = identity
    this.#network = network
    this.#content = normalizeContent(content)
    this.#encoded = encodeContent(this.#content)
    this.#stamp = { run: nowMs, update: nowMs, beat: nowMs }
    this.#entry = this.#describe()
    this.#sign()
  }

  get entry(): PeerEntry {
    return this.#entry
  }

  /** The current record. Signed when it is first asked for after a change, so that many changes cost one signature. */
  get record(): EntryRecord & SignedRecord {
    return this.#record ?? this.#sign()
  }

  /**
   * Changes what we say. False, and no new version, when nothing is different.
   *
   * @throws MosaikError `DISCOVERY_ENTRY_TOO_LARGE` or `DISCOVERY_ENTRY_INVALID`; nothing has changed then.
   */
  change(changes: Partial<EntryContent>, nowMs: number): boolean {
    if (Object.keys(changes).length === 0) return false
    const content = normalizeContent({ ...this.#content, ...changes })
    const encoded = encodeContent(content)
    if (equalBytes(encoded, this.#encoded)) return false
    assertFits(encoded)
    this.#content = content
    this.#encoded = encoded
    const update = this.#later(nowMs)
    this.#restamp({ run: this.#stamp.run, update, beat: update })
    return true
  }

  /** A sign of life: the same entry in a record that outranks the last one. */
  beat(nowMs: number): EntryRecord & SignedRecord {
    const { run, update } = this.#stamp
    this.#restamp({ run, update, beat: this.#later(nowMs) })
    return this.record
  }

  /** The farewell. Its version is strictly later than any that was announced, so that nobody can hold it for old. */
  depart(nowMs: number): DepartureRecord & SignedRecord {
    this.#departed = true
    const update = this.#later(nowMs)
    return signDeparture(this.#identity, {
      network: this.#network,
      stamp: { run: this.#stamp.run, update, beat: update },
    })
  }

  /**
   * What it means that somebody holds this record of ours. Proof of another living process is a record that we
   * cannot have made in an earlier life: one of our own run that is not ours, or one that was made to supersede a record
   * which only this process has published.
   */
  judge(record: SignedHeader): OwnRecordMeaning {
    // Once we have said goodbye, what comes back is our own farewell, and nothing is worth contradicting any more.
    if (this.#departed || this.#recent.has(record.digest)) return 'past'
    if (compareStamps(record.stamp, this.#stamp) < 0) return 'past'
    const supersedesOurs =
      record.kind === 'entry' && record.supersedes !== undefined && this.#recent.has(record.supersedes)
    return supersedesOurs || record.stamp.run === this.#stamp.run ? 'duplicate-identity' : 'earlier-life'
  }

  /** Speaks again, so as to outrank a record of our identity that another process made. */
  outrank(record: SignedHeader, nowMs: number): void {
    const run = Math.max(this.#stamp.run, record.stamp.run) + 1
    const update = Math.max(run, nowMs)
    this.#supersedes = record.digest
    this.#restamp({ run, update, beat: update })
  }

  #later(nowMs: number): number {
    return Math.max(nowMs, this.#stamp.beat + 1)
  }

  #restamp(stamp: Stamp): void {
    this.#stamp = stamp
    this.#entry = this.#describe()
    this.#record = undefined
  }

  #describe(): PeerEntry {
    const head = { network: this.#network, peer: this.#identity.peerId, stamp: this.#stamp }
    return entryOf(head, this.#content)
  }

  #sign(): EntryRecord & SignedRecord {
    assertFits(this.#encoded)
    const record = signEntry(this.#identity, {
      network: this.#network,
      stamp: this.#stamp,
      content: this.#encoded,
      entry: this.#entry,
      ...(this.#supersedes !== undefined && { supersedes: this.#supersedes }),
    })
    this.#record = record
    this.#recent.add(record.digest)
    if (this.#recent.size > REMEMBERED_MAX) {
      const [oldest] = this.#recent
      if (oldest !== undefined) this.#recent.delete(oldest)
    }
    return record
  }
}

/**
 * Refuses what others would not take. Better an error for whoever makes the change than an entry that silently stops
 * to spread.
 */
function assertFits(content: Uint8Array): void {
  if (content.length <= CONTENT_BYTES_MAX) return
  throw new MosaikError(
    'DISCOVERY_ENTRY_TOO_LARGE',
    `what a node says about itself takes at most ${CONTENT_BYTES_MAX} bytes, this would take ${content.length}: offer fewer streams, show fewer tickets, or use fewer and shorter tags`,
    { details: { bytes: content.length, bytesMax: CONTENT_BYTES_MAX } },
  )
}
