// Durations of many single events, and what to say of them.

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly count: number
}

export function percentilesOf(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: at(1), count: sorted.length }
}

/** A clock that all processes of a machine share, in microseconds. */
export function machineMicroseconds(): number {
  // 53 bits last for centuries of microseconds.
  return Number(process.hrtime.bigint()) / 1e3
}

/** Runs something so many times a second. What a late timer has missed is made up for. */
export async function paced(perSecond: number, ms: number, run: (n: number) => void): Promise<number> {
  const startedAt = performance.now()
  let count = 0
  for (;;) {
    const elapsed = performance.now() - startedAt
    for (const due = Math.floor((elapsed * perSecond) / 1_000); count < due; count++) run(count)
    if (elapsed >= ms) return count
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
