import type { z } from 'zod'
import { digestOf, hashBytes, MosaikError, type Digest, type StreamId } from '#framework/primitives'
import { canonicalSchema } from './schema/canonical-schema.js'
import { codecOf } from './codec/codec-of.js'
import type { DatumCodec } from './codec/datum-codec.js'
import type { StreamDefaults } from './defaults.js'
import { assertDefaults } from './options.js'

/** What both ends of a stream agree on: its name, and what a datum is. Immutable; share it by importing it. */
export interface StreamDefinition<T> {
  readonly name: string
  /** What peers find each other by: the digest of the name. */
  readonly id: StreamId
  /** Checked by the producer before a datum is sent, and by each consumer before it is handed out. */
  readonly schema: z.ZodType<T>
  /** BLAKE3 of `shape`. A producer and a consumer with different fingerprints never exchange a datum. */
  readonly fingerprint: Digest
  /**
   * The schema as canonical JSON Schema, with the additional types `date`, `bigint` and `bytes`, and `{"$up":n}` for a
   * schema that contains itself n levels further out.
   */
  readonly shape: string
  /** How datums travel. Both ends derive the same from `shape`. */
  readonly codec: DatumCodec<T>
  /** How it is produced and consumed unless whoever does it says otherwise. The datums meant in it are those of `schema`. */
  readonly defaults: StreamDefaults
}

const nameCharsMax = 128

/**
 * Defines a stream.
 *
 * ```ts
 * export const Prices = stream('prices', z.object({ symbol: z.string(), price: z.number() }), {
 *   producer: { overflow: 'drop-oldest' },
 *   producersMust: { requireTicket: fromTheExchange },
 * })
 * ```
 *
 * @param name 1 to 128 printing characters. 64 hexadecimal digits are the stream's id itself.
 * @param schema Anything that MessagePack can carry: objects, arrays, tuples, records, unions, text, numbers, booleans,
 *   null, and also dates, big integers and `z.instanceof(Uint8Array)`. Refinements are checked at both ends but are not
 *   part of the fingerprint. A datum travels as the schema's output: defaults are filled in, unknown keys are left out. It is refused when
 *   a consumer would not accept that, or make something else of it, as of an `overwrite()` that does not come to rest.
 * @param defaults How the stream is produced and consumed unless whoever does it says otherwise, and who may.
 * @throws MosaikError `STREAM_NAME_INVALID`; `STREAM_OPTION_INVALID` for defaults that make no sense;
 *   `STREAM_SCHEMA_UNSUPPORTED` for a schema with parts that cannot travel (Map, Set, functions, transforms, other
 *   classes), naming all of them with their paths.
 */
export function stream<S extends z.ZodType>(
  name: string,
  schema: S,
  defaults: StreamDefaults<z.output<S>> = {},
): StreamDefinition<z.output<S>> {
  if (!isStreamName(name)) {
    throw new MosaikError(
      'STREAM_NAME_INVALID',
      `${JSON.stringify(name)} cannot name a stream: a name has 1 to ${nameCharsMax} printing characters and no white space at its ends`,
    )
  }
  const canonical = canonicalSchema(schema)
  if ('unsupported' in canonical) {
    const parts = canonical.unsupported
    throw new MosaikError(
      'STREAM_SCHEMA_UNSUPPORTED',
      `the schema of stream ${JSON.stringify(name)} has parts that cannot travel\n${parts.map(({ path, problem }) => `  ${path}: ${problem}`).join('\n')}`,
      { details: { stream: name, parts } },
    )
  }
  assertDefaults(name, defaults as StreamDefaults)
  return Object.freeze({
    name,
    id: digestOf(name),
    schema: schema as z.ZodType<z.output<S>>,
    fingerprint: hashBytes(new TextEncoder().encode(canonical.shape)),
    shape: canonical.shape,
    codec: codecOf(schema as z.ZodType<z.output<S>>, canonical.shape),
    defaults: Object.freeze({ ...(defaults as StreamDefaults) }),
  })
}

function isStreamName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= nameCharsMax &&
    name.trim() === name &&
    !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)
  )
}
