import type { z } from 'zod'
import { decode, encode } from '#framework/primitives'
import type { ValueCodec } from './state-machine.js'

/** Values that a schema judges and MessagePack carries; see `encode` of primitives for what can travel. */
export function schemaCodec<T>(schema: z.ZodType<T>): ValueCodec<T> {
  return {
    encode: (value) => encode(schema.parse(value)),
    decode: (bytes) => schema.parse(decode(bytes)),
  }
}

/** For what is always nothing, as the results of commands that cannot fail. */
export const nothingCodec: ValueCodec<undefined> = {
  encode: () => new Uint8Array(0),
  decode: () => undefined,
}
