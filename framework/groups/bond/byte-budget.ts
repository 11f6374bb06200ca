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

  /** Whether so little waits that it is worth sending again. */
  get hasRoom(): boolean {
    return this.#used <= this.#bytesMax / 2
  }

  /** False when too much waits. When nothing does, any message is taken: otherwise a long one could never be. */
  tryTake(byteLength: number): boolean {
    const cost = byteLength + MESSAGE_BYTES
    if (this.#used > 0 && this.#used + cost > this.#bytesMax) return false
    this.#used += cost
    return true
  }

  giveBack(byteLength: number): void {
    this.#used -= byteLength + MESSAGE_BYTES
  }
}
