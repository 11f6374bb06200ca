/** What a leader counts by: its own ticks, and the broadcasts that others answer. */
export class Rounds {
  #nowTick = 0
  /** The first begins with the election. */
  #latest = 1
  #beganTick = 0

  get nowTick(): number {
    return this.#nowTick
  }

  /** The number of the latest round. */
  get latest(): number {
    return this.#latest
  }

  /** When that began. */
  get beganTick(): number {
    return this.#beganTick
  }

  tick(count: number): void {
    this.#nowTick += count
  }

  /** The next round begins. */
  begin(): void {
    this.#latest++
    this.#beganTick = this.#nowTick
  }
}
