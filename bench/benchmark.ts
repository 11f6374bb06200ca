import type { Transport } from './transports.ts'

export interface BenchmarkRun {
  readonly runs: number
  /** How large the networks are, where the benchmark measures several. */
  readonly nodes?: readonly number[]
  /** How long a figure is observed, where that is a matter of choice. */
  readonly seconds?: number
  /** The only transport to measure, where several are. */
  readonly transport?: Transport
  /** Prints for a person; silent with --json. */
  readonly say: (text: string) => void
}

export interface Benchmark {
  /** How the figures come about, in a sentence or two. */
  readonly method: string
  readonly runs: number
  /** What it may take in all, in minutes, before it is ended as failed. Default 30. */
  readonly minutesMax?: number
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

/** Rows in aligned columns, the first row above a rule: names to the left, figures to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}

/** The result of a promise that must settle in time. */
export async function inTime<T>(ms: number, what: string, promise: PromiseLike<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${what}: not within ${ms / 1_000} s`)), ms)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
