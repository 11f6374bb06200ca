/** Which numbers from 1 on have come, in whatever order. */
export class Progress {
  readonly #ahead = new Set<number>()
  #upTo = 0

  /** All numbers up to this have come. */
  get upTo(): number {
    return this.#upTo
  }

  /** Says whether the number is new. */
  add(number: number): boolean {
    if (number <= this.#upTo || this.#ahead.has(number)) return false
    this.#ahead.add(number)
    while (this.#ahead.delete(this.#upTo + 1)) this.#upTo++
    return true
  }
}
