import { z } from 'zod'
import { decode, encode, type Random } from '#framework/primitives'

/**
 * One gossip message: a signed record, said by its author or passed on by somebody who has learnt it by a catalog sync.
 *
 * Gossip takes equal bytes for one message and suppresses them for a while. A record that was gossiped before, and that
 * some refused because its author's clock is behind, would therefore never get through a second time. What is passed on
 * has a salt, which makes it a new message, and an age, which tells those who hear it how long ago the author was alive.
 */
export interface Announcement {
  readonly record: Uint8Array
  /** Only when it is passed on: how long ago its author had given this sign of life, in milliseconds. */
  readonly ageMs?: number
}

/** Room for what is around the record. */
export const ANNOUNCEMENT_OVERHEAD_BYTES = 64

const SALT_BYTES = 8

const messageSchema = z.object({
  record: z.instanceof(Uint8Array),
  ageMs: z.number().min(0).optional(),
})

/** What an author says itself. */
export function encodeOwn(record: Uint8Array): Uint8Array {
  return encode({ record })
}

/** What is passed on: different bytes each time. */
export function encodePassedOn(record: Uint8Array, ageMs: number, random: Random): Uint8Array {
  return encode({ record, ageMs, salt: random.bytes(SALT_BYTES) })
}

/** @throws CodecError or ZodError when the bytes are no announcement. */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  const { record, ageMs } = messageSchema.parse(decode(bytes))
  return { record, ...(ageMs !== undefined && { ageMs }) }
}
