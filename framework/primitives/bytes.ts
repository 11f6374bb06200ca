import { MosaikError } from './errors.js'

const utf8Encoder = new TextEncoder()

const HEX_TEXT = /^(?:[0-9a-f]{2})*$/i

/** The UTF-8 bytes of a text. A lone surrogate becomes U+FFFD, as the encoding standard has it. */
export function encodeUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text)
}

/** The parts one after the other, in a fresh array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.byteLength
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}

/** What is shorter is left to the garbage collector: there is little to gain, and V8 checks each use of typed arrays once any was detached. */
const RELEASED_BYTES_MIN = 16 * 1024

/**
 * Gives long memory back at once that nobody needs any more: from then on its views are empty. Memory outside the heap
 * that is left to the garbage collector is collected late, and each time the whole heap is searched for it.
 *
 * @param bytes The only view of its memory that is still in use.
 */
export function releaseMemory({ buffer }: Uint8Array): void {
  // What is shared between threads cannot be taken from the others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= RELEASED_BYTES_MIN) buffer.transfer(0)
}

/** Whether both hold the same bytes. Not constant-time: never compare secrets with it. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Lower-case hexadecimal text, two characters a byte. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/**
 * The bytes of hexadecimal text in any letter case, in a fresh array.
 *
 * @throws MosaikError `HEX_MALFORMED` for an odd length or any other character.
 */
export function fromHex(hex: string): Uint8Array {
  if (!HEX_TEXT.test(hex)) {
    throw new MosaikError('HEX_MALFORMED', 'expected hexadecimal text of an even length')
  }
  // Buffer.from would give a window into a shared pool; the caller gets memory of its own.
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (nibbleOf(hex.charCodeAt(2 * i)) << 4) | nibbleOf(hex.charCodeAt(2 * i + 1))
  }
  return bytes
}

/** The value of what is known to be a hexadecimal digit: digits begin at 0x30, letters at 0x41 and 0x61. */
function nibbleOf(charCode: number): number {
  return charCode <= 0x39 ? charCode - 0x30 : (charCode & 0x5f) - 0x37
}
