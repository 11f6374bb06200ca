import type { AppendAnswer } from './messages.js'
import type { Progress } from './progress.js'

/**
 * How far a leader is on the way to saying nothing for as long as nothing happens: first nothing is asked of it for a
 * while, then all others are asked to do without heartbeats, then all of them have agreed.
 */
export class Quiescence {
  readonly #afterTicks: number
  /** Since something happened. */
  #quietTicks = 0
  /** The round by which the others were asked, until an ordinary one begins. */
  #askedRound: number | undefined
  #isReached = false

  constructor(afterTicks: number) {
    this.#afterTicks = afterTicks
  }

  /** Whether everybody does without heartbeats. */
  get isReached(): boolean {
    return this.#isReached
  }

  /** Whether it is time to ask the others. */
  get isDue(): boolean {
    return !this.#isReached && this.#askedRound === undefined && this.#quietTicks >= this.#afterTicks
  }

  tick(count: number): void {
    this.#quietTicks += count
  }

  /** A round has begun, which tells the others to expect heartbeats again unless it asks them not to. */
  onRound(round: number, asks: boolean): void {
    this.#askedRound = asks ? round : undefined
  }

  /**
   * Whether the answer shows that its sender expects heartbeats again: it refuses something, or says for a second time that
   * it has heard the round, as a member does when it wakes up.
   *
   * @param ackedRound What it had answered before.
   */
  isContradictedBy({ accepted }: AppendAnswer, ackedRound: number): boolean {
    return this.#askedRound !== undefined && (!accepted || ackedRound >= this.#askedRound)
  }

  /** Some of the others have answered. */
  onAnswered(others: Iterable<Progress>): void {
    const asked = this.#askedRound
    if (asked === undefined) return
    for (const { ackedRound } of others) if (ackedRound < asked) return
    this.#askedRound = undefined
    this.#isReached = true
  }

  /** Something has happened. @returns Whether others may do without heartbeats by now, and have to be told. */
  stir(): boolean {
    const mayBeMissed = this.#isReached || this.#askedRound !== undefined
    this.#isReached = false
    this.#askedRound = undefined
    this.#quietTicks = 0
    return mayBeMissed
  }
}
