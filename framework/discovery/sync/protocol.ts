import { z } from 'zod'
import type { LinkProtocol } from '#framework/network'
import { bytesOf, fromHex, toHex } from '#framework/primitives'
import { bytesSchema, digestBytesSchema, peerIdBytesSchema } from '../wire-schemas.js'
import { CONTENT_TAG_BYTES, type OfferedRecord, type RecordSummary, type WantedRecord } from './sync-plan.js'

/**
 * Catalog sync, `/mosaik/discovery/sync/1.0`: after it, both sides hold the later record of every peer that either of
 * them knew. The opener (I) and the acceptor (R) speak in turns:
 *
 * ```
 * I → R  OPEN    { fingerprint }                       over everything that I holds
 * R → I  ACCEPT  { fingerprint }                       equal fingerprints: nothing to say, I closes
 * I → R  summaries, page after page                    peer, stamp, digest and content of each of I's records
 * R → I  wants, page after page                        the peers of whom I has the later record, and R's content
 * R → I  records, page after page                      those that I lacks, each with its age, and its content if I lacks that
 * I → R  records, page after page                      those that R asked for
 * R → I  done                                          R has taken them in; I closes with Success
 * ```
 *
 * OPEN `{ departure }` is a goodbye: R takes it in, accepts, and that is all.
 */
export const syncProtocol: LinkProtocol = {
  id: '/mosaik/discovery/sync/1.0',
  frameBytesMax: 256 * 1024,
  maxInboundPerPeer: 4,
}

/** How large a page is made, in bytes of its items. Far below the frame limit, so that the envelope never matters. */
export const PAGE_BYTES = 64 * 1024

/** How many items of one kind a session may carry: more than any catalog has, and a bound on what a stranger can make us hold. */
export const SESSION_ITEMS_MAX = 50_000

/** What comes with OPEN. */
export const openSchema = z.union([
  z.object({ departure: bytesSchema }),
  z.object({ fingerprint: digestBytesSchema }),
])

/** What comes with ACCEPT of a sync. */
export const acceptSchema = z.object({ fingerprint: digestBytesSchema })

const contentTagSchema = bytesSchema
  .refine((bytes) => bytes.length <= CONTENT_TAG_BYTES)
  .transform((bytes) => toHex(bytes))

/** Tuples instead of maps: a catalog has many of them, and their field names would be a third of the bytes. */
const summarySchema = z
  .tuple(
    [peerIdBytesSchema, z.int().min(0), z.int().min(0), z.int().min(0), digestBytesSchema, contentTagSchema],
    z.unknown(),
  )
  .transform(([peer, run, update, beat, digest, content]): RecordSummary => ({
    peer,
    stamp: { run, update, beat },
    digest,
    content,
  }))

export const summariesSchema = page('summaries', summarySchema)
export const wantsSchema = page(
  'wants',
  z
    .tuple([peerIdBytesSchema, contentTagSchema], z.unknown())
    .transform(([peer, content]): WantedRecord => ({ peer, content })),
)
export const recordsSchema = page(
  'records',
  z.object({ record: bytesSchema, content: bytesSchema.optional(), ageMs: z.number().min(0) }),
)
export const doneSchema = z.object({ type: z.literal('done') })

export type WireRecord = z.output<typeof recordsSchema>['items'][number]

export function summaryToWire({ peer, stamp, digest, content }: RecordSummary): unknown {
  return [bytesOf(peer), stamp.run, stamp.update, stamp.beat, bytesOf(digest), fromHex(content)]
}

export function wantToWire({ peer, content }: WantedRecord): unknown {
  return [bytesOf(peer), fromHex(content)]
}

export function recordToWire(offered: OfferedRecord): WireRecord {
  const content = contentToSend(offered)
  return { record: offered.record.bytes, ...(content && { content }), ageMs: offered.ageMs }
}

/** How many bytes one item takes in a page, roughly and never too few. */
export const wireBytes = {
  summary: 120,
  want: 48,
  record: (offered: OfferedRecord) =>
    offered.record.bytes.length + (contentToSend(offered)?.length ?? 0) + 48,
}

function contentToSend({ record, isContentKnown }: OfferedRecord): Uint8Array | undefined {
  return record.kind === 'entry' && isContentKnown !== true ? record.content : undefined
}

function page<T extends string, S extends z.ZodType>(type: T, item: S) {
  return z.object({ type: z.literal(type), items: z.array(item).max(SESSION_ITEMS_MAX), last: z.boolean() })
}
