import type { PackedReader } from './packed-reader.js'

/** A layout made executable under some rules: generated code, or closures that do the same. */
export interface PackedProgram {
  /** @returns The offset after the value, `FULL` or `REFUSED` (packed-writer.ts), whichever is found out first. */
  encode(value: unknown, target: Buffer, offset: number): number

  /** Whether {@link encode} writes the value if there is room enough. */
  accepts(value: unknown): boolean

  /**
   * Reads a value, and says by `isRefused` of the reader whether the rules refuse it.
   *
   * @throws Malformed
   */
  decode(reader: PackedReader): unknown
}
