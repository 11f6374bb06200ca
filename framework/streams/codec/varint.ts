// Lengths and counts as they stand in frames and in the log: seven bits in each byte, the least significant ones first; 0x80
// says that there are more. For whole numbers below 2^31.

/** How many bytes a number takes. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}

/** Writes a number for which there is room. @returns Where it ends. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value
  while (rest > 0x7f) {
    target[offset++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[offset++] = rest
  return offset
}
