import { MosaikError } from '#framework/primitives'

// multistream-select 1.0 (github.com/multiformats/multistream-select): either side names the version, the opener names a
// protocol, and the other side says it back or `na`. Each is a line, with its length before it. An opener that knows what
// it wants need not wait for the answer before it goes on, which saves a round trip for each stream.

const NEWLINE = 0x0a
/** As long as the reference implementation accepts. */
const LINE_BYTES_MAX = 1024
const VERSION = lineOf('/multistream/1.0.0')
const NOT_AVAILABLE = lineOf('na')

/** What the opener says first, and the other side too when it speaks the protocol. */
export function proposalOf(protocol: string): Uint8Array {
  return Buffer.concat([VERSION, lineOf(protocol)])
}

/** What the other side says when it does not speak the protocol. */
export function refusal(): Uint8Array {
  return Buffer.concat([VERSION, NOT_AVAILABLE])
}

/** What an opener has said that did not wait for an answer. */
export interface Proposal {
  readonly protocol: string
  /** What came behind it; not empty. */
  readonly rest: Uint8Array
}

/**
 * Reads the first bytes of an inbound stream.
 *
 * @returns Nothing, when they are anything else than a proposal with more behind it.
 */
export function readProposal(bytes: Uint8Array): Proposal | undefined {
  const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!given.subarray(0, VERSION.byteLength).equals(VERSION)) return undefined
  let at = VERSION.byteLength
  let length = given[at++] ?? 0
  if (length >= 0x80) length = (length & 0x7f) | ((given[at++] ?? 0) << 7)
  const end = at + length
  if (length === 0 || length > LINE_BYTES_MAX || end >= given.byteLength || given[end - 1] !== NEWLINE)
    return undefined
  return { protocol: given.toString('utf8', at, end - 1), rest: bytes.subarray(end) }
}

/** The other side's answer to a proposal, as it comes in. */
export class Answer {
  readonly #expected: Uint8Array
  #heardBytes = 0

  /** @param proposal What was said; who agrees says the same. */
  constructor(proposal: Uint8Array) {
    this.#expected = proposal
  }

  /** Whether the other side has agreed. */
  get isHeard(): boolean {
    return this.#heardBytes === this.#expected.byteLength
  }

  /**
   * Reads on.
   *
   * @returns What came behind the answer, or nothing yet.
   * @throws {MosaikError} `PROTOCOL_UNKNOWN`, when the other side does not speak the protocol; `NEGOTIATION_FAILED`, when
   *   it answers something else than a version that we know.
   */
  read(bytes: Uint8Array): Uint8Array {
    let at = 0
    for (; at < bytes.byteLength && !this.isHeard; at++) {
      if (bytes[at] !== this.#expected[this.#heardBytes]) throw this.#failure()
      this.#heardBytes++
    }
    return bytes.subarray(at)
  }

  #failure(): MosaikError {
    if (this.#heardBytes < VERSION.byteLength)
      return new MosaikError(
        'NEGOTIATION_FAILED',
        'the other side does not answer as multistream-select does',
      )
    return new MosaikError('PROTOCOL_UNKNOWN', 'the other side does not speak the protocol')
  }
}

function lineOf(text: string): Uint8Array {
  const line = Buffer.from(`${text}\n`)
  const { byteLength } = line
  const prefix = byteLength < 0x80 ? [byteLength] : [(byteLength & 0x7f) | 0x80, byteLength >>> 7]
  return Buffer.concat([Buffer.from(prefix), line])
}
