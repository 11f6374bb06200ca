import { types } from 'node:util'

/** What fits into one write: two frames of a link with 128 KiB each and their framing, and what others had to say meanwhile. */
const WRITE_BYTES_MAX = 264 * 1024

/** Bytes in one piece, or in several that follow each other. */
export type Pieces = Uint8Array | (Iterable<Uint8Array> & { readonly byteLength: number })

/** Where writes are put together, the same memory for all connections; and whose bytes are in it. */
const scratch: { bytes?: Buffer; holder?: GatheredWrites | undefined } = {}

/**
 * Puts together what is said on a connection until the code that runs now has come to its end, and writes it in one piece:
 * as many records of TLS as its length needs, one system call, and one wakeup at the other side.
 */
export class GatheredWrites {
  readonly #write: (bytes: Buffer) => void
  #byteLength = 0

  /** @param write Writes bytes that are overwritten when it has returned. */
  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  /** How much is not written yet. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** How much can be added to that. */
  get room(): number {
    return WRITE_BYTES_MAX - this.#byteLength
  }

  /** Adds a copy. What there is no {@link room} for is written at once, behind what waits. */
  add(data: Pieces): void {
    if (scratch.holder !== this) scratch.holder?.flush()
    const { byteLength } = data
    if (byteLength > this.room) return this.#writeLong(data)
    scratch.holder = this
    scratch.bytes ??= Buffer.allocUnsafeSlow(WRITE_BYTES_MAX)
    put(data, scratch.bytes, this.#byteLength)
    if (this.#byteLength === 0) queueMicrotask(this.flush)
    this.#byteLength += byteLength
  }

  /** Writes what waits, if anything does. */
  readonly flush = (): void => {
    const waiting = this.#take()
    if (waiting.byteLength > 0) this.#write(waiting)
  }

  /** Forgets what waits. */
  clear(): void {
    this.#take()
  }

  #writeLong(data: Pieces): void {
    const waiting = this.#take()
    const all = Buffer.allocUnsafeSlow(waiting.byteLength + data.byteLength)
    all.set(waiting)
    put(data, all, waiting.byteLength)
    this.#write(all)
  }

  #take(): Buffer {
    const waiting = scratch.bytes?.subarray(0, this.#byteLength) ?? none
    this.#byteLength = 0
    if (scratch.holder === this) scratch.holder = undefined
    return waiting
  }
}

const none = Buffer.alloc(0)

function put(data: Pieces, target: Buffer, offset: number): void {
  if (types.isUint8Array(data)) {
    target.set(data, offset)
    return
  }
  let end = offset
  for (const piece of data) {
    target.set(piece, end)
    end += piece.byteLength
  }
}
