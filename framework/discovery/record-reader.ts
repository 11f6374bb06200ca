import type { Digest, NetworkId } from '#framework/primitives'
import {
  continued,
  parseRecord,
  verifyRecord,
  withContent,
  type SignedHeader,
  type SignedRecord,
  type UnverifiedRecord,
} from './signed-record.js'

/** How many verified headers are remembered. */
const REMEMBERED_MAX = 1024

/**
 * Reads the headers of records, and verifies each only once: the same one arrives by gossip from several neighbours and
 * by sync, and checking a signature costs a hundred times what hashing does.
 */
export class RecordReader {
  readonly #network: NetworkId
  /** In the order of last use. Keyed by the digest of all bytes, signature included. */
  readonly #verified = new Map<Digest, SignedHeader>()

  constructor(network: NetworkId) {
    this.#network = network
  }

  /** @throws RecordError as {@link parseRecord}. */
  parse(bytes: Uint8Array): UnverifiedRecord {
    return parseRecord(bytes)
  }

  /** @throws RecordError as {@link verifyRecord}. */
  verify(record: UnverifiedRecord): SignedHeader {
    const { digest } = record
    const known = this.#verified.get(digest)
    const result = known ?? verifyRecord(record, this.#network)
    this.#verified.delete(digest)
    this.#verified.set(digest, result)
    if (this.#verified.size > REMEMBERED_MAX) {
      const [longestUnused] = this.#verified.keys()
      if (longestUnused !== undefined) this.#verified.delete(longestUnused)
    }
    return result
  }

  /**
   * The whole record: with the content that came along, or the one that we hold.
   *
   * @param held What we hold of its peer.
   * @returns Nothing when the content is neither here nor there.
   * @throws RecordError as {@link withContent}.
   */
  complete(
    header: SignedHeader,
    content: Uint8Array | undefined,
    held: SignedRecord | undefined,
  ): SignedRecord | undefined {
    if (header.kind === 'departure') return header
    if (held?.kind === 'entry' && held.contentDigest === header.contentDigest) return continued(header, held)
    return content && withContent(header, content)
  }
}
