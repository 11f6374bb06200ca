// Messages of several bonds between the same two nodes in one frame. For each: 32 B id of the bond, u16 length
// (little-endian), message.
import { bytesOf, digestFromRaw, type Digest } from '#framework/primitives'
import { MalformedMessageError } from './message-bytes.js'

/** A message, and which bond it is for. */
export interface BundlePart {
  readonly bond: Digest
  readonly message: Uint8Array
}

const idBytes = 32
export const partHeadBytes = idBytes + 2
/** The longest message of a part. */
export const partBytesMax = 0xff_ff

/** @param parts Of which none is longer than {@link partBytesMax}. */
export function encodeBundle(parts: readonly BundlePart[]): Uint8Array {
  const byteLength = parts.reduce((sum, { message }) => sum + partHeadBytes + message.byteLength, 0)
  const bytes = new Uint8Array(byteLength)
  const view = new DataView(bytes.buffer)
  let offset = 0
  for (const { bond, message } of parts) {
    bytes.set(bytesOf(bond), offset)
    view.setUint16(offset + idBytes, message.byteLength, true)
    bytes.set(message, offset + partHeadBytes)
    offset += partHeadBytes + message.byteLength
  }
  return bytes
}

/**
 * Messages are views into the bytes.
 *
 * @throws MalformedMessageError
 */
export function decodeBundle(bytes: Uint8Array): BundlePart[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: BundlePart[] = []
  for (let offset = 0; offset < bytes.byteLength;) {
    const start = offset + partHeadBytes
    if (start > bytes.byteLength) throw new MalformedMessageError('a bundle ends early')
    const end = start + view.getUint16(offset + idBytes, true)
    if (end > bytes.byteLength) throw new MalformedMessageError('a bundle ends early')
    parts.push({
      bond: digestFromRaw(bytes.subarray(offset, offset + idBytes)),
      message: bytes.subarray(start, end),
    })
    offset = end
  }
  return parts
}
