/** How many of the last events are kept for people to read. */
const LINES_MAX = 400

/** What happened in a world: the hash of everything, and the last events as text. */
export class Trace {
  readonly #lines: string[] = []
  #low = 0x811c9dc5
  #high = 0x1b873593
  #count = 0

  /** @param where Of a host, or undefined for the world. */
  add(nowMs: number, where: number | undefined, what: string): void {
    const line = `${nowMs.toFixed(3).padStart(11)} ${where === undefined ? 'world' : `h${where}`.padEnd(5)} ${what}`
    this.#lines[this.#count++ % LINES_MAX] = line
    let low = this.#low
    let high = this.#high
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i)
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high + code, 0x85ebca6b) ^ (high >>> 15)
    }
    this.#low = low
    this.#high = high
  }

  get eventCount(): number {
    return this.#count
  }

  /** Two runs with the same hash did the same. */
  get hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** The last events, the oldest first. */
  tail(count: number): string[] {
    const kept = Math.min(count, this.#count, LINES_MAX)
    return Array.from({ length: kept }, (_, i) => this.#lines[(this.#count - kept + i) % LINES_MAX]!)
  }
}
