import type { Entry, Index, MemberId } from '../raft/index.js'

/** Consecutive entries that are fetched together. */
export interface Chunk {
  readonly firstIndex: Index
  readonly lastIndex: Index
  /** `open`: to be asked for; `asked`: on its way; else it has arrived. */
  state: 'open' | 'asked' | Arrived
}

export interface Arrived {
  readonly from: MemberId
  readonly entries: readonly Entry[]
}

/** Entries as somebody has them, both included. */
export interface Extent {
  readonly firstIndex: Index
  readonly lastIndex: Index
}

export function holds({ firstIndex, lastIndex }: Extent, index: Index): boolean {
  return firstIndex <= index && index <= lastIndex
}

/**
 * The entries that are missing, in chunks without gaps from the next one to be appended on. Several chunks are on their
 * way at once and arrive in any order; how many there are is bounded.
 */
export class Gap {
  readonly #chunksMax: number
  #chunks: Chunk[] = []
  #nextIndex: Index

  constructor(firstIndex: Index, chunksMax: number) {
    this.#nextIndex = firstIndex
    this.#chunksMax = chunksMax
  }

  /** The next entry to be appended. */
  get firstIndex(): Index {
    return this.#chunks[0]?.firstIndex ?? this.#nextIndex
  }

  /** The first entry that somebody has to be asked for. */
  get firstOpenIndex(): Index {
    return this.#chunks.find(({ state }) => state === 'open')?.firstIndex ?? this.#nextIndex
  }

  /** Forgets all chunks, and begins at another entry. */
  restart(firstIndex: Index): void {
    this.#chunks = []
    this.#nextIndex = firstIndex
  }

  /** Whether the chunk is still part of it: what arrives for another one is of no use. */
  has(chunk: Chunk): boolean {
    return this.#chunks.includes(chunk)
  }

  /**
   * The first chunk that is open and begins with an entry that somebody has, as much of it as that one has; it counts as
   * asked for from now on. Undefined when there is none, or enough is on its way.
   *
   * @param lastIndex Where the gap ends.
   */
  claim(held: Extent, lastIndex: Index, entriesMax: number): Chunk | undefined {
    const open = this.#chunks.find(({ state, firstIndex }) => state === 'open' && holds(held, firstIndex))
    if (open !== undefined) return this.#ask(open, Math.min(open.lastIndex, held.lastIndex))
    const firstIndex = this.#nextIndex
    const end = Math.min(firstIndex + entriesMax - 1, lastIndex, held.lastIndex)
    if (this.#chunks.length >= this.#chunksMax || firstIndex < held.firstIndex || end < firstIndex)
      return undefined
    const chunk: Chunk = { firstIndex, lastIndex: end, state: 'asked' }
    this.#chunks.push(chunk)
    this.#nextIndex = end + 1
    return chunk
  }

  /** What was asked for will not come. */
  release(chunk: Chunk): void {
    chunk.state = 'open'
  }

  /** The first entries of a chunk have arrived. The rest is open again. */
  arrive(chunk: Chunk, arrived: Arrived): void {
    const lastIndex = chunk.firstIndex + arrived.entries.length - 1
    this.#replace(chunk, { ...chunk, lastIndex, state: arrived }, lastIndex + 1)
  }

  /** What can be appended now. */
  get arrived(): Arrived | undefined {
    const state = this.#chunks[0]?.state
    return typeof state === 'object' ? state : undefined
  }

  /** So many of the entries in {@link arrived} were appended. The rest is open again. */
  append(count: number): void {
    const chunk = this.#chunks[0]!
    this.#replace(chunk, undefined, chunk.firstIndex + count)
  }

  /** Whether something has arrived from somebody and is not appended yet. */
  holds(member: MemberId): boolean {
    return this.#chunks.some(({ state }) => typeof state === 'object' && state.from === member)
  }

  /** Opens again what has arrived from somebody who is not believed any more. */
  disbelieve(member: MemberId): void {
    for (const chunk of this.#chunks) {
      if (typeof chunk.state === 'object' && chunk.state.from === member) chunk.state = 'open'
    }
  }

  #ask(chunk: Chunk, lastIndex: Index): Chunk {
    const asked: Chunk = { ...chunk, lastIndex, state: 'asked' }
    this.#replace(chunk, asked, lastIndex + 1)
    return asked
  }

  /** Puts a chunk in the place of the beginning of another one; what is left of that from `restIndex` on is open. */
  #replace(chunk: Chunk, by: Chunk | undefined, restIndex: Index): void {
    const rest: Chunk = { firstIndex: restIndex, lastIndex: chunk.lastIndex, state: 'open' }
    const parts = [...(by ? [by] : []), ...(restIndex <= chunk.lastIndex ? [rest] : [])]
    this.#chunks.splice(this.#chunks.indexOf(chunk), 1, ...parts)
  }
}
