import type { DatumCodec } from '../codec/datum-codec.js'
import { compileCriteria } from './compile-criteria.js'
import type { QueuedDatum } from '../producing/send-queue.js'

/**
 * Judges a producer's datums by the criteria of its consumers. What is judged is what they would get, so a datum is decoded
 * from its bytes: once, however many ask for it. Pure.
 */
export class CriteriaJudge<T> {
  readonly #codec: DatumCodec<T>
  /** The datum that was judged last. */
  #sequence = -1
  #value: { readonly datum: T } | undefined

  constructor(codec: DatumCodec<T>) {
    this.#codec = codec
  }

  /**
   * Whether a datum meets criteria.
   *
   * @throws CriteriaError `STREAM_CRITERIA_INVALID`, now.
   */
  predicateOf(criteria: unknown): (datum: QueuedDatum) => boolean {
    const matches = compileCriteria(criteria)
    return (datum) => {
      if (datum.sequence !== this.#sequence) this.#read(datum)
      return this.#value !== undefined && matches(this.#value.datum)
    }
  }

  #read({ sequence, bytes }: QueuedDatum): void {
    this.#sequence = sequence
    try {
      this.#value = { datum: this.#codec.decode(bytes, 0, bytes.byteLength) }
    } catch {
      // A refinement has changed its mind since the datum was sent: no consumer could take it.
      this.#value = undefined
    }
  }
}
