import type { Digest } from '#framework/primitives'
import { parseRecord, verifyRecord, type SignedRecord, type UnverifiedRecord } from './signed-record.js'

/** How many verified records are remembered. */
const REMEMBERED_MAX = 1024

/**
 * Reads records, and verifies each only once: the same record arrives by gossip from several neighbours and by sync,
 * and checking a signature costs a hundred times what hashing does.
 */
export class RecordReader {
  /** In the order of last use. Keyed by the digest of all bytes, signature included. */
  readonly #verified = new Map<Digest, SignedRecord>()

  /** @throws RecordError as {@link parseRecord}. */
  parse(bytes: Uint8Array): UnverifiedRecord {
    return parseRecord(bytes)
  }

  /** @throws RecordError as {@link verifyRecord}. */
  verify(record: UnverifiedRecord): SignedRecord {
    const { digest } = record
    const known = this.#verified.get(digest)
    const result = known ?? verifyRecord(record)
    this.#verified.delete(digest)
    this.#verified.set(digest, result)
    if (this.#verified.size > REMEMBERED_MAX) {
      const [longestUnused] = this.#verified.keys()
      if (longestUnused !== undefined) this.#verified.delete(longestUnused)
    }
    return result
  }

  /** @throws RecordError */
  read(bytes: Uint8Array): SignedRecord {
    return this.verify(this.parse(bytes))
  }
}
