import type { z } from 'zod'
import { CodecError, encodeShared } from '#framework/primitives'
import { assertArrives } from './arrival.js'
import { DatumDecodeError, judgeDatum, judgeReceived, type DatumCodec } from './datum-codec.js'
import type { DatumMemory } from './datum-memory.js'
import { canGenerate, generate } from './generate.js'
import { interpret } from './interpret.js'
import type { DatumLayout } from './layout.js'
import type { PackedProgram } from './packed-program.js'
import { Malformed, PackedReader } from './packed-reader.js'
import { FULL } from './packed-writer.js'
import { plainness } from './plain-schema.js'
import { hasExactUnionsOnly } from './union-choice.js'
import type { Rules } from './values.js'

/**
 * The codec made from a schema's shape: see layout.ts for the bytes.
 *
 * Of a plain schema (plain-schema.ts), the code made from it judges as well, and zod is asked only what is wrong with a
 * datum. Any other schema is asked about each datum, its output is what is written, and what a consumer would get of that has to be the
 * same (arrival.ts).
 *
 * What cannot travel is refused as MessagePack refuses it: malformed text, invalid dates, integers beyond 512 bytes,
 * more than 64 containers around a value. Beyond that, what a schema makes up itself (a default, a value for `catch()`)
 * has to be of its shape, and have no other fields. The negative zero of a number stays one.
 */
export class PackedCodec<T> implements DatumCodec<T> {
  readonly id = 'packed/2'
  readonly #schema: z.ZodType<T>
  readonly #layout: DatumLayout
  readonly #rules: Rules
  readonly #program: PackedProgram
  readonly #reader = new PackedReader()

  /** @param make How the layout is made executable: by code, where that is allowed, if nothing else is given. */
  constructor(
    schema: z.ZodType<T>,
    layout: DatumLayout,
    make: (layout: DatumLayout, rules: Rules) => PackedProgram = canGenerate() ? generate : interpret,
  ) {
    this.#schema = schema
    this.#layout = layout
    this.#rules = (hasExactUnionsOnly(layout) ? plainness(schema) : undefined) ?? 'fit'
    this.#program = make(layout, this.#rules)
  }

  judge(datum: T): T {
    return judgeDatum(this.#schema, datum)
  }

  encode(datum: T, target: Buffer, offset: number): number {
    const value = this.#rules === 'fit' ? this.judge(datum) : datum
    const end = this.#program.encode(value, target, offset)
    if (end >= 0) {
      if (this.#rules === 'fit') this.#assertArrives(target.subarray(offset, end))
      return end
    }
    // The room may have been at its end before the first thing that is wrong.
    if (end === FULL && this.#program.accepts(value)) return -1
    throw this.#refusalOf(value)
  }

  decode(bytes: Uint8Array, start: number, end: number, memory?: DatumMemory): T {
    const reader = this.#reader
    let value
    try {
      reader.open(bytes, start, end, memory)
      value = this.#program.decode(reader)
      reader.finish()
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      throw this.#undecodable(bytes, start, end, error)
    } finally {
      reader.close()
    }
    if (this.#rules !== 'fit' && !reader.isRefused) return value as T
    return judgeReceived(this.#schema, value)
  }

  #assertArrives(bytes: Buffer): void {
    assertArrives(
      bytes,
      () => this.decode(bytes, 0, bytes.byteLength),
      (again) => {
        const target = Buffer.allocUnsafe(bytes.byteLength)
        const end = this.#program.encode(again, target, 0)
        return end < 0 ? undefined : target.subarray(0, end)
      },
    )
  }

  /** What is wrong with a datum: what zod says, else what MessagePack says, which carries more than the layout. */
  #refusalOf(datum: T): unknown {
    try {
      encodeShared(this.judge(datum))
    } catch (error) {
      return error
    }
    return new CodecError('CODEC_UNSUPPORTED', 'the value is not of the shape that its schema describes')
  }

  #undecodable(bytes: Uint8Array, start: number, end: number, error: Malformed): DatumDecodeError {
    return new DatumDecodeError(
      'undecodable',
      `/${this.#pathOf(bytes, start, end).join('/')}: ${error.message}`,
    )
  }

  /** Where bytes are wrong: looked for only when it is too late to save time. */
  #pathOf(bytes: Uint8Array, start: number, end: number): readonly (string | number)[] {
    const reader = new PackedReader()
    try {
      reader.open(bytes, start, end)
      interpret(this.#layout, this.#rules).decode(reader)
    } catch (error) {
      if (error instanceof Malformed) return error.path
      throw error
    }
    return []
  }
}
