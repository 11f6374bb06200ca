/** A consumer that others wait for. */
export interface Holder {
  /** Grows whenever the consumer takes or acknowledges anything. */
  readonly takenMark: number
}

export interface StallVerdict<H> {
  /** Those whose time is over. */
  readonly stalled: readonly H[]
  /** Those that have taken nothing for half of it, as far as is known: they should be asked. */
  readonly suspected: readonly H[]
  /** After how many milliseconds to look again; undefined when nobody holds anything up. */
  readonly nextMs: number | undefined
}

interface Watched {
  takenMark: number
  sinceMs: number
  isSuspected: boolean
}

/**
 * Finds the consumers that make others wait for some time without taking anything. What a consumer has taken is known
 * only when it says so, and it says so when there is something to grant: therefore it is asked before it is judged. Pure.
 */
export class StallWatch<H extends Holder> {
  readonly #timeoutMs: number
  readonly #watched = new Map<H, Watched>()

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Looks at those that make others wait at this moment, which are all there are. */
  look(nowMs: number, holders: readonly H[]): StallVerdict<H> {
    for (const holder of this.#watched.keys()) if (!holders.includes(holder)) this.#watched.delete(holder)
    const stalled: H[] = []
    const suspected: H[] = []
    let nextMs = Infinity
    for (const holder of holders) {
      const watched = this.#watch(holder, nowMs)
      const restMs = watched.sinceMs + this.#timeoutMs - nowMs
      if (restMs <= 0) {
        stalled.push(holder)
        this.#watched.delete(holder)
        continue
      }
      const trustedMs = restMs - this.#timeoutMs / 2
      if (trustedMs <= 0 && !watched.isSuspected) {
        watched.isSuspected = true
        suspected.push(holder)
      }
      nextMs = Math.min(nextMs, trustedMs > 0 ? trustedMs : restMs)
    }
    return { stalled, suspected, nextMs: nextMs === Infinity ? undefined : nextMs }
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#watched.clear()
  }

  #watch(holder: H, nowMs: number): Watched {
    const { takenMark } = holder
    const known = this.#watched.get(holder)
    if (known?.takenMark === takenMark) return known
    const watched = { takenMark, sinceMs: nowMs, isSuspected: false }
    this.#watched.set(holder, watched)
    return watched
  }
}
