import { concatBytes } from './bytes.js'
import { encode } from './codec.js'
import { invariant } from './errors.js'

/** From so many elements on, the format has another header. */
const shortMax = 15
const mediumMax = 0xff_ff

/**
 * The array of elements that are encoded already: the same bytes as `encode` makes of all of them. For long lists of which
 * little changes.
 */
export function encodeArray(elements: readonly Uint8Array[]): Uint8Array {
  return concatBytes(arrayHeader(elements.length), ...elements)
}

/** The object whose members are encoded already, in their order. At most 15 of them. */
export function encodeMap(members: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const parts = Object.entries(members).flatMap(([key, value]) => [encode(key), value])
  const size = parts.length / 2
  invariant(size <= shortMax, 'a map of parts has at most 15 members')
  return concatBytes(Uint8Array.of(0x80 | size), ...parts)
}

function arrayHeader(length: number): Uint8Array {
  if (length <= shortMax) return Uint8Array.of(0x90 | length)
  invariant(length <= mediumMax, 'an array of parts has at most 65535 elements')
  return Uint8Array.of(0xdc, length >> 8, length & 0xff)
}
