import { messageOf } from '#framework/primitives'
import { datumOverheadBytes } from '../codec/datum-frame.js'
import { DatumTooLargeError, type DatumLog } from './datum-log.js'
import type { StreamDefinition } from '../definition.js'
import { ProducerError } from '../producer-error.js'
import { streamsProtocol } from '../wire.js'

/** How long a datum may be: a frame's kind counts towards the frame's limit too. */
export const datumBytesMax = streamsProtocol.frameBytesMax - 1 - datumOverheadBytes

/**
 * What the schema makes of a datum.
 *
 * @throws ProducerError `PRODUCER_INVALID_DATUM`
 */
export function validateDatum<T>(stream: StreamDefinition<T>, datum: T): T {
  try {
    return stream.codec.judge(datum)
  } catch (cause) {
    throw refusal(stream, datum, cause)
  }
}

/**
 * Judges a datum and encodes it as the log's draft.
 *
 * @returns How long it is.
 * @throws ProducerError `PRODUCER_INVALID_DATUM` or `PRODUCER_DATUM_TOO_LARGE`.
 */
export function draftDatum<T>(stream: StreamDefinition<T>, log: DatumLog<T>, datum: T): number {
  try {
    return log.draft(datum)
  } catch (cause) {
    throw refusal(stream, datum, cause)
  }
}

function refusal<T>({ name }: StreamDefinition<T>, datum: T, cause: unknown): ProducerError<T> {
  const message = `a datum of stream "${name}" cannot be sent: ${messageOf(cause)}`
  const code = cause instanceof DatumTooLargeError ? 'PRODUCER_DATUM_TOO_LARGE' : 'PRODUCER_INVALID_DATUM'
  return new ProducerError(code, message, datum, { cause })
}
