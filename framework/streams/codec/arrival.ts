import { equalBytes, messageOf, MosaikError } from '#framework/primitives'

/**
 * Makes sure that a consumer gets what the producer has judged. A schema with rules of the application's own (refinements,
 * `overwrite()`, values of any kind) may accept a datum and not what was encoded of it, where a key with the value undefined
 * is no key any more; or make something else of its own output, so that each end has another datum.
 *
 * @param bytes What is sent.
 * @param decode What a consumer makes of that: its judgement included.
 * @param encode What would be sent of it.
 * @throws MosaikError `DATUM_ALTERED`
 */
export function assertArrives<T>(
  bytes: Uint8Array,
  decode: () => T,
  encode: (datum: T) => Uint8Array | undefined,
): void {
  let again
  try {
    again = encode(decode())
  } catch (cause) {
    const message = `what a consumer gets of it does not satisfy the schema: ${messageOf(cause)}`
    throw new MosaikError('DATUM_ALTERED', message, { cause })
  }
  if (again !== undefined && equalBytes(again, bytes)) return
  throw new MosaikError(
    'DATUM_ALTERED',
    'a consumer would get another datum: the schema makes something else of its own output',
  )
}
