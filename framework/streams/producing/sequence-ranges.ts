/** How many ranges are told apart; of more, the two that are lowest become one, with what lies between them. */
const rangesMax = 64

interface Range {
  from: number
  /** Behind the last one. */
  to: number
}

/** Sequence numbers, in ranges that come one behind the other. */
export class SequenceRanges {
  readonly #ranges: Range[] = []

  /** Adds the numbers from the one up to the other, which are behind all there are. */
  add(from: number, to: number): void {
    if (from >= to) return
    const last = this.#ranges.at(-1)
    if (last?.to === from) {
      last.to = to
      return
    }
    this.#ranges.push({ from, to })
    if (this.#ranges.length <= rangesMax) return
    const [lowest] = this.#ranges.splice(0, 1)
    this.#ranges[0]!.from = lowest!.from
  }

  /** Takes out what is below. */
  removeBelow(sequence: number): void {
    while (this.#ranges[0] !== undefined && this.#ranges[0].to <= sequence) this.#ranges.shift()
    const [first] = this.#ranges
    if (first !== undefined) first.from = Math.max(first.from, sequence)
  }

  /** Takes out everything. Says how many there were. */
  clear(): number {
    return this.#ranges.splice(0).reduce((count, { from, to }) => count + to - from, 0)
  }
}
