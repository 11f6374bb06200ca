// On the forward lane: what a member asks of the leader, and of voters, and the answers.
import { bytesOf, digestFromRaw, type Digest } from '#framework/primitives'
import type { ClusterId, Index, MemberId, ReadIndex, Term } from '../raft/index.js'
import { clusterIdBytes, MalformedMessageError, MessageReader, MessageWriter } from './message-bytes.js'

/** What is to be appended to the log. */
export interface SubmitRequest {
  readonly type: 'submit'
  readonly id: number
  /** Payload of the entry that opens the session, if it belongs in front. */
  readonly opening?: Uint8Array | undefined
  /** Payloads of entries, at least one, and how many commands each has, at least one. */
  readonly submissions: readonly { readonly payload: Uint8Array; readonly commandCount: number }[]
  /** Nobody waits to hear where they are in the log: it is answered only when they are refused. */
  readonly isQuiet: boolean
}

/** What has the leader committed? It need not confirm that, if the asker counts the same voters; otherwise it is a strong read. */
export interface ReadIndexRequest {
  readonly type: 'read-index'
  readonly id: number
  readonly clusterId: ClusterId
  /** {@link votersDigest} of those that the asker counts. */
  readonly voters: Digest
}

export type ForwardRequest =
  | SubmitRequest
  | { readonly type: 'read'; readonly id: number; readonly consistency: 'strong' | 'lease' }
  | { readonly type: 'transfer'; readonly id: number; readonly to: MemberId }
  | ReadIndexRequest
  /** In which term are you, in this cluster? */
  | { readonly type: 'term'; readonly id: number; readonly clusterId: ClusterId }

/** Each has the `id` of the request. */
export type ForwardAnswer =
  | {
      readonly type: 'appended'
      readonly id: number
      readonly term: Term
      readonly firstIndices: readonly Index[]
    }
  | { readonly type: 'readable'; readonly id: number; readonly index: Index }
  | { readonly type: 'transferring'; readonly id: number }
  | { readonly type: 'refused'; readonly id: number; readonly reason: ForwardRefusal }
  /** The read index, which the asker has to confirm. */
  | ({ readonly type: 'unconfirmed'; readonly id: number } & ReadIndex)
  | { readonly type: 'in-term'; readonly id: number; readonly term: Term }

export type ForwardMessage = ForwardRequest | ForwardAnswer

// All of it little-endian: u8 type, f64 id; then what the type has, in the order above: integers as f64, except for counts and
// lengths, which are u32, flags and choices as u8, cluster ids as 16 bytes and digests as 32, texts and bytes behind their length. No opening is one of length 0.

const types = [
  'submit',
  'read',
  'transfer',
  'appended',
  'readable',
  'transferring',
  'refused',
  'read-index',
  'term',
  'unconfirmed',
  'in-term',
] as const satisfies readonly ForwardMessage['type'][]
const consistencies = ['strong', 'lease'] as const
const refusals = ['not-leader', 'busy', 'refused'] as const
export type ForwardRefusal = (typeof refusals)[number]

const headBytes = 1 + 8
const submissionHeadBytes = 4 + 4
const indexBytes = 8
const digestBytes = 32
const NO_OPENING = new Uint8Array(0)

export function encodeForward(message: ForwardMessage): Uint8Array {
  const body = message.type === 'transfer' ? Buffer.from(message.to) : NO_OPENING
  const writer = new MessageWriter(headBytes + bodyBytesMax(message, body))
  writer.u8(types.indexOf(message.type))
  writer.number(message.id)
  switch (message.type) {
    case 'submit':
      writeSubmit(writer, message)
      break
    case 'read':
      writer.u8(consistencies.indexOf(message.consistency))
      break
    case 'transfer':
      writer.sized(body)
      break
    case 'appended':
      writer.number(message.term)
      writer.u32(message.firstIndices.length)
      for (const index of message.firstIndices) writer.number(index)
      break
    case 'readable':
      writer.number(message.index)
      break
    case 'transferring':
      break
    case 'refused':
      writer.u8(refusals.indexOf(message.reason))
      break
    case 'read-index':
      writer.clusterId(message.clusterId)
      writer.bytes(bytesOf(message.voters))
      break
    case 'term':
      writer.clusterId(message.clusterId)
      break
    case 'unconfirmed':
      writer.number(message.term)
      writer.number(message.index)
      break
    case 'in-term':
      writer.number(message.term)
  }
  return writer.finish()
}

/**
 * Payloads are views into the bytes.
 *
 * @throws MalformedMessageError
 */
export function decodeForward(bytes: Uint8Array): ForwardMessage {
  const reader = new MessageReader(bytes)
  const type = reader.oneOf(types, 'choice')
  const message = readBody(reader, type, reader.number())
  reader.finish()
  return message
}

function bodyBytesMax(message: ForwardMessage, text: Uint8Array): number {
  switch (message.type) {
    case 'submit': {
      const { opening = NO_OPENING, submissions } = message
      let length = 4 + opening.byteLength + 4 + 1
      for (const { payload } of submissions) length += submissionHeadBytes + payload.byteLength
      return length
    }
    case 'transfer':
      return 4 + text.byteLength
    case 'appended':
      return 8 + 4 + indexBytes * message.firstIndices.length
    default:
      return clusterIdBytes + digestBytes
  }
}

function writeSubmit(writer: MessageWriter, { opening, submissions, isQuiet }: SubmitRequest): void {
  writer.flag(isQuiet)
  writer.sized(opening ?? NO_OPENING)
  writer.u32(submissions.length)
  for (const { payload, commandCount } of submissions) {
    writer.u32(commandCount)
    writer.sized(payload)
  }
}

function readBody(reader: MessageReader, type: ForwardMessage['type'], id: number): ForwardMessage {
  switch (type) {
    case 'submit':
      return readSubmit(reader, id)
    case 'read':
      return { type, id, consistency: reader.oneOf(consistencies, 'choice') }
    case 'transfer':
      return { type, id, to: Buffer.from(reader.sized()).toString() as MemberId }
    case 'appended':
      return { type, id, term: reader.number(), firstIndices: readIndices(reader) }
    case 'readable':
      return { type, id, index: reader.number() }
    case 'transferring':
      return { type, id }
    case 'refused':
      return { type, id, reason: reader.oneOf(refusals, 'choice') }
    case 'read-index':
      return { type, id, clusterId: reader.clusterId(), voters: digestFromRaw(reader.bytes(digestBytes)) }
    case 'term':
      return { type, id, clusterId: reader.clusterId() }
    case 'unconfirmed':
      return { type, id, term: reader.number(), index: reader.number() }
    case 'in-term':
      return { type, id, term: reader.number() }
  }
}

function readSubmit(reader: MessageReader, id: number): SubmitRequest {
  const isQuiet = reader.flag()
  const opening = reader.sized()
  const submissions = Array.from({ length: reader.count(submissionHeadBytes) }, () => {
    const commandCount = reader.u32()
    if (commandCount === 0) throw new MalformedMessageError('a submission without commands')
    return { commandCount, payload: reader.sized() }
  })
  if (submissions.length === 0) throw new MalformedMessageError('nothing is submitted')
  return { type: 'submit', id, isQuiet, ...(opening.byteLength > 0 && { opening }), submissions }
}

function readIndices(reader: MessageReader): Index[] {
  return Array.from({ length: reader.count(indexBytes) }, () => reader.number())
}
