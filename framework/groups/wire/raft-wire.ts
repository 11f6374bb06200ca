// Messages of consensus as bytes. Who sends and who receives is not among them: the bond proves the one, and is with the
// other.
import { entryKindCodes, entryKindOf } from '../raft/entry-kinds.js'
import type { AnswerWish, Entry, MemberId, Message } from '../raft/index.js'
import { MalformedMessageError, MessageReader, MessageWriter } from './message-bytes.js'

/** Between whom a message is. */
export interface Ends {
  readonly from: MemberId
  readonly to: MemberId
}

// All of it little-endian:
//   u8   type
//   16 B cluster id
//   f64  term; then what the type has, in the order of messages.ts: integers as f64, which holds them exactly, flags as u8
// Entries of an append: u32 count, then for each
//   u8 kind, u32 commandCount, f64 term, f64 applicationIndex, f64 timestampMs, f64 hash, u32 length, payload
// Their indices follow that of the entry in front of them.

const headBytes = 1 + 16 + 8
const entryHeadBytes = 1 + 4 + 4 * 8 + 4

const types = [
  'pre-vote-request',
  'pre-vote-answer',
  'vote-request',
  'vote-answer',
  'append',
  'sync-required',
  'append-answer',
  'timeout-now',
] as const satisfies readonly Message['type'][]

const answers = ['when-durable', 'at-once', 'none', 'quiesce'] as const satisfies readonly AnswerWish[]

/** Fields behind the head, without entries: at most eight integers and two flags. */
const fieldBytesMax = 8 * 8 + 2

export function encodeMessage(message: Message): Uint8Array {
  const entries = message.type === 'append' ? message.entries : []
  const writer = new MessageWriter(headBytes + fieldBytesMax + bytesOfEntries(entries))
  writer.u8(types.indexOf(message.type))
  writer.clusterId(message.clusterId)
  writer.number(message.term)
  writeFields(writer, message)
  return writer.finish()
}

/**
 * Payloads of entries are views into the bytes.
 *
 * @throws MalformedMessageError
 */
export function decodeMessage(bytes: Uint8Array, ends: Ends): Message {
  const reader = new MessageReader(bytes)
  const type = reader.oneOf(types, 'type of messages')
  const clusterId = reader.clusterId()
  const term = reader.number()
  const message = readFields(reader, type, { ...ends, clusterId, term })
  reader.finish()
  return message
}

function writeFields(writer: MessageWriter, message: Message): void {
  switch (message.type) {
    case 'pre-vote-request':
      writer.number(message.lastIndex)
      return writer.number(message.lastTerm)
    case 'pre-vote-answer':
      writer.number(message.requestedTerm)
      return writer.flag(message.granted)
    case 'vote-request':
      writer.number(message.lastIndex)
      writer.number(message.lastTerm)
      return writer.flag(message.transfer)
    case 'vote-answer':
      return writer.flag(message.granted)
    case 'append':
      writer.number(message.prevIndex)
      writer.number(message.prevTerm)
      writer.number(message.prevHash)
      writer.number(message.commitIndex)
      writer.number(message.round)
      writer.number(message.roundTick)
      writer.u8(answers.indexOf(message.answer))
      return writeEntries(writer, message.entries)
    case 'sync-required':
      writer.number(message.firstIndex)
      writer.number(message.commitIndex)
      writer.number(message.round)
      return writer.number(message.roundTick)
    case 'append-answer':
      writer.flag(message.accepted)
      writer.number(message.round)
      writer.number(message.roundTick)
      writer.number(message.matchIndex)
      writer.number(message.rejectedIndex)
      writer.number(message.conflictTerm)
      writer.number(message.conflictIndex)
      return writer.number(message.lastIndex)
    case 'timeout-now':
  }
}

function readFields(
  reader: MessageReader,
  type: Message['type'],
  envelope: Ends & Pick<Message, 'clusterId' | 'term'>,
): Message {
  switch (type) {
    case 'pre-vote-request':
      return { ...envelope, type, lastIndex: reader.number(), lastTerm: reader.number() }
    case 'pre-vote-answer':
      return { ...envelope, type, requestedTerm: reader.number(), granted: reader.flag() }
    case 'vote-request':
      return {
        ...envelope,
        type,
        lastIndex: reader.number(),
        lastTerm: reader.number(),
        transfer: reader.flag(),
      }
    case 'vote-answer':
      return { ...envelope, type, granted: reader.flag() }
    case 'append': {
      const prevIndex = reader.number()
      return {
        ...envelope,
        type,
        prevIndex,
        prevTerm: reader.number(),
        prevHash: reader.number(),
        commitIndex: reader.number(),
        round: reader.number(),
        roundTick: reader.number(),
        answer: reader.oneOf(answers, 'kind of answers'),
        entries: readEntries(reader, prevIndex + 1),
      }
    }
    case 'sync-required':
      return {
        ...envelope,
        type,
        firstIndex: reader.number(),
        commitIndex: reader.number(),
        round: reader.number(),
        roundTick: reader.number(),
      }
    case 'append-answer':
      return {
        ...envelope,
        type,
        accepted: reader.flag(),
        round: reader.number(),
        roundTick: reader.number(),
        matchIndex: reader.number(),
        rejectedIndex: reader.number(),
        conflictTerm: reader.number(),
        conflictIndex: reader.number(),
        lastIndex: reader.number(),
      }
    case 'timeout-now':
      return { ...envelope, type }
  }
}

/** Entries that follow each other, for messages that carry some. */
export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const writer = new MessageWriter(bytesOfEntries(entries))
  writeEntries(writer, entries)
  return writer.finish()
}

/**
 * Payloads are views into the bytes.
 *
 * @throws MalformedMessageError
 */
export function decodeEntries(bytes: Uint8Array, firstIndex: number): Entry[] {
  const reader = new MessageReader(bytes)
  const entries = readEntries(reader, firstIndex)
  reader.finish()
  return entries
}

function bytesOfEntries(entries: readonly Entry[]): number {
  let length = 4
  for (const { payload } of entries) length += entryHeadBytes + payload.byteLength
  return length
}

function writeEntries(writer: MessageWriter, entries: readonly Entry[]): void {
  writer.u32(entries.length)
  for (const entry of entries) {
    writer.u8(entryKindCodes[entry.kind])
    writer.u32(entry.commandCount)
    writer.number(entry.term)
    writer.number(entry.applicationIndex)
    writer.number(entry.timestampMs)
    writer.number(entry.hash)
    writer.sized(entry.payload)
  }
}

function readEntries(reader: MessageReader, firstIndex: number): Entry[] {
  const count = reader.count(entryHeadBytes)
  const entries: Entry[] = []
  for (let index = firstIndex; index < firstIndex + count; index++) {
    const kind = entryKindOf(reader.u8())
    if (kind === undefined) throw new MalformedMessageError('there is no such kind of entries')
    const commandCount = reader.u32()
    entries.push({
      index,
      kind,
      commandCount,
      term: reader.number(),
      applicationIndex: reader.number(),
      timestampMs: reader.number(),
      hash: reader.number(),
      payload: reader.sized(),
    })
  }
  return entries
}
