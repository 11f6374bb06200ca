import { z } from 'zod'
import { decode, encode, type Random } from '#framework/primitives'
import type { SignedRecord } from './signed-record.js'

/**
 * A record as it travels alone: in one gossip message, said by its author or passed on by somebody who has learnt it by a
 * catalog sync, or by whatever way a user likes.
 *
 * Gossip takes equal bytes for one message and suppresses them for a while. A record that was gossiped before, and that
 * some refused because its author's clock is behind, would therefore never get through a second time. What is passed on
 * has a salt, which makes it a new message, and an age, which tells those who hear it how long ago the author was alive.
 */
export interface Announcement {
  /** The signed header. */
  readonly record: Uint8Array
  /** The content that the header names, unless it is known already or too long. */
  readonly content?: Uint8Array
  /** Only when it is passed on: how long ago its author had given this sign of life, in milliseconds. */
  readonly ageMs?: number
}

/**
 * The longest gossip message. What does not fit is announced by its header alone, and fetched by those who lack it: gossip
 * sends everything several times to everybody.
 */
export const ANNOUNCEMENT_BYTES_MAX = 4 * 1024

const SALT_BYTES = 8

const messageSchema = z.object({
  record: z.instanceof(Uint8Array),
  content: z.instanceof(Uint8Array).optional(),
  ageMs: z.number().min(0).optional(),
})

/** What an author says about itself, with its content if that fits. */
export function encodeNews(record: SignedRecord): Uint8Array {
  return shorter(encodeWhole(record), () => encodeSignOfLife(record))
}

/** What an author says when the others know the content: the header alone. */
export function encodeSignOfLife(record: SignedRecord): Uint8Array {
  return encode({ record: record.bytes })
}

/** What is passed on: different bytes each time. */
export function encodePassedOn(record: SignedRecord, ageMs: number, random: Random): Uint8Array {
  const head = { record: record.bytes, ageMs, salt: random.bytes(SALT_BYTES) }
  return shorter(encode({ ...head, ...contentOf(record) }), () => encode(head))
}

/** Header and content, however long. */
export function encodeWhole(record: SignedRecord): Uint8Array {
  return encode({ record: record.bytes, ...contentOf(record) })
}

/** @throws CodecError or ZodError when the bytes are no announcement. */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  const { record, content, ageMs } = messageSchema.parse(decode(bytes))
  return { record, ...(content && { content }), ...(ageMs !== undefined && { ageMs }) }
}

function contentOf(record: SignedRecord): { content?: Uint8Array } {
  return record.kind === 'entry' ? { content: record.content } : {}
}

function shorter(whole: Uint8Array, headerAlone: () => Uint8Array): Uint8Array {
  return whole.length <= ANNOUNCEMENT_BYTES_MAX ? whole : headerAlone()
}
