import { MosaikError, type MosaikErrorOptions } from '#framework/primitives'

/**
 * Why a datum was not accepted:
 *
 * - `PRODUCER_OFFLINE`: fewer consumers are subscribed than `onlineWhen` asks for;
 * - `PRODUCER_FULL`: there is no room, or earlier sends still wait for some;
 * - `PRODUCER_CLOSED`: the producer was closed, also while the send waited;
 * - `PRODUCER_INVALID_DATUM`: the datum does not satisfy the schema, or cannot be encoded; the cause says why;
 * - `PRODUCER_DATUM_TOO_LARGE`: it is longer than a frame may be.
 */
export type ProducerErrorCode =
  | 'PRODUCER_OFFLINE'
  | 'PRODUCER_FULL'
  | 'PRODUCER_CLOSED'
  | 'PRODUCER_INVALID_DATUM'
  | 'PRODUCER_DATUM_TOO_LARGE'

/** A datum was not accepted, and nobody will receive it. It is handed back. */
export class ProducerError<T = unknown> extends MosaikError {
  declare readonly code: ProducerErrorCode
  /** The datum, exactly as it was given. */
  readonly datum: T

  constructor(code: ProducerErrorCode, message: string, datum: T, options?: MosaikErrorOptions) {
    super(code, message, options)
    this.datum = datum
  }
}
