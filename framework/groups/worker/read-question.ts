import type { Clock, Timer } from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import { hedgeMs } from '../member/hedge.js'
import { votersDigest, type ClusterId, type Index, type MemberId, type Term } from '../raft/index.js'
import type { Configuration, ReadConfirmation } from '../raft/index.js'
import type { ForwardAnswer } from '../wire/forward-wire.js'
import { ForwardError, type Forwarding } from './forwarding.js'

export interface ReadQuestionOptions {
  readonly clusterId: ClusterId
  readonly configuration: Configuration
  readonly confirmation: ReadConfirmation
  readonly leader: Bond
  /** Those that make a majority with the leader and with this member, if that is one of the voters. */
  readonly voters: readonly Bond[]
  /** Of this member, now. Undefined when it is not in that cluster any more. */
  readonly ownTerm: () => Term | undefined
  readonly forwarding: Pick<Forwarding, 'inquire'>
  readonly clock: Pick<Clock, 'after'>
  /** This voter has not answered in time, or not said its term. */
  readonly onMissed: (voter: MemberId) => void
}

/**
 * One strong read of a member that does not lead, until it is confirmed: the leader is asked for its read index, and at the
 * same time others for their terms. If that does not come about soon, the leader has to confirm it as well, with a
 * round of its own; whatever comes first will do.
 *
 * One object and callbacks, rather than a promise for each answer, because single reads wait for it.
 */
export class ReadQuestion {
  readonly #options: ReadQuestionOptions
  readonly #done = Promise.withResolvers<Index>()
  readonly #forgets: (() => void)[] = []
  #isOver = false
  #asksForRound = false
  #hedge: Timer | undefined

  constructor(options: ReadQuestionOptions) {
    this.#options = options
  }

  /** @returns The index that has to be applied here. @throws ForwardError */
  get confirmed(): Promise<Index> {
    return this.#done.promise
  }

  /** The leader first, which has most to do. @throws ForwardError when it cannot be asked. */
  ask(): void {
    const { clusterId, configuration, leader, voters, forwarding } = this.#options
    const request = { type: 'read-index', clusterId, voters: votersDigest(configuration) } as const
    this.#forgets.push(forwarding.inquire(leader, request, (outcome) => this.#onLeader(outcome)))
    for (const voter of voters) this.#askTerm(voter)
  }

  /** Nobody waits for it any more. */
  end(): void {
    this.#isOver = true
    this.#hedge?.cancel()
    for (const forget of this.#forgets) forget()
  }

  #askTerm(voter: Bond): void {
    const { clusterId, forwarding } = this.#options
    try {
      const request = { type: 'term', clusterId } as const
      this.#forgets.push(
        forwarding.inquire(voter, request, (outcome) => this.#onVoter(voter.member, outcome)),
      )
    } catch {
      this.#onVoter(voter.member, 'lost')
    }
  }

  #onLeader(outcome: ForwardAnswer | 'lost'): void {
    const { confirmation } = this.#options
    if (outcome === 'lost') return this.#fail(new ForwardError('lost'))
    switch (outcome.type) {
      case 'readable':
        return this.#confirm(outcome.index)
      case 'unconfirmed': {
        const ownTerm = this.#options.ownTerm()
        if (ownTerm === undefined) return this.#askForRound()
        confirmation.onReadIndex(outcome, ownTerm)
        this.#look()
        if (!this.#isOver && !this.#asksForRound)
          this.#hedge = this.#options.clock.after(hedgeMs, () => this.#onLate())
        return
      }
      default:
        return this.#fail(new ForwardError(outcome.type === 'refused' ? outcome.reason : 'refused'))
    }
  }

  #onVoter(voter: MemberId, outcome: ForwardAnswer | 'lost'): void {
    if (outcome !== 'lost' && outcome.type === 'in-term') {
      this.#options.confirmation.onTerm(voter, outcome.term)
      return this.#look()
    }
    this.#options.onMissed(voter)
    this.#askForRound()
  }

  #look(): void {
    const { confirmation, ownTerm } = this.#options
    const { verdict, readIndex } = confirmation
    if (verdict === 'refuted') return this.#askForRound()
    if (verdict !== 'confirmed') return
    // What is applied here would be of another cluster.
    if (ownTerm() === undefined) return this.#askForRound()
    this.#confirm(readIndex!.index)
  }

  #onLate(): void {
    const { confirmation, voters, onMissed } = this.#options
    for (const { member } of voters) if (confirmation.missing.includes(member)) onMissed(member)
    this.#askForRound()
  }

  /** The leader is to confirm it, once. */
  #askForRound(): void {
    if (this.#isOver || this.#asksForRound) return
    this.#asksForRound = true
    this.#hedge?.cancel()
    const { leader, forwarding } = this.#options
    try {
      const request = { type: 'read', consistency: 'strong' } as const
      this.#forgets.push(forwarding.inquire(leader, request, (outcome) => this.#onLeader(outcome)))
    } catch (error) {
      this.#fail(error)
    }
  }

  #confirm(index: Index): void {
    this.end()
    this.#done.resolve(index)
  }

  #fail(error: unknown): void {
    this.end()
    this.#done.reject(error)
  }
}
