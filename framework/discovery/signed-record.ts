import { z } from 'zod'
import { verifySignature, type Identity } from '#framework/network'
import {
  MosaikError,
  bytesOf,
  codeOf,
  concatBytes,
  decode,
  encode,
  hashBytes,
  type Digest,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import { compareVersions, decodeContent, type EntryContent, type PeerEntry } from './entry.js'
import { digestBytesSchema, peerIdBytesSchema } from './wire-schemas.js'

/**
 * When a record was made, by its author's own count, in Unix milliseconds pushed forward where needed so that they only
 * ever grow. Compared in this order. `run` and `update` are the entry's version; `beat` moves with every record, so
 * that a sign of life outranks the record before it although it says the same. Always `run <= update <= beat`.
 */
export interface Stamp {
  readonly run: number
  readonly update: number
  readonly beat: number
}

interface RecordHead {
  readonly network: NetworkId
  readonly peer: PeerId
  readonly stamp: Stamp
  /** The header as it travels: signature, then what is signed. Never changed, never encoded anew. */
  readonly bytes: Uint8Array
  /** BLAKE3 of `bytes`: tells apart two records of one stamp. */
  readonly digest: Digest
}

/**
 * That a peer is alive and says something about itself, but not what: the part of an entry that is signed and always
 * travels. What it says, the content, is named by its digest, and travels along, or is known, or is fetched.
 */
export interface EntryHeader extends RecordHead {
  readonly kind: 'entry'
  /** BLAKE3 of the encoded content. */
  readonly contentDigest: Digest
  /** How long the encoded content is. */
  readonly contentBytes: number
  /** Digest of a record of the same identity that another process published, and this one was made to outrank. */
  readonly supersedes?: Digest
}

/** What a peer says about itself: header and content. */
export interface EntryRecord extends EntryHeader {
  readonly entry: PeerEntry
  /** The encoded content: equal bytes are equal content. */
  readonly content: Uint8Array
}

/** A peer's farewell. Its stamp is later than that of anything the peer had said before. */
export interface DepartureRecord extends RecordHead {
  readonly kind: 'departure'
}

declare const verified: unique symbol

/** Its signature was checked against the peer it is about. There is no other way to have one. */
interface Verified {
  readonly [verified]: true
}

/** A record that may lack its content. */
export type SignedHeader = (EntryHeader | DepartureRecord) & Verified

/** A whole record. */
export type SignedRecord = (EntryRecord | DepartureRecord) & Verified

/** A header whose claims nobody has checked yet. Good for refusing, never for believing. */
export interface UnverifiedRecord extends Omit<RecordHead, 'network'> {
  readonly kind: 'entry' | 'departure'
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  /** Of an entry alone. */
  readonly content?: { readonly digest: Digest; readonly bytes: number }
  readonly supersedes?: Digest
}

/**
 * Bytes that are no acceptable record. Codes: `RECORD_TOO_LARGE`, `RECORD_MALFORMED` (not of the shape of a record),
 * `RECORD_KIND_UNKNOWN` (of a kind that a later version may have), `RECORD_SIGNATURE` (not signed by its peer, or for
 * another network), `RECORD_CONTENT` (content that is not the one that the header names).
 */
export class RecordError extends MosaikError {
  declare readonly code:
    'RECORD_TOO_LARGE' | 'RECORD_MALFORMED' | 'RECORD_KIND_UNKNOWN' | 'RECORD_SIGNATURE' | 'RECORD_CONTENT'
}

/** The reason of a {@link RecordError} as it is counted. */
export function rejectionOf(error: unknown): 'size' | 'kind' | 'signature' | 'content' | 'malformed' {
  return rejections.get(codeOf(error) ?? '') ?? 'malformed'
}

const rejections = new Map<string, 'size' | 'kind' | 'signature' | 'content'>([
  ['RECORD_TOO_LARGE', 'size'],
  ['RECORD_KIND_UNKNOWN', 'kind'],
  ['RECORD_SIGNATURE', 'signature'],
  ['RECORD_CONTENT', 'content'],
])

/** The longest header, signature included: about 170 bytes are used, the rest is for later versions. */
export const HEADER_BYTES_MAX = 512

/**
 * The longest content: room for about 400 stream offers, or 40 tickets of 1 KiB. With its header and the shape of a stream
 * (16 KiB) it fits into the opening of a link, which has 64 KiB.
 */
export const CONTENT_BYTES_MAX = 44 * 1024

const SIGNATURE_BYTES = 64

/**
 * Signed in front of every header, followed by the network's id, so that a signature made for another purpose or another
 * network can never pass for a record. Neither travels: whoever gets a record is in the network.
 */
const DOMAIN = new TextEncoder().encode('mosaik/discovery/record/2\n')

/** Below the largest exact integer, so that an author has room to outrank any stamp that was ever accepted. */
const TIME_MAX = Number.MAX_SAFE_INTEGER - 2 ** 31

/** Negative, zero or positive, like every comparison: the smaller stamp is the older one. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.run - b.run || a.update - b.update || a.beat - b.beat
}

/** A total order of one peer's records: by stamp, and by digest where an author has used one stamp twice. */
export function compareRecords(
  a: { stamp: Stamp; digest: Digest },
  b: { stamp: Stamp; digest: Digest },
): number {
  return compareStamps(a.stamp, b.stamp) || (a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0)
}

/**
 * Signs what the identity's node says about itself. `content` must come from `encodeContent`.
 *
 * @param claim With `entry` where that is at hand already: then the content need not be read to make it.
 */
export function signEntry(
  identity: Identity,
  claim: { network: NetworkId; stamp: Stamp; content: Uint8Array; supersedes?: Digest; entry?: PeerEntry },
): EntryRecord & SignedRecord {
  const { network, stamp, content, supersedes, entry } = claim
  const header = sign(identity, network, [
    'entry',
    bytesOf(identity.peerId),
    ...timesOf(stamp),
    bytesOf(hashBytes(content)),
    content.length,
    supersedes === undefined ? null : bytesOf(supersedes),
  ])
  const signed = header as EntryHeader & SignedHeader
  return entry === undefined ? withContent(signed, content) : Object.freeze({ ...signed, entry, content })
}

/** Signs the farewell of the identity's node. */
export function signDeparture(
  identity: Identity,
  claim: { network: NetworkId; stamp: Stamp },
): DepartureRecord & SignedRecord {
  const header = sign(identity, claim.network, [
    'departure',
    bytesOf(identity.peerId),
    ...timesOf(claim.stamp),
  ])
  return header as DepartureRecord & SignedRecord
}

/**
 * Reads what a header claims, without believing any of it: enough to refuse most of what need not be verified.
 *
 * @throws RecordError `RECORD_TOO_LARGE`, `RECORD_MALFORMED` or `RECORD_KIND_UNKNOWN`.
 */
export function parseRecord(received: Uint8Array): UnverifiedRecord {
  if (received.length > HEADER_BYTES_MAX) {
    throw new RecordError(
      'RECORD_TOO_LARGE',
      `the header of a record has at most ${HEADER_BYTES_MAX} bytes, this one has ${received.length}`,
    )
  }
  // A copy of its own, because a received record is often a small part of a large frame that it would keep alive.
  const bytes = received.slice()
  const signed = bytes.subarray(SIGNATURE_BYTES)
  const value = malformedUnless(() => decode(signed))
  const [kind] = malformedUnless(() => kindSchema.parse(value))
  if (kind !== 'entry' && kind !== 'departure') {
    throw new RecordError('RECORD_KIND_UNKNOWN', 'a record of a kind that this version does not know')
  }
  const head = { bytes, digest: hashBytes(bytes), signed, signature: bytes.subarray(0, SIGNATURE_BYTES) }
  if (kind === 'departure') {
    return { kind, ...head, ...malformedUnless(() => departureSchema.parse(value)) }
  }
  const body = malformedUnless(() => entrySchema.parse(value))
  if (body.content.bytes > CONTENT_BYTES_MAX) {
    throw new RecordError(
      'RECORD_TOO_LARGE',
      `the content of an entry has at most ${CONTENT_BYTES_MAX} bytes, this one has ${body.content.bytes}`,
    )
  }
  return { kind, ...head, ...body }
}

/**
 * Checks the signature.
 *
 * @throws RecordError `RECORD_SIGNATURE`.
 */
export function verifyRecord(record: UnverifiedRecord, network: NetworkId): SignedHeader {
  if (!verifySignature(record.peer, toSign(network, record.signed), record.signature)) {
    throw new RecordError('RECORD_SIGNATURE', 'a record that was not signed by the peer it is about', {
      details: { peer: record.peer },
    })
  }
  return headerOf(record, network)
}

/** What a header says. The caller knows that the signature is good: it has checked it, or made it. */
function headerOf(record: UnverifiedRecord, network: NetworkId): SignedHeader {
  const { peer, stamp, bytes, digest, content, supersedes } = record
  const head = { network, peer, stamp, bytes, digest }
  if (content === undefined) return Object.freeze({ kind: 'departure', ...head }) as SignedHeader
  return Object.freeze({
    kind: 'entry',
    ...head,
    contentDigest: content.digest,
    contentBytes: content.bytes,
    ...(supersedes !== undefined && { supersedes }),
  }) as SignedHeader
}

/**
 * The whole record, of a header and its content.
 *
 * @throws RecordError `RECORD_CONTENT` when the header names another content, `RECORD_MALFORMED` when its peer has signed
 *   what is no content.
 */
export function withContent(
  header: EntryHeader & SignedHeader,
  received: Uint8Array,
): EntryRecord & SignedRecord {
  if (received.length !== header.contentBytes || hashBytes(received) !== header.contentDigest) {
    throw new RecordError('RECORD_CONTENT', 'content that is not the one its record names', {
      details: { peer: header.peer },
    })
  }
  const content = received.slice()
  const entry = malformedUnless(() => entryOf(header, decodeContent(content)))
  return Object.freeze({ ...header, entry, content })
}

/** The whole record, of a header and an earlier record with the same content, which need not be read again. */
export function continued(
  header: EntryHeader & SignedHeader,
  earlier: EntryRecord,
): EntryRecord & SignedRecord {
  const { content, entry } = earlier
  if (compareVersions(entry.version, header.stamp) === 0) return Object.freeze({ ...header, entry, content })
  const { run, update } = header.stamp
  const version = Object.freeze({ run, update })
  return Object.freeze({ ...header, entry: Object.freeze({ ...entry, version }), content })
}

/** The entry that content makes together with what the record says of its author. */
export function entryOf(
  head: { readonly network: NetworkId; readonly peer: PeerId; readonly stamp: Stamp },
  content: EntryContent,
): PeerEntry {
  const { run, update } = head.stamp
  return Object.freeze({
    network: head.network,
    peer: head.peer,
    version: Object.freeze({ run, update }),
    ...content,
  })
}

const timeSchema = z.int().min(0).max(TIME_MAX)

const kindSchema = z.tuple([z.string()], z.unknown())

// Tuples instead of maps: every node says this again and again, and the names of fields would be a quarter of the bytes.
const departureSchema = z
  .tuple([z.literal('departure'), peerIdBytesSchema, timeSchema, timeSchema, timeSchema], z.unknown())
  .transform(([, peer, run, update, beat]) => ({ peer, stamp: { run, update, beat } }))
  .refine(({ stamp }) => isOrdered(stamp), 'a stamp is run <= update <= beat')

const entrySchema = z
  .tuple(
    [
      z.literal('entry'),
      peerIdBytesSchema,
      timeSchema,
      timeSchema,
      timeSchema,
      digestBytesSchema,
      z.int().min(0),
      digestBytesSchema.nullable(),
    ],
    z.unknown(),
  )
  .transform(([, peer, run, update, beat, digest, bytes, supersedes]) => ({
    peer,
    stamp: { run, update, beat },
    content: { digest, bytes },
    ...(supersedes !== null && { supersedes }),
  }))
  .refine(({ stamp }) => isOrdered(stamp), 'a stamp is run <= update <= beat')

function isOrdered({ run, update, beat }: Stamp): boolean {
  return run <= update && update <= beat
}

function timesOf({ run, update, beat }: Stamp): readonly number[] {
  return [run, update, beat]
}

function sign(identity: Identity, network: NetworkId, body: readonly unknown[]): SignedHeader {
  const signed = encode(body)
  const bytes = concatBytes(identity.sign(toSign(network, signed)), signed)
  return headerOf(parseRecord(bytes), network)
}

function toSign(network: NetworkId, signed: Uint8Array): Uint8Array {
  return concatBytes(DOMAIN, bytesOf(network), signed)
}

function malformedUnless<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new RecordError('RECORD_MALFORMED', 'bytes that are not a record', { cause: error })
  }
}
