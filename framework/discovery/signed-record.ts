import { z } from 'zod'
import { verifySignature, type Identity } from '#framework/network'
import {
  MosaikError,
  bytesOf,
  concatBytes,
  decode,
  encode,
  hashBytes,
  isMosaikError,
  peerIdFromRaw,
  type Digest,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import { decodeContent, digestBytesSchema, type EntryContent, type PeerEntry } from './entry.js'

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
  /** The record as it travels: signature, then the signed bytes. Never changed, never encoded anew. */
  readonly bytes: Uint8Array
  /** BLAKE3 of `bytes`: tells apart two records of one stamp. */
  readonly digest: Digest
}

/** What a peer says about itself, as it was signed. */
export interface EntryRecord extends RecordHead {
  readonly kind: 'entry'
  readonly entry: PeerEntry
  /** The encoded content: equal bytes are equal content. */
  readonly content: Uint8Array
  /** Digest of a record of the same identity that another process published, and this one was made to outrank. */
  readonly supersedes?: Digest
}

/** A peer's farewell. Its stamp is later than that of anything the peer had said before. */
export interface DepartureRecord extends RecordHead {
  readonly kind: 'departure'
}

declare const verified: unique symbol

/** A record whose signature was checked against the peer it is about. There is no other way to have one. */
export type SignedRecord = (EntryRecord | DepartureRecord) & { readonly [verified]: true }

/** A record whose claims nobody has checked yet. Good for refusing, never for believing. */
export interface UnverifiedRecord extends RecordHead {
  readonly kind: 'entry' | 'departure'
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  readonly content: Uint8Array | undefined
  readonly supersedes: Digest | undefined
}

/**
 * Bytes that are no acceptable record. Codes: `RECORD_TOO_LARGE`, `RECORD_MALFORMED` (not of the shape of a record),
 * `RECORD_KIND_UNKNOWN` (of a kind that a later version may have), `RECORD_SIGNATURE` (not signed by its peer).
 */
export class RecordError extends MosaikError {
  declare readonly code: 'RECORD_TOO_LARGE' | 'RECORD_MALFORMED' | 'RECORD_KIND_UNKNOWN' | 'RECORD_SIGNATURE'
}

/** The reason of a {@link RecordError} as it is counted. */
export function rejectionOf(error: unknown): 'size' | 'kind' | 'signature' | 'malformed' {
  if (isMosaikError(error, 'RECORD_TOO_LARGE')) return 'size'
  if (isMosaikError(error, 'RECORD_KIND_UNKNOWN')) return 'kind'
  return isMosaikError(error, 'RECORD_SIGNATURE') ? 'signature' : 'malformed'
}

/** The longest record, signature included. Room for about 150 stream offers. */
export const RECORD_BYTES_MAX = 16 * 1024

const SIGNATURE_BYTES = 64

/** Signed in front of every body, so that a signature made for another purpose can never pass for a record. */
const DOMAIN = new TextEncoder().encode('mosaik/discovery/record/1\n')

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

/** Signs what the identity's node says about itself. `content` must come from `encodeContent`. */
export function signEntry(
  identity: Identity,
  claim: { network: NetworkId; stamp: Stamp; content: Uint8Array; supersedes?: Digest },
): EntryRecord & SignedRecord {
  const { network, stamp, content, supersedes } = claim
  const bytes = sign(identity, {
    kind: 'entry',
    network: bytesOf(network),
    peer: bytesOf(identity.peerId),
    ...stamp,
    content,
    ...(supersedes !== undefined && { supersedes: bytesOf(supersedes) }),
  })
  return readSigned(parseRecord(bytes)) as EntryRecord & SignedRecord
}

/** Signs the farewell of the identity's node. */
export function signDeparture(
  identity: Identity,
  claim: { network: NetworkId; stamp: Stamp },
): DepartureRecord & SignedRecord {
  const { network, stamp } = claim
  const bytes = sign(identity, {
    kind: 'departure',
    network: bytesOf(network),
    peer: bytesOf(identity.peerId),
    ...stamp,
  })
  return readSigned(parseRecord(bytes)) as DepartureRecord & SignedRecord
}

/**
 * Reads a record and checks its signature.
 *
 * @throws RecordError
 */
export function decodeRecord(bytes: Uint8Array): SignedRecord {
  return verifyRecord(parseRecord(bytes))
}

/**
 * Reads what a record claims, without believing any of it: enough to refuse most of what need not be verified.
 *
 * @throws RecordError `RECORD_TOO_LARGE`, `RECORD_MALFORMED` or `RECORD_KIND_UNKNOWN`.
 */
export function parseRecord(received: Uint8Array): UnverifiedRecord {
  if (received.length > RECORD_BYTES_MAX) {
    throw new RecordError(
      'RECORD_TOO_LARGE',
      `a record has at most ${RECORD_BYTES_MAX} bytes, this one has ${received.length}`,
    )
  }
  // A copy of its own, because a received record is often a small part of a large frame that it would keep alive.
  const bytes = received.slice()
  const signed = bytes.subarray(SIGNATURE_BYTES)
  const value = malformedUnless(() => decode(signed))
  const { kind } = malformedUnless(() => kindSchema.parse(value))
  if (kind !== 'entry' && kind !== 'departure') {
    throw new RecordError('RECORD_KIND_UNKNOWN', 'a record of a kind that this version does not know')
  }
  const body = malformedUnless(() => bodySchema.parse(value))
  return {
    kind,
    network: body.network,
    peer: body.peer,
    stamp: { run: body.run, update: body.update, beat: body.beat },
    bytes,
    digest: hashBytes(bytes),
    signed,
    signature: bytes.subarray(0, SIGNATURE_BYTES),
    content: body.content,
    supersedes: body.supersedes,
  }
}

/**
 * Checks the signature, and only then reads what was signed.
 *
 * @throws RecordError `RECORD_SIGNATURE`, or `RECORD_MALFORMED` when a peer has signed what is not an entry.
 */
export function verifyRecord(record: UnverifiedRecord): SignedRecord {
  if (!verifySignature(record.peer, concatBytes(DOMAIN, record.signed), record.signature)) {
    throw new RecordError('RECORD_SIGNATURE', 'a record that was not signed by the peer it is about', {
      details: { peer: record.peer },
    })
  }
  return readSigned(record)
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

/** What a record says. The caller knows that the signature is good: it has checked it, or made it. */
function readSigned(record: UnverifiedRecord): SignedRecord {
  const { kind, network, peer, stamp, bytes, digest, content, supersedes } = record
  const head: RecordHead = { network, peer, stamp, bytes, digest }
  if (kind === 'departure') return Object.freeze({ kind, ...head }) as SignedRecord
  const entry = malformedUnless((): PeerEntry => {
    if (content === undefined) throw new TypeError('an entry without content')
    return entryOf(head, decodeContent(content))
  })
  const optional = supersedes !== undefined && { supersedes }
  return Object.freeze({ kind, ...head, entry, content, ...optional }) as SignedRecord
}

const timeSchema = z.int().min(0).max(TIME_MAX)

const kindSchema = z.object({ kind: z.string() })

const bodySchema = z
  .object({
    network: digestBytesSchema,
    peer: z
      .custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === 32, 'expected 32 bytes')
      .transform((bytes): PeerId => peerIdFromRaw(bytes)),
    run: timeSchema,
    update: timeSchema,
    beat: timeSchema,
    content: z.instanceof(Uint8Array).optional(),
    supersedes: digestBytesSchema.optional(),
  })
  .refine(({ run, update, beat }) => run <= update && update <= beat, 'a stamp is run <= update <= beat')

function sign(identity: Identity, body: Record<string, unknown>): Uint8Array {
  const signed = encode(body)
  return concatBytes(identity.sign(concatBytes(DOMAIN, signed)), signed)
}

function malformedUnless<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new RecordError('RECORD_MALFORMED', 'bytes that are not a record', { cause: error })
  }
}
