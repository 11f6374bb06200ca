import { concatBytes, decode, encode, MosaikError } from '#framework/primitives'
import { z } from 'zod'
import type { Index } from '../raft/index.js'
import type { KeptSession } from './sessions.js'
import type { ValueCodec } from './state-machine.js'

/** What is in a snapshot besides the state of the application's machine. */
export interface SnapshotHead<R> {
  readonly appliedIndex: Index
  readonly applicationIndex: Index
  readonly timestampMs: number
  /** The least recently used first. */
  readonly sessions: readonly KeptSession<R>[]
}

/** A snapshot does not begin as one does. Code `GROUP_SNAPSHOT_MALFORMED`. */
export class MalformedSnapshotError extends MosaikError {
  constructor(what: string, cause?: unknown) {
    super('GROUP_SNAPSHOT_MALFORMED', what, { cause })
  }
}

const pieceBytesMax = 1024 * 1024
const lengthBytes = 4
/** 4096 sessions with all the outcomes they may have are less. */
const headBytesMax = 1024 * 1024 * 1024

const count = z.int().min(0)
const headSchema = z.object({
  version: z.literal(1),
  appliedIndex: count,
  applicationIndex: count,
  timestampMs: count,
  sessions: z.array(
    z.object({
      id: z.string().regex(/^[0-9a-f]{32}$/),
      sequence: count,
      outcomes: z.array(
        z.object({
          sequence: count,
          term: count,
          firstIndex: count,
          results: z.array(z.instanceof(Uint8Array)),
        }),
      ),
    }),
  ),
})

/** The head behind its length (big-endian), then the pieces of the machine. */
export function* snapshotOf<R>(
  head: SnapshotHead<R>,
  codec: ValueCodec<R>,
  machine: Iterable<Uint8Array>,
): Iterable<Uint8Array> {
  const sessions = head.sessions.map(({ id, sequence, outcomes }) => ({
    id,
    sequence,
    outcomes: outcomes.map(({ results, ...outcome }) => ({
      ...outcome,
      results: results.map((result) => codec.encode(result)),
    })),
  }))
  const encoded = encode({ ...head, version: 1, sessions })
  const length = Buffer.allocUnsafe(lengthBytes)
  length.writeUInt32BE(encoded.byteLength)
  yield length
  for (let start = 0; start < encoded.byteLength; start += pieceBytesMax)
    yield encoded.subarray(start, start + pieceBytesMax)
  yield* machine
}

/**
 * Reads the head, and leaves the rest.
 *
 * @throws MalformedSnapshotError, or what `pieces` throws.
 */
export async function readHead<R>(
  pieces: AsyncIterable<Uint8Array>,
  codec: ValueCodec<R>,
): Promise<{ readonly head: SnapshotHead<R>; readonly rest: AsyncIterable<Uint8Array> }> {
  const reader = new PieceReader(pieces[Symbol.asyncIterator]())
  const lengthPrefix = Buffer.from(await reader.take(lengthBytes))
  const headBytes = lengthPrefix.readUInt32BE(0)
  if (headBytes > headBytesMax) throw new MalformedSnapshotError('the head of a snapshot is too long')
  const encoded = await reader.take(headBytes)
  try {
    const { sessions, ...head } = headSchema.parse(decode(encoded))
    const decoded = sessions.map(({ outcomes, ...session }) => ({
      ...session,
      outcomes: outcomes.map(({ results, ...outcome }) => ({
        ...outcome,
        results: results.map((bytes) => codec.decode(bytes)),
      })),
    }))
    return { head: { ...head, sessions: decoded }, rest: reader.rest() }
  } catch (cause) {
    throw new MalformedSnapshotError('the head of a snapshot cannot be read', cause)
  }
}

class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>
  #left: Uint8Array = new Uint8Array(0)

  constructor(pieces: AsyncIterator<Uint8Array>) {
    this.#pieces = pieces
  }

  /** Exactly so many bytes. */
  async take(byteLength: number): Promise<Uint8Array> {
    const parts = [this.#left]
    let length = this.#left.byteLength
    while (length < byteLength) {
      const next = await this.#pieces.next()
      if (next.done === true) throw new MalformedSnapshotError('a snapshot ends within its head')
      parts.push(next.value)
      length += next.value.byteLength
    }
    const all = parts.length === 1 ? this.#left : concatBytes(...parts)
    this.#left = all.subarray(byteLength)
    return all.subarray(0, byteLength)
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      if (this.#left.byteLength > 0) yield this.#left
      for (;;) {
        const next = await this.#pieces.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await this.#pieces.return?.()
    }
  }
}
