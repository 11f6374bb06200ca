/** What a message costs besides its bytes: the place it takes in a queue. */
const MESSAGE_BYTES = 64

/** How many bytes may wait for something. Pure. */
export class ByteBudget {
  readonly #bytesMax: number
  #used = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that wait, places included. */
  get used(): number {
    return this.#used
  }

  /** How many messages can wait at most. */
  get messagesMax(): number {
    return Math.ceil(this.#bytesMax / MESSAGE_BYTES)
  }

  /** False when too much waits. When nothing does, any message is taken: otherwise a long one could never be. */
  tryTake(byteLength: number): boolean {
    if (!this.#hasRoomFor(byteLength)) return false
    this.#used += byteLength + MESSAGE_BYTES
    return true
  }

  /** Whether a message of that length would be taken, and not as the last one that is. */
  isWorthwhile(byteLength: number): boolean {
    return this.#used <= this.#bytesMax / 2 && this.#hasRoomFor(byteLength)
  }

  giveBack(byteLength: number): void {
    this.#used -= byteLength + MESSAGE_BYTES
  }

  #hasRoomFor(byteLength: number): boolean {
    return this.#used === 0 || this.#used + byteLength + MESSAGE_BYTES <= this.#bytesMax
  }
}
