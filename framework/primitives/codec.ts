import { MsgpackReader } from './msgpack-reader.js'
import { MsgpackWriter } from './msgpack-writer.js'

export { CodecError } from './codec-error.js'

const reader = new MsgpackReader()
let idleWriter: MsgpackWriter | undefined = new MsgpackWriter()

/**
 * Encodes a value as MessagePack (specification of 2017-08). What can be encoded comes back from {@link decode} as it
 * was; everything else is refused instead of being changed on the way:
 *
 * - null, undefined, booleans, numbers (-0, NaN and the infinities too), text
 * - bigints up to 512 bytes long, which stay bigints, as numbers stay numbers
 * - Uint8Array (a Buffer comes back as one), Date
 * - arrays and plain objects of these, nested at most 64 deep. Members that are undefined are kept, symbols ignored.
 *
 * Not everyone can have it exactly: a lone surrogate in a text becomes U+FFFD, a hole in an array undefined, and an
 * object without a prototype gets one.
 *
 * @returns Bytes that are never written to again. Small messages share memory: copy one that is to be kept for long.
 * @throws CodecError `CODEC_UNSUPPORTED` for a function, a symbol, an instance of a class (Map and Set among them), an
 *   invalid Date, the key `__proto__`, or a value nested too deep or in itself; `details.path` is the way to it.
 */
export function encode(value: unknown): Uint8Array {
  // A getter of the value may encode something itself: it finds the writer taken and gets one of its own.
  const writer = idleWriter ?? new MsgpackWriter()
  idleWriter = undefined
  try {
    return writer.write(value)
  } finally {
    idleWriter = writer
  }
}

/**
 * Decodes one MessagePack message, whoever wrote it. Nothing of the result refers to `bytes`. Only what {@link encode}
 * writes is understood, in any of the lengths that MessagePack allows for it; where a key occurs twice, the later one
 * counts. 64-bit integers become bigints. Time and memory are proportional to the length of the bytes, whatever
 * lengths they claim.
 *
 * @throws CodecError `CODEC_MALFORMED` for bytes that are no message, end early, or go on after it; for other extension
 *   types, keys that are not text, the key `__proto__`, malformed UTF-8, and nesting deeper than 64. `details.offset` is
 *   where.
 */
export function decode(bytes: Uint8Array): unknown {
  return reader.read(bytes)
}
