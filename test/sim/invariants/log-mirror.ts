import type { Entry, Index, Term } from '../../../framework/groups/raft/types.js'
import type { DurableChange } from '../group/watched-member.js'

/** Which entries a log holds, followed from its writes alone. */
export class LogMirror {
  /** By index; what a snapshot stands for has none. */
  #terms: (Term | undefined)[] = []
  #coveredIndex: Index = 0

  /** The highest index that a snapshot stands for. */
  get coveredIndex(): Index {
    return this.#coveredIndex
  }

  /** Undefined when there is no such entry, or only a snapshot that stands for it. */
  termAt(index: Index): Term | undefined {
    return this.#terms[index]
  }

  has({ index, term }: Entry): boolean {
    return index <= this.#coveredIndex || this.#terms[index] === term
  }

  follow(record: DurableChange): void {
    switch (record.kind) {
      case 'hard-state':
        return
      case 'entry':
        this.#terms[record.entry.index] = record.entry.term
        return
      case 'truncate':
        this.#terms.length = Math.min(this.#terms.length, record.from)
        return
      case 'snapshot':
        if (!record.keepsEntries) this.#terms = []
        this.#cover(record.snapshot.facts)
        return
      case 'checkpoint':
        this.#terms.length = Math.min(this.#terms.length, record.base.index + 1)
        this.#cover(record.snapshot.facts)
        return
    }
  }

  #cover({ index, term }: { readonly index: Index; readonly term: Term }): void {
    this.#coveredIndex = index
    this.#terms[index] = term
  }
}
