import { encodeShared, messageOf, MosaikError } from '#framework/primitives'
import { datumOverheadBytes } from './datum-frame.js'
import type { StreamDefinition } from './definition.js'
import { ProducerError } from './producer-error.js'
import { streamsProtocol } from './wire.js'

/** A frame's kind counts towards its limit too. */
const datumBytesMax = streamsProtocol.frameBytesMax - 1 - datumOverheadBytes

/**
 * What the schema makes of a datum.
 *
 * @throws ProducerError `PRODUCER_INVALID_DATUM`
 */
export function validateDatum<T>(stream: StreamDefinition<T>, datum: T): T {
  try {
    // `undefined` is how a consumer says that there is nothing.
    if (datum === undefined) throw new MosaikError('DATUM_UNDEFINED', 'undefined is no datum')
    const result = stream.schema.safeParse(datum)
    if (!result.success) throw result.error
    return result.data
  } catch (cause) {
    throw invalid(stream, datum, cause)
  }
}

/**
 * Validates a datum and encodes what the schema makes of it.
 *
 * @returns Bytes to be copied at once: the next encoding of anything overwrites them.
 * @throws ProducerError `PRODUCER_INVALID_DATUM` or `PRODUCER_DATUM_TOO_LARGE`.
 */
export function encodeDatum<T>(stream: StreamDefinition<T>, datum: T): Uint8Array {
  const value = validateDatum(stream, datum)
  let bytes
  try {
    bytes = encodeShared(value)
  } catch (cause) {
    throw invalid(stream, datum, cause)
  }
  if (bytes.byteLength > datumBytesMax) {
    const message = `a datum of stream "${stream.name}" has ${bytes.byteLength} bytes, and ${datumBytesMax} are allowed`
    throw new ProducerError('PRODUCER_DATUM_TOO_LARGE', message, datum)
  }
  return bytes
}

function invalid<T>(stream: StreamDefinition<T>, datum: T, cause: unknown): ProducerError<T> {
  const message = `a datum of stream "${stream.name}" cannot be sent: ${messageOf(cause)}`
  return new ProducerError('PRODUCER_INVALID_DATUM', message, datum, { cause })
}
