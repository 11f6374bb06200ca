/** Datums with consecutive sequence numbers, from `first` up to and without `end`. */
interface Run {
  first: number
  end: number
}

/**
 * The datums of one life of a producer that the application was handed and has not acknowledged. They are kept as runs of
 * consecutive numbers, of which there is one as long as acknowledgements come in order. Pure.
 */
export class Unacknowledged {
  /** In ascending order; neither empty nor adjoining each other. */
  readonly #runs: Run[] = []

  /** The lowest one; undefined when everything is acknowledged. */
  get first(): number | undefined {
    return this.#runs[0]?.first
  }

  /** A datum was handed out; its number is above all those before. */
  add(sequence: number): void {
    const last = this.#runs.at(-1)
    if (last?.end === sequence) last.end++
    else this.#runs.push({ first: sequence, end: sequence + 1 })
  }

  /** A datum was acknowledged. Of one that is not among these nothing comes. */
  remove(sequence: number): void {
    const index = this.#indexOf(sequence)
    const run = this.#runs[index]
    if (run === undefined || sequence < run.first) return
    if (run.end - run.first === 1) this.#runs.splice(index, 1)
    else if (sequence === run.first) run.first++
    else if (sequence === run.end - 1) run.end--
    else {
      this.#runs.splice(index, 0, { first: run.first, end: sequence })
      run.first = sequence + 1
    }
  }

  /** All of them were acknowledged. */
  clear(): void {
    this.#runs.length = 0
  }

  /** Where the first run is that ends above the number; the number of runs when there is none. */
  #indexOf(sequence: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle]!.end <= sequence) low = middle + 1
      else high = middle
    }
    return low
  }
}
