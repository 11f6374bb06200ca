export interface BenchmarkRun {
  readonly runs: number
  /** Prints for a person; silent with --json. */
  readonly say: (text: string) => void
}

export interface Benchmark {
  /** How the figures come about, in a sentence or two. */
  readonly method: string
  readonly runs: number
  /** The figures, as plain data. */
  run(options: BenchmarkRun): Promise<unknown>
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** The median with the range behind it: `12.3 [11.0–14.2]`. */
export function spread(values: readonly number[], digits = 0): string {
  const range = `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`
  return `${median(values).toFixed(digits)} [${range}]`
}
