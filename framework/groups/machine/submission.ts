import { MosaikError, fromHex, toHex } from '#framework/primitives'

/** One client of the group in one life of its process: 16 random bytes, hexadecimal. */
export type SessionId = string

/** What a member submits to the log: commands that are applied together, and where they stand among those of its session. */
export interface Submission {
  readonly session: SessionId
  /** Counts the submissions of a session from 1. */
  readonly sequence: number
  /** The client has the outcomes of all submissions of its session below, and will not ask for them again. */
  readonly settledBelow: number
  /** Encoded by the machine's codec. At least one. */
  readonly commands: readonly Uint8Array[]
}

/** A payload in the log is none that a member writes. Code `GROUP_ENTRY_MALFORMED`. */
export class MalformedEntryError extends MosaikError {
  constructor(what: string) {
    super('GROUP_ENTRY_MALFORMED', what)
  }
}

const sessionBytes = 16
/** Safe integers have 53 bits. */
const integerBytes = 7
const headBytes = sessionBytes + 2 * integerBytes
const lengthBytes = 4

/** The payload of an entry of kind `command`: session, sequence and settledBelow; then each command behind its length. Big-endian. */
export function encodeSubmission({ session, sequence, settledBelow, commands }: Submission): Uint8Array {
  let length = headBytes
  for (const { byteLength } of commands) length += lengthBytes + byteLength
  const bytes = Buffer.allocUnsafeSlow(length)
  bytes.write(session, 0, 'hex')
  writeInteger(bytes, sessionBytes, sequence)
  writeInteger(bytes, sessionBytes + integerBytes, settledBelow)
  let offset = headBytes
  for (const command of commands) {
    offset = bytes.writeUInt32BE(command.byteLength, offset)
    bytes.set(command, offset)
    offset += command.byteLength
  }
  return bytes
}

/**
 * The commands are views into the payload.
 *
 * @throws MalformedEntryError
 */
export function decodeSubmission(payload: Uint8Array): Submission {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  if (bytes.length < headBytes) throw new MalformedEntryError('a submission ends within its head')
  const commands: Uint8Array[] = []
  for (let offset = headBytes; offset < bytes.length;) {
    if (bytes.length - offset < lengthBytes)
      throw new MalformedEntryError('a submission ends within a length')
    const start = offset + lengthBytes
    const end = start + bytes.readUInt32BE(offset)
    if (end > bytes.length) throw new MalformedEntryError('a submission ends within a command')
    commands.push(payload.subarray(start, end))
    offset = end
  }
  if (commands.length === 0) throw new MalformedEntryError('a submission has no commands')
  return {
    session: bytes.toString('hex', 0, sessionBytes),
    sequence: readInteger(bytes, sessionBytes),
    settledBelow: readInteger(bytes, sessionBytes + integerBytes),
    commands,
  }
}

/** The payload of an entry of kind `session`, which opens one. Opening it again changes nothing. */
export function encodeSessionOpening(session: SessionId): Uint8Array {
  return fromHex(session)
}

/** @throws MalformedEntryError */
export function decodeSessionOpening(payload: Uint8Array): SessionId {
  if (payload.byteLength !== sessionBytes) throw new MalformedEntryError('a session has another id')
  return toHex(payload)
}

function writeInteger(bytes: Buffer, offset: number, value: number): void {
  bytes[offset] = Math.floor(value / 2 ** 48)
  bytes.writeUIntBE(value % 2 ** 48, offset + 1, integerBytes - 1)
}

/** @throws MalformedEntryError when it is not exact as a number. */
function readInteger(bytes: Buffer, offset: number): number {
  const value = bytes[offset]! * 2 ** 48 + bytes.readUIntBE(offset + 1, integerBytes - 1)
  if (!Number.isSafeInteger(value)) throw new MalformedEntryError('a number beyond 2^53')
  return value
}
