import { types } from 'node:util'
import { Decoder, Encoder } from '@msgpack/msgpack'
import { CodecError } from './codec-error.js'
import { extensions, isExtension, isWellFormedText, Unsupported } from './codec-extensions.js'
import { messageOf } from './errors.js'
import { DEPTH_MAX, MessageScanner } from './msgpack-scan.js'

export { CodecError } from './codec-error.js'

/** An encoder's buffer grows with the largest message and never shrinks: beyond this, a new one takes its place. */
const BUFFER_BYTES_MAX = 4 * 1024 * 1024

const scanner = new MessageScanner(isExtension)
const decoder = new Decoder({ extensionCodec: extensions })
let encoder = newEncoder()

/**
 * Encodes a value as MessagePack (specification of 2017-08). What can be encoded comes back from {@link decode} as it
 * was; what would come back as something else is refused:
 *
 * - null, booleans, numbers, text
 * - bigints up to 512 bytes long, which stay bigints, as numbers stay numbers
 * - Uint8Array (a Buffer comes back as one), Date
 * - arrays and plain objects of these, with at most 64 of them around a value. A member that is undefined is left out,
 *   as an optional member that is not there; symbols are ignored.
 *
 * Not everyone can have it exactly: -0 becomes 0, an object without a prototype gets one, and a text of more than 200
 * bytes loses a byte order mark at its beginning.
 *
 * @returns Bytes of its own.
 * @throws CodecError `CODEC_UNSUPPORTED` for undefined itself or in an array, a function, a symbol, an instance of a
 *   class (Map and Set among them), an invalid Date, text with half a surrogate pair, the key `__proto__`, or a value
 *   nested too deep or in itself; `details.path` is the way to it where that is known. What a getter throws is its cause.
 */
export function encode(value: unknown): Uint8Array {
  return encodeShared(value).slice()
}

/**
 * {@link encode} without a copy, for those who copy at once.
 *
 * @returns A view into the encoder's own buffer, which the next call of `encode` or `encodeShared` overwrites.
 * @throws CodecError as {@link encode} does.
 */
export function encodeShared(value: unknown): Uint8Array {
  try {
    if (value === undefined) throw new Unsupported('undefined', value)
    if (!isWellFormedText(value)) throw new Unsupported('malformed text', value)
    const bytes = encoder.encodeSharedRef(value)
    if (bytes.buffer.byteLength > BUFFER_BYTES_MAX) encoder = newEncoder()
    return bytes
  } catch (cause) {
    throw unsupported(value, cause)
  }
}

/**
 * Decodes one MessagePack message, whoever wrote it. Nothing of the result refers to `bytes`. Only what {@link encode}
 * writes is understood, in any of the forms that MessagePack allows for it; where a key occurs twice, the later one
 * counts. Time and memory are proportional to the length of the bytes, whatever lengths they claim.
 *
 * @throws CodecError `CODEC_MALFORMED` for bytes that are no message, end early, or go on after it; for other extension
 *   types, integers that are not exact as numbers, keys that are not text, the key `__proto__`, malformed UTF-8, and
 *   nesting deeper than 64. `details.offset` is where, if that is known.
 */
export function decode(bytes: Uint8Array): unknown {
  const hasBinary = scanner.scan(bytes)
  try {
    const value = decoder.decode(bytes)
    return hasBinary ? withOwnBytes(value) : value
  } catch (cause) {
    if (cause instanceof CodecError) throw cause
    throw new CodecError('CODEC_MALFORMED', `malformed message: ${messageOf(cause)}`, { cause })
  }
}

function newEncoder(): Encoder {
  // Its depth counts the value itself too.
  return new Encoder({ extensionCodec: extensions, ignoreUndefined: true, maxDepth: DEPTH_MAX + 1 })
}

/** Replaces byte strings, which are views into the message, by copies: each one alone, so that none keeps the others. */
function withOwnBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (types.isUint8Array(value)) return new Uint8Array(value)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = withOwnBytes(value[i])
  } else if (!types.isDate(value)) {
    const members = value as Record<string, unknown>
    for (const key in members) members[key] = withOwnBytes(members[key])
  }
  return value
}

function unsupported(value: unknown, cause: unknown): CodecError {
  if (!(cause instanceof Unsupported)) {
    return new CodecError('CODEC_UNSUPPORTED', `the value cannot be encoded: ${messageOf(cause)}`, { cause })
  }
  const path = pathTo(cause.culprit, value, new Set()) ?? []
  if (cause.key !== undefined) path.push(cause.key)
  const place = path.length === 0 ? '' : ` at ${path.join('.')}`
  return new CodecError('CODEC_UNSUPPORTED', `${cause.message} cannot be encoded${place}`, {
    details: { path },
  })
}

/** Where in a value something is: looked for only when it is too late to save time. */
function pathTo(culprit: unknown, value: unknown, seen: Set<unknown>): (string | number)[] | undefined {
  if (value === culprit) return []
  if (typeof value !== 'object' || value === null || seen.has(value)) return undefined
  seen.add(value)
  for (const [key, member] of Object.entries(value)) {
    const path = pathTo(culprit, member, seen)
    if (path !== undefined) return [Array.isArray(value) ? Number(key) : key, ...path]
  }
  return undefined
}
