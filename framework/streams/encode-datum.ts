import { encode, messageOf, MosaikError } from '#framework/primitives'
import { datumOverheadBytes } from './datum-frame.js'
import type { StreamDefinition } from './definition.js'
import { ProducerError } from './producer-error.js'
import { streamsProtocol } from './wire.js'

/** A frame's kind counts towards its limit too. */
const datumBytesMax = streamsProtocol.frameBytesMax - 1 - datumOverheadBytes

/**
 * Validates a datum and encodes what the schema makes of it.
 *
 * @throws ProducerError `PRODUCER_INVALID_DATUM` or `PRODUCER_DATUM_TOO_LARGE`.
 */
export function encodeDatum<T>(stream: StreamDefinition<T>, datum: T): Uint8Array {
  let bytes
  try {
    // `undefined` is how a consumer says that there is nothing.
    if (datum === undefined) throw new MosaikError('DATUM_UNDEFINED', 'undefined is no datum')
    const result = stream.schema.safeParse(datum)
    if (!result.success) throw result.error
    bytes = encode(result.data)
  } catch (cause) {
    const message = `a datum of stream "${stream.name}" cannot be sent: ${messageOf(cause)}`
    throw new ProducerError('PRODUCER_INVALID_DATUM', message, datum, { cause })
  }
  if (bytes.byteLength > datumBytesMax) {
    const message = `a datum of stream "${stream.name}" has ${bytes.byteLength} bytes, and ${datumBytesMax} are allowed`
    throw new ProducerError('PRODUCER_DATUM_TOO_LARGE', message, datum)
  }
  return bytes
}
