import { isMember } from './configuration.js'
import type { MemberState } from './member-state.js'
import type { Outbox } from './outbox.js'
import type { Replica } from './replica.js'
import type { Index, MemberId } from './types.js'

/** What the configurations in a member's log make of the member itself. */
export class OwnMembership {
  readonly #state: MemberState
  readonly #replica: Replica
  readonly #outbox: Outbox
  #wasMember: boolean

  constructor(state: MemberState, replica: Replica, outbox: Outbox) {
    this.#state = state
    this.#replica = replica
    this.#outbox = outbox
    this.#wasMember = this.#isMemberAt(replica.commitIndex)
  }

  /**
   * Whether it may be elected. Also a member whose removal is in its log and not known to be committed: it may be the only
   * one whose log is good enough (Ongaro 2014, §4.2.2). Its own vote does not count then.
   */
  get mayStand(): boolean {
    const isBeingRemoved = this.#formerVoters.includes(this.#state.id)
    return this.#hasOwnConfiguration && (this.#isVoter || isBeingRemoved)
  }

  /** Whether there is no other voter. */
  get isSoleVoter(): boolean {
    return this.#replica.configuration.voters.length === 1 && this.#isVoter
  }

  /** Whether somebody else may lead by a configuration before, which may still be the one that is committed. */
  get mayHaveCompany(): boolean {
    return this.#formerVoters.some((voter) => voter !== this.#state.id)
  }

  get otherVoters(): readonly MemberId[] {
    return this.#replica.configuration.voters.filter((voter) => voter !== this.#state.id)
  }

  /** Commits, and says so if this member is none any more by that. */
  commitTo(index: Index): void {
    if (this.#replica.commitTo(index)) this.onCommitted()
  }

  /** More may be committed than before. */
  onCommitted(): void {
    const isMember = this.#isMemberAt(this.#replica.commitIndex)
    if (this.#wasMember && !isMember) this.#outbox.report({ type: 'removed' })
    this.#wasMember = isMember
  }

  /** Those of configurations before the latest one, any of which may still be the one that is committed. */
  get #formerVoters(): readonly MemberId[] {
    const { configurations, commitIndex } = this.#replica
    return configurations
      .from(commitIndex)
      .slice(0, -1)
      .flatMap(({ voters }) => voters)
  }

  get #isVoter(): boolean {
    return this.#replica.configuration.voters.includes(this.#state.id)
  }

  /** Not while the log is still that of the cluster from which this member has gone over to another one. */
  get #hasOwnConfiguration(): boolean {
    const origin = this.#replica.configuration.lineage?.at(-1)
    return origin === undefined || origin.clusterId === this.#state.clusterId
  }

  #isMemberAt(index: Index): boolean {
    return isMember(this.#replica.configurations.at(index), this.#state.id)
  }
}
