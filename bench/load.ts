// What the client of a replicated store is asked to do, whichever it is: so many calls at a time, or one after the other.

export interface Load {
  /** Commands of so many bytes. Resolves with how many a second were carried out. */
  write(order: Pace & Size): Promise<number>
  /** The same in calls of so many commands each, which are carried out together or not at all. */
  writeBatches(order: Pace & Size & { readonly batch: number }): Promise<number>
  /** One after the other; milliseconds that each took. */
  writeEach(order: Count & Size): Promise<readonly number[]>
  /** Reads that see everything that was acknowledged before. Resolves with how many a second were answered. */
  read(order: Pace): Promise<number>
  readEach(order: Count): Promise<readonly number[]>
}

interface Pace {
  /** Calls that are open at any time. */
  readonly inFlight: number
  /** For how long. */
  readonly ms: number
}

interface Size {
  readonly bytes: number
}

interface Count {
  readonly count: number
}

/** Calls a second, so many at a time. */
export async function callsPerSecond({ inFlight, ms }: Pace, call: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  let count = 0
  const work = async (): Promise<void> => {
    while (performance.now() - startMs < ms) {
      await call()
      count++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, work))
  return (1_000 * count) / (performance.now() - startMs)
}

/** Milliseconds of each call, one after the other. */
export async function eachMs({ count }: Count, call: () => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const startMs = performance.now()
    await call()
    times.push(performance.now() - startMs)
  }
  return times
}
