import type { Outcome } from '../orders.js'

/** How many outcomes of each trader are remembered: a trader may have so many requests without answer at a time. */
export const outcomeCountMax = 128
/** How many traders there may be. */
export const traderCountMax = 64

/** What is known of one trader, as a snapshot keeps it. */
export interface TraderRecord {
  readonly trader: string
  /** How many requests of the trader were carried out: numbers count from 1 without gaps. */
  readonly count: number
  /** What came of the newest of them, oldest first. At most {@link outcomeCountMax}. */
  readonly outcomes: readonly Outcome[]
}

/**
 * Carries each request of a trader out once, in the order of their numbers. One that comes again, from a trader that has
 * not heard of its outcome or over another matcher, gets the outcome that it had.
 */
export class Numbering {
  readonly #traders = new Map<string, { count: number; readonly outcomes: Outcome[] }>()

  /** The outcome of a request that is not to be carried out (now); undefined for the trader's next one. */
  answer(trader: string, number: number): Outcome | undefined {
    const known = this.#traders.get(trader)
    const count = known?.count ?? 0
    if (number > count + 1) return { status: 'refused', reason: 'out-of-turn', next: count + 1 }
    if (number <= count - outcomeCountMax) return { status: 'forgotten' }
    if (number <= count) return known!.outcomes[number % outcomeCountMax]
    if (known === undefined && this.#traders.size >= traderCountMax)
      return { status: 'refused', reason: 'too-many-traders', next: 1 }
    return undefined
  }

  /** The trader's next request was carried out. */
  record(trader: string, outcome: Outcome): void {
    let known = this.#traders.get(trader)
    if (known === undefined) {
      known = { count: 0, outcomes: [] }
      this.#traders.set(trader, known)
    }
    known.count++
    known.outcomes[known.count % outcomeCountMax] = outcome
  }

  /** In the order in which the traders made their first requests. */
  records(): TraderRecord[] {
    return [...this.#traders].map(([trader, { count, outcomes }]) => {
      const remembered = Math.min(count, outcomeCountMax)
      return {
        trader,
        count,
        outcomes: Array.from(
          { length: remembered },
          (_, place) => outcomes[(count - remembered + 1 + place) % outcomeCountMax]!,
        ),
      }
    })
  }

  restore({ trader, count, outcomes }: TraderRecord): void {
    const known: Outcome[] = []
    outcomes.forEach((outcome, place) => {
      known[(count - outcomes.length + 1 + place) % outcomeCountMax] = outcome
    })
    this.#traders.set(trader, { count, outcomes: known })
  }
}
