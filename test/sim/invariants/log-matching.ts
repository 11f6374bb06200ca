import type { Entry, Index, MemberId, Term } from '../../../framework/groups/raft/types.js'
import type { FoundOnDisk, HandedOut, WatchedMember } from '../group/watched-member.js'
import { nameOf, sameEntry, ViolationError, type Invariant } from './invariant.js'

interface Known {
  readonly entry: Entry
  /** Of the entry before it. */
  readonly previousTerm: Term
}

/**
 * Two logs that have an entry of the same index and term are equal up to there (Raft, figure 3): by induction it is enough
 * that index and term decide what the entry is, and what the term of the entry before it is.
 */
export class LogMatching implements Invariant {
  readonly name = 'log matching'
  /** By index, then by term. */
  readonly #known: Map<Term, Known>[] = []
  /** The terms of each member's log as it was handed out, by index. */
  readonly #logs = new Map<MemberId, (Term | undefined)[]>()

  started(member: WatchedMember, { restored }: FoundOnDisk): void {
    const { base, entries } = restored
    const log: (Term | undefined)[] = []
    if (base) log[base.index] = base.term
    this.#logs.set(member.id, log)
    this.#append(member.id, log, entries)
  }

  handedOut(member: WatchedMember, { snapshot, truncateFrom, entries }: HandedOut): void {
    let log = this.#logs.get(member.id)!
    if (snapshot) {
      if (!snapshot.keepsEntries) this.#logs.set(member.id, (log = []))
      log[snapshot.facts.index] = snapshot.facts.term
    }
    if (truncateFrom !== undefined) log.length = Math.min(log.length, truncateFrom)
    this.#append(member.id, log, entries)
  }

  #append(id: MemberId, log: (Term | undefined)[], entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { index, term } = entry
      const previousTerm = index === 1 ? 0 : log[index - 1]
      if (previousTerm === undefined) {
        throw new ViolationError(this.name, `${id} has ${nameOf(entry)} and nothing in front of it`)
      }
      if (previousTerm > term) {
        throw new ViolationError(this.name, `${id} has ${nameOf(entry)} behind one of term ${previousTerm}`)
      }
      log[index] = term
      this.#compare(id, { entry, previousTerm })
    }
  }

  #compare(id: MemberId, found: Known): void {
    const { index, term } = found.entry
    const known = (this.#known[index] ??= new Map<Index, Known>())
    const first = known.get(term)
    if (!first) {
      known.set(term, found)
      return
    }
    if (!sameEntry(first.entry, found.entry)) {
      throw new ViolationError(this.name, `${nameOf(found.entry)} at ${id} is not what it is elsewhere`)
    }
    if (first.previousTerm !== found.previousTerm) {
      throw new ViolationError(
        this.name,
        `in front of ${nameOf(found.entry)} there is one of term ${found.previousTerm} at ${id}, ` +
          `and one of term ${first.previousTerm} elsewhere`,
      )
    }
  }
}
