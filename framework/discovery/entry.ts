import { z } from 'zod'
import {
  MosaikError,
  bytesOf,
  decode,
  digestFromRaw,
  encode,
  type Digest,
  type NetworkId,
  type PeerId,
  type StreamId,
} from '#framework/primitives'

/** A stream that a peer says it produces or consumes. */
export interface StreamOffer {
  readonly id: StreamId
  /** The name the stream was defined with, for people to read; the id is what is compared. */
  readonly name: string
  /** BLAKE3 of the canonical schema: two ends with different fingerprints cannot exchange datums. */
  readonly fingerprint: Digest
}

/**
 * When the content of an entry was last changed, by its author's own count. Both are Unix milliseconds, pushed forward
 * where needed so that they only ever grow; compared run first (discovery.md §2.2).
 */
export interface EntryVersion {
  /** When the author's process started. A restarted peer therefore replaces what it said in an earlier life. */
  readonly run: number
  /** When the content last changed. A sign of life that changes nothing leaves it alone. */
  readonly update: number
}

/** What a peer says about itself. Immutable. */
export interface PeerEntry {
  /** Version of the discovery protocol that its author speaks. For information only: nothing is decided by it. */
  readonly protocol: string
  readonly network: NetworkId
  readonly peer: PeerId
  readonly version: EntryVersion
  /** Multiaddrs where the peer can be dialled. Sorted, without repetition. */
  readonly addresses: readonly string[]
  /** Labels the peer declares of itself. Sorted, without repetition. */
  readonly tags: readonly string[]
  /** Which declared node the peer is, when it was started from a topology. Replicas count from 0. */
  readonly node?: { readonly name: string; readonly replica: number }
  /** Sorted by stream id, at most one offer for a stream. */
  readonly produces: readonly StreamOffer[]
  /** Sorted by stream id, at most one offer for a stream. */
  readonly consumes: readonly StreamOffer[]
}

/** What this software writes into {@link PeerEntry.protocol}. */
export const PROTOCOL_VERSION = '1.0'

/** The part of an entry that its author decides freely; the rest is identity and version. */
export type EntryContent = Omit<PeerEntry, 'network' | 'peer' | 'version'>

/** Negative, zero or positive, like every comparison: the smaller version is the older one. */
export function compareVersions(a: EntryVersion, b: EntryVersion): number {
  return a.run - b.run || a.update - b.update
}

/**
 * Brings content into its one canonical form: sorted and without repetition, so that equal content is encoded to equal
 * bytes, and frozen, because entries are handed out to everybody.
 *
 * @throws MosaikError `DISCOVERY_ENTRY_INVALID` when one stream is offered twice with different schemas.
 */
export function normalizeContent(content: EntryContent): EntryContent {
  return Object.freeze({
    protocol: content.protocol,
    addresses: sortedSet(content.addresses),
    tags: sortedSet(content.tags),
    ...(content.node && {
      node: Object.freeze({ name: content.node.name, replica: content.node.replica }),
    }),
    produces: sortedOffers(content.produces, 'produces'),
    consumes: sortedOffers(content.consumes, 'consumes'),
  })
}

/** Encodes canonical content (see {@link normalizeContent}). The digests travel as bytes, half the size of hex. */
export function encodeContent(content: EntryContent): Uint8Array {
  return encode({
    protocol: content.protocol,
    addresses: content.addresses,
    tags: content.tags,
    ...(content.node && { node: content.node }),
    produces: content.produces.map(offerToWire),
    consumes: content.consumes.map(offerToWire),
  })
}

/**
 * Reads content that another peer has encoded. Fields we do not know are ignored, so that later versions can add some.
 *
 * @throws CodecError or ZodError when the bytes are not content.
 */
export function decodeContent(bytes: Uint8Array): EntryContent {
  return normalizeContent(contentSchema.parse(decode(bytes)))
}

/** Zod schema of a 32-byte digest on the wire. */
export const digestBytesSchema = z
  .custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === 32, 'expected 32 bytes')
  .transform((bytes): Digest => digestFromRaw(bytes))

const offerSchema = z.object({ id: digestBytesSchema, name: z.string(), fingerprint: digestBytesSchema })

const contentSchema = z.object({
  protocol: z.string(),
  addresses: z.array(z.string()),
  tags: z.array(z.string()),
  node: z.object({ name: z.string(), replica: z.int().min(0) }).optional(),
  produces: z.array(offerSchema),
  consumes: z.array(offerSchema),
})

function offerToWire(offer: StreamOffer): Record<string, unknown> {
  return { id: bytesOf(offer.id), name: offer.name, fingerprint: bytesOf(offer.fingerprint) }
}

function sortedSet(values: readonly string[]): readonly string[] {
  return Object.freeze([...new Set(values)].toSorted())
}

function sortedOffers(offers: readonly StreamOffer[], field: string): readonly StreamOffer[] {
  const byId = new Map<StreamId, StreamOffer>()
  for (const { id, name, fingerprint } of offers) {
    const known = byId.get(id)
    if (known && known.fingerprint !== fingerprint) {
      throw new MosaikError(
        'DISCOVERY_ENTRY_INVALID',
        `stream "${name}" is offered twice in "${field}", with different schemas`,
        { details: { stream: id, field } },
      )
    }
    byId.set(id, Object.freeze({ id, name, fingerprint }))
  }
  return Object.freeze([...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)))
}
