import { toHex, type Random } from '#framework/primitives'

const INCARNATION_BYTES = 8

/** A fresh one: 8 random bytes as 16 hexadecimal characters. */
export function newIncarnation(random: Random): string {
  return toHex(random.bytes(INCARNATION_BYTES))
}
