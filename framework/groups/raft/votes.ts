import type { Electorate } from './quorum.js'
import type { MemberId } from './types.js'

/** The answers to one candidacy. A member answers once: what it says later does not count. */
export class Votes {
  readonly #answers = new Map<MemberId, boolean>()

  record(voter: MemberId, granted: boolean): void {
    if (!this.#answers.has(voter)) this.#answers.set(voter, granted)
  }

  isGrantedBy(voter: MemberId): boolean {
    return this.#answers.get(voter) === true
  }

  /** `lost`: there are not enough left who could still grant it. */
  outcome({ members, needed }: Electorate): 'won' | 'lost' | 'open' {
    let granted = 0
    let denied = 0
    for (const member of members) {
      const answer = this.#answers.get(member)
      if (answer === true) granted++
      else if (answer === false) denied++
    }
    if (granted >= needed) return 'won'
    return members.length - denied < needed ? 'lost' : 'open'
  }
}
