// Which edges of the declared graph are up, merged from what the nodes report. Pure.
import type { EdgeReport } from './messages.js'

export interface EdgeChanges {
  readonly up: readonly EdgeReport[]
  readonly down: readonly EdgeReport[]
}

/**
 * A subscription has two ends, and both report it. An edge is up while an end that runs here says so; where both ends run
 * here the consumer's word counts, because it is the one that gets the datums.
 */
export class EdgeLedger {
  readonly #expected: ReadonlyMap<string, EdgeReport>
  readonly #local: ReadonlySet<string>
  readonly #reports = new Map<string, readonly EdgeReport[]>()
  #up = new Map<string, EdgeReport>()

  /** `expected` are the declared edges between replicas, `local` the replicas that run here. */
  constructor(expected: readonly EdgeReport[], local: ReadonlySet<string>) {
    this.#local = local
    this.#expected = new Map(
      expected
        .filter((edge) => local.has(edge.from) || local.has(edge.to))
        .map((edge) => [keyOf(edge), edge]),
    )
  }

  get upCount(): number {
    return this.#up.size
  }

  get expectedCount(): number {
    return this.#expected.size
  }

  get converged(): boolean {
    return this.missing().length === 0
  }

  missing(): readonly EdgeReport[] {
    return [...this.#expected].filter(([key]) => !this.#up.has(key)).map(([, edge]) => edge)
  }

  /** Takes what `replica` now sees, which replaces what it saw before. An ended process sees nothing. */
  report(replica: string, edges: readonly EdgeReport[]): EdgeChanges {
    this.#reports.set(replica, edges)
    const before = this.#up
    this.#up = new Map()
    for (const [reporter, seen] of this.#reports) {
      for (const edge of seen) if (this.#counts(reporter, edge)) this.#up.set(keyOf(edge), edge)
    }
    return {
      up: [...this.#up].filter(([key]) => !before.has(key)).map(([, edge]) => edge),
      down: [...before].filter(([key]) => !this.#up.has(key)).map(([, edge]) => edge),
    }
  }

  #counts(reporter: string, edge: EdgeReport): boolean {
    return this.#local.has(edge.to) ? reporter === edge.to : reporter === edge.from
  }
}

function keyOf({ stream, from, to }: EdgeReport): string {
  return `${stream}\n${from}\n${to}`
}
