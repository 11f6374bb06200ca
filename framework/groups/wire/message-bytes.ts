import { fromHex, MosaikError, toHex } from '#framework/primitives'
import type { ClusterId } from '../raft/index.js'

/** What a cluster id takes in a message. */
export const clusterIdBytes = 16

/** Bytes of another member that are no message. Code `GROUP_MESSAGE_MALFORMED`. */
export class MalformedMessageError extends MosaikError {
  constructor(what: string) {
    super('GROUP_MESSAGE_MALFORMED', what)
  }
}

/** Writes a message of members: little-endian, integers as f64, which holds them exactly. */
export class MessageWriter {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  /** @param lengthMax How much is going to be written at most. */
  constructor(lengthMax: number) {
    this.#bytes = new Uint8Array(lengthMax)
    this.#view = new DataView(this.#bytes.buffer)
  }

  u8(value: number): void {
    this.#bytes[this.#offset++] = value
  }

  flag(value: boolean): void {
    this.u8(value ? 1 : 0)
  }

  u32(value: number): void {
    this.#view.setUint32(this.#offset, value, true)
    this.#offset += 4
  }

  /** A safe integer that is not negative. */
  number(value: number): void {
    this.#view.setFloat64(this.#offset, value, true)
    this.#offset += 8
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.#offset)
    this.#offset += value.byteLength
  }

  /** Behind their length. */
  sized(value: Uint8Array): void {
    this.u32(value.byteLength)
    this.bytes(value)
  }

  clusterId(value: ClusterId): void {
    this.bytes(fromHex(value))
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset)
  }
}

/** Reads one. Everything throws MalformedMessageError for what is none. */
export class MessageReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#offset
  }

  u8(): number {
    return this.#bytes[this.#skip(1)]!
  }

  flag(): boolean {
    const value = this.u8()
    if (value > 1) throw new MalformedMessageError('a flag is neither yes nor no')
    return value === 1
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  number(): number {
    const value = this.#view.getFloat64(this.#skip(8), true)
    if (!Number.isSafeInteger(value) || value < 0)
      throw new MalformedMessageError('a number is no whole number from 0 to 2^53 - 1')
    return value
  }

  bytes(byteLength: number): Uint8Array {
    const start = this.#skip(byteLength)
    return this.#bytes.subarray(start, start + byteLength)
  }

  sized(): Uint8Array {
    return this.bytes(this.u32())
  }

  clusterId(): ClusterId {
    return toHex(this.bytes(clusterIdBytes)) as ClusterId
  }

  /** How many follow, each of so many bytes at least: what is claimed is not allocated before it has come. */
  count(bytesEach: number): number {
    const count = this.u32()
    if (count * bytesEach > this.remaining) throw endsEarly()
    return count
  }

  /** One of these, by its place. */
  oneOf<T>(choices: readonly T[], what: string): T {
    const choice = choices[this.u8()]
    if (choice === undefined) throw new MalformedMessageError(`there is no such ${what}`)
    return choice
  }

  finish(): void {
    if (this.remaining > 0) throw new MalformedMessageError('a message goes on behind its end')
  }

  #skip(byteLength: number): number {
    const start = this.#offset
    if (byteLength > this.remaining) throw endsEarly()
    this.#offset = start + byteLength
    return start
  }
}

function endsEarly(): MalformedMessageError {
  return new MalformedMessageError('a message ends early')
}
