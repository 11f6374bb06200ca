import type { z } from 'zod'
import { decode, encodeShared, messageOf, MosaikError } from '#framework/primitives'
import { assertArrives } from './arrival.js'
import type { DatumMemory } from './datum-memory.js'

/** Why received bytes are no datum: they cannot be decoded, or the value does not satisfy the schema. */
export class DatumDecodeError extends MosaikError {
  readonly kind: 'undecodable' | 'mismatch'

  constructor(kind: DatumDecodeError['kind'], message: string) {
    super('DATUM_INVALID', message)
    this.kind = kind
  }
}

/** How the datums of one stream become bytes and values again, judged by the schema on both ways. */
export interface DatumCodec<T> {
  /** What the two ends tell each other: which bytes there are. */
  readonly id: string

  /**
   * What the schema makes of a datum.
   *
   * @throws What is wrong with it, as the schema says it.
   */
  judge(datum: T): T

  /**
   * Judges a datum and writes it.
   *
   * @returns Where it ends in the target; -1 when there is not enough room, and what was written is of no meaning.
   * @throws What is wrong with it, as the schema says it; and, when there is room to look at what was written, `DATUM_ALTERED`.
   *   Nothing else depends on the room.
   */
  encode(datum: T, target: Buffer, offset: number): number

  /**
   * Reads and judges one datum, which takes exactly the bytes from `start` to `end`.
   *
   * @param memory Where its byte strings and texts go. Default: they share no memory with anything.
   * @throws DatumDecodeError `DATUM_INVALID`
   */
  decode(bytes: Uint8Array, start: number, end: number, memory?: DatumMemory): T
}

/** The codec for any schema: the schema judges, and MessagePack carries. */
export class MessagePackCodec<T> implements DatumCodec<T> {
  readonly id = 'msgpack/1'
  readonly #schema: z.ZodType<T>

  constructor(schema: z.ZodType<T>) {
    this.#schema = schema
  }

  judge(datum: T): T {
    return judgeDatum(this.#schema, datum)
  }

  encode(datum: T, target: Buffer, offset: number): number {
    const bytes = encodeShared(this.judge(datum))
    const end = offset + bytes.byteLength
    if (end > target.byteLength) return -1
    target.set(bytes, offset)
    // Compared with what was written: the next that is encoded overwrites the encoder's own bytes.
    const written = target.subarray(offset, end)
    assertArrives(written, () => this.decode(written, 0, written.byteLength), encodeShared)
    return end
  }

  decode(bytes: Uint8Array, start: number, end: number): T {
    let value
    try {
      value = decode(bytes.subarray(start, end))
    } catch (error) {
      throw new DatumDecodeError('undecodable', messageOf(error))
    }
    return judgeReceived(this.#schema, value)
  }
}

/**
 * What a schema makes of a datum that is to be sent.
 *
 * @throws What is wrong with it, as the schema says it.
 */
export function judgeDatum<T>(schema: z.ZodType<T>, datum: T): T {
  // `undefined` is how a consumer says that there is nothing.
  if (datum === undefined) throw new MosaikError('DATUM_UNDEFINED', 'undefined is no datum')
  const result = schema.safeParse(datum)
  if (!result.success) throw result.error
  return result.data
}

/**
 * What a schema makes of a value that was received.
 *
 * @throws DatumDecodeError of kind `mismatch`, with the path of what is wrong first.
 */
export function judgeReceived<T>(schema: z.ZodType<T>, value: unknown): T {
  try {
    const result = schema.safeParse(value)
    if (result.success) return result.data
    const [issue] = result.error.issues
    throw new DatumDecodeError('mismatch', `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`)
  } catch (error) {
    if (error instanceof DatumDecodeError) throw error
    // A refinement of the application's that throws, or one that wants to be awaited.
    throw new DatumDecodeError('mismatch', messageOf(error))
  }
}
