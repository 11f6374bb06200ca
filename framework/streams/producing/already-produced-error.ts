import { MosaikError } from '#framework/primitives'
import type { Producer } from '../producer.js'

/** The stream is produced on this node already. Code `STREAM_ALREADY_PRODUCED`. */
export class StreamAlreadyProducedError extends MosaikError {
  readonly #share: () => Producer<unknown>
  #existing: Producer<unknown> | undefined

  /** @param share Makes a handle of the producer that there is. */
  constructor(stream: string, isRetired: boolean, share: () => Producer<unknown>) {
    super(
      'STREAM_ALREADY_PRODUCED',
      isRetired
        ? `the producer of stream "${stream}" on this node is being closed: wait for its close() first`
        : `this node produces stream "${stream}" already: share that producer by giving no options, or close it first`,
    )
    this.#share = share
  }

  /**
   * A handle of the producer that there is, with the options that it has. It is one handle more from when it is asked
   * for: close it like any other.
   */
  get existing(): Producer<unknown> {
    this.#existing ??= this.#share()
    return this.#existing
  }
}
