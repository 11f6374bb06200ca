import type { Progress } from './progress.js'
import type { Index } from './types.js'

/**
 * Whom a leader sends entries before they are committed, while few are under way: no more voters than it takes to commit
 * them. The others are spare: they get them when they are committed, as who follows along does. Whoever keeps an entry waiting
 * is asked last from then on.
 *
 * It decides nothing: what is committed is counted among all voters.
 */
export class AppendQuorum {
  /** All voters but the leader, those first that are asked first. */
  #order: readonly Progress[] = []
  /** Everybody gets everything until this entry is committed. */
  #wideIndex: Index = 0
  /** Whether the leader's own disk has kept an entry waiting, and was not in time since. */
  #isLeaderLate = false

  /** Whether entries are kept from anybody until they are committed. */
  get hasSpares(): boolean {
    return this.#order.some(({ isSpare }) => isSpare)
  }

  /** @param voters All but the leader. */
  onVoters(voters: readonly Progress[]): void {
    const known = this.#order.filter((each) => voters.includes(each))
    this.#order = [...known, ...voters.filter((each) => !known.includes(each))]
  }

  /** @param isLeaderInTime Whether the leader's own disk has all that is committed by now. */
  onCommitted(isLeaderInTime: boolean): void {
    if (isLeaderInTime) this.#isLeaderLate = false
  }

  /**
   * Says anew who is spare.
   *
   * @param needed How many of the voters it takes besides the leader. Infinity: nobody is spare.
   */
  choose(needed: number, commitIndex: Index): void {
    const count = needed + (this.#isLeaderLate ? 1 : 0)
    const first = this.#order.filter(({ isSteady }) => isSteady).slice(0, count)
    const isEnough = first.length === count && commitIndex >= this.#wideIndex
    for (const each of this.#order) each.isSpare = isEnough && !first.includes(each)
  }

  /**
   * An entry is kept waiting for too long, so everybody gets what there is.
   *
   * @param isLeaderLate Whether the leader's own disk does not have it either.
   */
  widen(awaited: Index, lastIndex: Index, isLeaderLate: boolean): void {
    const isLate = ({ isSpare, matchIndex }: Progress): boolean => !isSpare && matchIndex < awaited
    this.#order = [...this.#order.filter((each) => !isLate(each)), ...this.#order.filter(isLate)]
    this.#wideIndex = lastIndex
    this.#isLeaderLate ||= isLeaderLate
  }
}
