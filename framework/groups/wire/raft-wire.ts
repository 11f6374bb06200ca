// Messages of consensus as bytes. Who sends and who receives is not among them: the bond proves the one, and is with the
// other.
import { fromHex, MosaikError, toHex } from '#framework/primitives'
import { entryKindCodes, entryKindOf } from '../raft/entry-kinds.js'
import type { AnswerWish, ClusterId, Entry, MemberId, Message } from '../raft/index.js'

/** Bytes of another member that are no message. Code `GROUP_MESSAGE_MALFORMED`. */
export class MalformedMessageError extends MosaikError {
  constructor(what: string) {
    super('GROUP_MESSAGE_MALFORMED', what)
  }
}

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

const answers = ['when-durable', 'at-once', 'none'] as const satisfies readonly AnswerWish[]

/** Fields behind the head, without entries: at most eight integers and two flags. */
const fieldBytesMax = 8 * 8 + 2

export function encodeMessage(message: Message): Uint8Array {
  const entries = message.type === 'append' ? message.entries : []
  const writer = new Writer(headBytes + fieldBytesMax + bytesOfEntries(entries))
  writer.u8(types.indexOf(message.type))
  writer.bytes(fromHex(message.clusterId))
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
  const reader = new Reader(bytes)
  const type = types[reader.u8()]
  if (type === undefined) throw new MalformedMessageError('there is no such type of messages')
  const clusterId = toHex(reader.bytes(16)) as ClusterId
  const term = reader.number()
  const message = readFields(reader, type, { ...ends, clusterId, term })
  reader.finish()
  return message
}

function writeFields(writer: Writer, message: Message): void {
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
  reader: Reader,
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
        answer: readAnswer(reader),
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

function readAnswer(reader: Reader): AnswerWish {
  const answer = answers[reader.u8()]
  if (answer === undefined) throw new MalformedMessageError('there is no such kind of answers')
  return answer
}

/** Entries that follow each other, for messages that carry some. */
export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const writer = new Writer(bytesOfEntries(entries))
  writeEntries(writer, entries)
  return writer.finish()
}

/**
 * Payloads are views into the bytes.
 *
 * @throws MalformedMessageError
 */
export function decodeEntries(bytes: Uint8Array, firstIndex: number): Entry[] {
  const reader = new Reader(bytes)
  const entries = readEntries(reader, firstIndex)
  reader.finish()
  return entries
}

function bytesOfEntries(entries: readonly Entry[]): number {
  let length = 4
  for (const { payload } of entries) length += entryHeadBytes + payload.byteLength
  return length
}

function writeEntries(writer: Writer, entries: readonly Entry[]): void {
  writer.u32(entries.length)
  for (const entry of entries) {
    writer.u8(entryKindCodes[entry.kind])
    writer.u32(entry.commandCount)
    writer.number(entry.term)
    writer.number(entry.applicationIndex)
    writer.number(entry.timestampMs)
    writer.number(entry.hash)
    writer.u32(entry.payload.byteLength)
    writer.bytes(entry.payload)
  }
}

function readEntries(reader: Reader, firstIndex: number): Entry[] {
  const count = reader.u32()
  // What is claimed is not allocated before it has come.
  if (count * entryHeadBytes > reader.remaining) throw new MalformedMessageError('a message ends early')
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
      payload: reader.bytes(reader.u32()),
    })
  }
  return entries
}

class Writer {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  /** @param lengthMax How much is going to be written at most. */
  constructor(lengthMax: number) {
    this.#bytes = new Uint8Array(lengthMax)
    this.#view = new DataView(this.#bytes.buffer)
  }

  u8(value: number): void {
    this.#bytes[this.#offset++] = value
  }

  flag(value: boolean): void {
    this.u8(value ? 1 : 0)
  }

  u32(value: number): void {
    this.#view.setUint32(this.#offset, value, true)
    this.#offset += 4
  }

  /** A safe integer that is not negative. */
  number(value: number): void {
    this.#view.setFloat64(this.#offset, value, true)
    this.#offset += 8
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.#offset)
    this.#offset += value.byteLength
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset)
  }
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#offset
  }

  u8(): number {
    return this.#bytes[this.#skip(1)]!
  }

  flag(): boolean {
    const value = this.u8()
    if (value > 1) throw new MalformedMessageError('a flag is neither yes nor no')
    return value === 1
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  number(): number {
    const value = this.#view.getFloat64(this.#skip(8), true)
    if (!Number.isSafeInteger(value) || value < 0)
      throw new MalformedMessageError('a number is no whole number from 0 to 2^53 - 1')
    return value
  }

  bytes(byteLength: number): Uint8Array {
    const start = this.#skip(byteLength)
    return this.#bytes.subarray(start, start + byteLength)
  }

  finish(): void {
    if (this.remaining > 0) throw new MalformedMessageError('a message goes on behind its end')
  }

  #skip(byteLength: number): number {
    const start = this.#offset
    if (byteLength > this.remaining) throw new MalformedMessageError('a message ends early')
    this.#offset = start + byteLength
    return start
  }
}
