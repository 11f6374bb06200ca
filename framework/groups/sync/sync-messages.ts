// Messages of the sync lane, as MessagePack: few, and entries within them in the form that consensus has for them.
import { z } from 'zod'
import { decode, encode } from '#framework/primitives'
import {
  configurationOf,
  originsMax,
  verdictsMax,
  type ClusterId,
  type Entry,
  type MemberId,
} from '../raft/index.js'
import { MalformedMessageError } from '../wire/message-bytes.js'
import { decodeEntries, encodeEntries } from '../wire/raft-wire.js'

/** What an answer carries at most, besides what describes it: payloads of entries, or bytes of a snapshot. */
export const ANSWER_BYTES_MAX = 1024 * 1024
/** Entries of an answer, however short they are. */
export const ANSWER_ENTRIES_MAX = 4096

/** Bytes of an entry besides its payload, with room to spare. */
const entryOverheadBytes = 64
/** Every message is shorter than a frame of the lane. */
const messageBytesMax = ANSWER_BYTES_MAX + ANSWER_ENTRIES_MAX * entryOverheadBytes + 64 * 1024
const membersMax = 4096

const whole = z.int().min(0)
const position = z.int().min(1)
const cluster = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .transform((text) => text as ClusterId)
const members = z
  .array(
    z
      .string()
      .min(1)
      .max(256)
      .transform((text) => text as MemberId),
  )
  .max(membersMax)
const origin = z.object({ clusterId: cluster, lastTerm: whole, lastIndex: whole, committed: whole })
const verdict = z.object({ winner: cluster, loser: cluster, shared: whole, isAgreed: z.boolean() })
const configuration = z
  .object({
    voters: members,
    learners: members,
    lineage: z.array(origin).max(originsMax).optional(),
    verdicts: z.array(verdict).max(verdictsMax).optional(),
  })
  .transform(({ voters, learners, lineage, verdicts }) => ({
    ...configurationOf(voters, learners),
    ...(lineage && { lineage }),
    ...(verdicts && { verdicts }),
  }))
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes')

/** A snapshot that somebody has. */
const offer = z.object({
  facts: z.object({
    index: position,
    term: position,
    applicationIndex: whole,
    hash: whole,
    configuration,
  }),
  byteLength: whole,
})

const envelope = { clusterId: cluster, requestId: whole }
const schema = z.discriminatedUnion('type', [
  /** "What do you have?" */
  z.object({ type: z.literal('availability-request'), ...envelope }),
  z.object({
    type: z.literal('availability'),
    ...envelope,
    /** Committed entries that the sender has stored, both included; none when the last is before the first. */
    firstIndex: position,
    lastIndex: whole,
    snapshot: offer.optional(),
  }),
  z.object({
    type: z.literal('entries-request'),
    ...envelope,
    firstIndex: position,
    lastIndex: position,
    bytesMax: position,
  }),
  /** The first of what was asked for, one at least. */
  z.object({ type: z.literal('entries'), ...envelope, firstIndex: position, entries: bytes }),
  z.object({
    type: z.literal('piece-request'),
    ...envelope,
    /** Which snapshot: that of the offer with these. */
    index: position,
    hash: whole,
    byteLength: whole,
    offset: whole,
  }),
  z.object({ type: z.literal('piece'), ...envelope, offset: whole, bytes }),
  /** The sender does not have that, or not any more. */
  z.object({ type: z.literal('absent'), ...envelope }),
])

type Encoded = z.output<typeof schema>
type Typed<T extends Encoded['type']> = Extract<Encoded, { type: T }>

export type SnapshotOffer = z.output<typeof offer>
export type AvailabilityRequest = Typed<'availability-request'>
export type Availability = Typed<'availability'>
export type EntriesRequest = Typed<'entries-request'>
export type PieceRequest = Typed<'piece-request'>
export type Piece = Typed<'piece'>
export type Absent = Typed<'absent'>
/** Entries that follow each other, one at least. */
export type Entries = Omit<Typed<'entries'>, 'entries'> & { readonly entries: readonly Entry[] }

/** To be answered, by one answer with the same `requestId`. */
export type SyncRequest = AvailabilityRequest | EntriesRequest | PieceRequest
export type SyncAnswer = Availability | Entries | Piece | Absent
export type SyncMessage = SyncRequest | SyncAnswer

export function encodeSync(message: SyncMessage): Uint8Array {
  return encode(
    message.type === 'entries' ? { ...message, entries: encodeEntries(message.entries) } : message,
  )
}

/** @throws MalformedMessageError */
export function decodeSync(message: Uint8Array): SyncMessage {
  if (message.byteLength > messageBytesMax) throw new MalformedMessageError('the message is too long')
  const decoded = parsed(message)
  if (decoded.type === 'piece' && decoded.bytes.byteLength > ANSWER_BYTES_MAX)
    throw new MalformedMessageError('a piece of a snapshot is too long')
  if (decoded.type !== 'entries') return decoded
  const entries = decodeEntries(decoded.entries, decoded.firstIndex)
  if (entries.length === 0 || entries.length > ANSWER_ENTRIES_MAX)
    throw new MalformedMessageError('so many entries are no answer')
  return { ...decoded, entries }
}

export function isRequest(message: SyncMessage): message is SyncRequest {
  return message.type.endsWith('-request')
}

function parsed(message: Uint8Array): Encoded {
  try {
    return schema.parse(decode(message))
  } catch {
    throw new MalformedMessageError('it is not what members bring each other up to date with')
  }
}
