import type { Progress } from './progress.js'

/** A round that not all voters were asked to answer. */
interface ThriftyRound {
  readonly round: number
  readonly asked: readonly Progress[]
}

/**
 * Whom a leader asks to confirm reads: no more voters than it takes, if it is known who answers (what EPaxos calls thrifty;
 * Moraru, Andersen and Kaminsky 2013). Those are preferred who were the first to answer the last round that all
 * voters were asked, as they are by every heartbeat: so nobody is asked alone who is gone, and whoever is slow only for as
 * long as others are slower.
 *
 * It decides nothing: who has confirmed a read is counted among all voters.
 */
export class ReadQuorum {
  /** The last round that all voters were asked to answer. The first of a term is one. */
  #fullRound = 1
  /** The voters that have answered it or a later one, the first of them first. */
  #answered: Progress[] = []
  #thrifty: ThriftyRound | undefined

  /** The latest round, if not all voters are asked to answer it. */
  get thriftyRound(): number | undefined {
    return this.#thrifty?.round
  }

  /** A round begins that everybody is asked to answer. */
  onFullRound(round: number): void {
    this.#fullRound = round
    this.#answered = []
    this.#thrifty = undefined
  }

  /** A member has answered. */
  onAnswer(progress: Progress): void {
    if (progress.role !== 'voter' || progress.ackedRound < this.#fullRound) return
    if (!this.#answered.includes(progress)) this.#answered.push(progress)
  }

  /**
   * A round begins that is to confirm reads.
   *
   * @param voters All but the leader.
   * @param needed How many of them have to answer.
   * @returns Who is asked: all of them, while too few are known to answer.
   */
  begin(round: number, voters: readonly Progress[], needed: number): readonly Progress[] {
    // Who gets a snapshot has other things to do.
    const ready = this.#answered.filter((each) => voters.includes(each) && each.state !== 'sync')
    if (ready.length < needed || voters.length <= needed) {
      this.onFullRound(round)
      return voters
    }
    const asked = ready.slice(0, needed)
    this.#thrifty = { round, asked }
    return asked
  }

  /**
   * The others are asked as well. From now on they are preferred, unless who was asked before has answered.
   *
   * @returns Who has to be asked; nobody when all have been.
   */
  widen(voters: readonly Progress[]): readonly Progress[] {
    if (this.#thrifty === undefined) return []
    const { round, asked } = this.#thrifty
    this.onFullRound(round)
    for (const progress of asked) this.onAnswer(progress)
    return voters.filter((each) => !asked.includes(each))
  }
}
