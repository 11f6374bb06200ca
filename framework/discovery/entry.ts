import { z } from 'zod'
import {
  MosaikError,
  bytesOf,
  decode,
  encode,
  encodeArray,
  encodeMap,
  type Digest,
  type GroupId,
  type NetworkId,
  type PeerId,
  type StreamId,
} from '#framework/primitives'
import { normalizeTickets, ticketSchema, ticketToWire, type Ticket } from './tickets.js'
import { digestBytesSchema } from './wire-schemas.js'

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
  /** Words the peer declares of itself, for others to select peers by. Sorted, without repetition. */
  readonly tags: readonly string[]
  /**
   * What else the peer declares of itself, by key. `region` and `zone` say where it is; every other key means what its
   * users agree on.
   */
  readonly labels: Readonly<Record<string, string>>
  /** Which declared node the peer is, when it was started from a topology. Replicas count from 0. */
  readonly node?: { readonly name: string; readonly replica: number }
  /** Sorted by stream id, at most one offer for a stream. */
  readonly produces: readonly StreamOffer[]
  /** Sorted by stream id, at most one offer for a stream. */
  readonly consumes: readonly StreamOffer[]
  /** The groups that the peer has joined. Sorted, without repetition. */
  readonly groups: readonly GroupId[]
  /** Credentials of the peer, which all of the network can read. Sorted by ticket id, without repetition. */
  readonly tickets: readonly Ticket[]
  /** What the framework itself does on the peer for other peers, `relay` for example. Sorted, without repetition. */
  readonly serves: readonly string[]
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
    labels: sortedLabels(content.labels),
    ...(content.node && {
      node: Object.freeze({ name: content.node.name, replica: content.node.replica }),
    }),
    produces: sortedOffers(content.produces, 'produces'),
    consumes: sortedOffers(content.consumes, 'consumes'),
    groups: sortedSet(content.groups),
    tickets: normalizeTickets(content.tickets),
    serves: sortedSet(content.serves),
  })
}

/**
 * Encodes canonical content (see {@link normalizeContent}). The digests travel as bytes, half the size of hex, and what
 * few peers have is left out where it is empty.
 */
export function encodeContent(content: EntryContent): Uint8Array {
  return encodeMap({
    protocol: encode(content.protocol),
    addresses: encode(content.addresses),
    tags: encode(content.tags),
    ...(content.node && { node: encode(content.node) }),
    produces: encodeArray(content.produces.map(encodedOffer)),
    consumes: encodeArray(content.consumes.map(encodedOffer)),
    ...(Object.keys(content.labels).length > 0 && { labels: encode(content.labels) }),
    ...(content.groups.length > 0 && { groups: encode(content.groups.map(bytesOf)) }),
    ...(content.tickets.length > 0 && { tickets: encode(content.tickets.map(ticketToWire)) }),
    ...(content.serves.length > 0 && { serves: encode(content.serves) }),
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

const offerSchema = z.object({ id: digestBytesSchema, name: z.string(), fingerprint: digestBytesSchema })

const contentSchema = z.object({
  protocol: z.string(),
  addresses: z.array(z.string()),
  tags: z.array(z.string()),
  node: z.object({ name: z.string(), replica: z.int().min(0) }).optional(),
  produces: z.array(offerSchema),
  consumes: z.array(offerSchema),
  labels: z.record(z.string(), z.string()).default({}),
  groups: z.array(digestBytesSchema).default([]),
  tickets: z.array(ticketSchema).default([]),
  serves: z.array(z.string()).default([]),
})

/** Offers in their canonical form. They stay the same objects while a node has more and more of them. */
const canonicalOffers = new WeakSet<StreamOffer>()
/** A node that begins to use its hundredth stream need not encode the other ninety-nine again. */
const encodedOffers = new WeakMap<StreamOffer, Uint8Array>()

function encodedOffer(offer: StreamOffer): Uint8Array {
  const known = encodedOffers.get(offer)
  if (known !== undefined) return known
  const { id, name, fingerprint } = offer
  const encoded = encode({ id: bytesOf(id), name, fingerprint: bytesOf(fingerprint) })
  if (canonicalOffers.has(offer)) encodedOffers.set(offer, encoded)
  return encoded
}

function sortedSet<T extends string>(values: readonly T[]): readonly T[] {
  return Object.freeze([...new Set(values)].toSorted())
}

function sortedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.freeze(Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

function sortedOffers(offers: readonly StreamOffer[], field: string): readonly StreamOffer[] {
  const byId = new Map<StreamId, StreamOffer>()
  for (const offer of offers) {
    const { id, name, fingerprint } = offer
    const known = byId.get(id)
    if (known && known.fingerprint !== fingerprint) {
      throw new MosaikError(
        'DISCOVERY_ENTRY_INVALID',
        `stream "${name}" is offered twice in "${field}", with different schemas`,
        { details: { stream: id, field } },
      )
    }
    byId.set(id, canonicalOffers.has(offer) ? offer : canonicalOffer({ id, name, fingerprint }))
  }
  return Object.freeze([...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)))
}

function canonicalOffer(offer: StreamOffer): StreamOffer {
  canonicalOffers.add(Object.freeze(offer))
  return offer
}
