import type { z } from 'zod'
import { MessagePackCodec, type DatumCodec } from './datum-codec.js'
import { layoutOf } from './layout.js'
import { PackedCodec } from './packed-codec.js'

/**
 * The codec of a schema: the one made from its shape where there is a layout for that, else MessagePack. Which one it is,
 * and which bytes it writes, depends on the shape alone, so that both ends come to the same.
 *
 * @param shape The schema's canonical text (canonical-schema.ts).
 */
export function codecOf<T>(schema: z.ZodType<T>, shape: string): DatumCodec<T> {
  const layout = layoutOf(shape)
  return layout === undefined ? new MessagePackCodec(schema) : new PackedCodec(schema, layout)
}
