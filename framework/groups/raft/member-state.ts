import type { Durability } from './durability.js'
import type { Envelope } from './messages.js'
import type { Replica } from './replica.js'
import type { Settings } from './settings.js'
import type { ClusterId, HardState, MemberId, Role, RoleFacts, Term } from './types.js'

/**
 * What a member goes by: which cluster it belongs to, its term and its vote, all of which is written whenever it changes
 * (Raft, figure 2); and what it takes itself and others for.
 */
export class MemberState {
  readonly id: MemberId
  readonly #settings: Settings
  readonly #durability: Durability
  #clusterId: ClusterId | undefined
  #term: Term
  #votedFor: MemberId | undefined
  #role: Role = 'follower'
  #leader: MemberId | undefined
  #isStopped = false
  /** Whether the driver has not been told yet how it is now. */
  #hasNews = false

  constructor(settings: Settings, { log, durability }: Replica, restored: HardState) {
    this.id = settings.id
    this.#settings = settings
    this.#durability = durability
    this.#clusterId = restored.clusterId
    this.#term = Math.max(restored.term, log.lastTerm)
    this.#votedFor = this.#term === restored.term ? restored.votedFor : undefined
  }

  /** Undefined while the member belongs to no cluster. */
  get clusterId(): ClusterId | undefined {
    return this.#clusterId
  }

  get term(): Term {
    return this.#term
  }

  get role(): Role {
    return this.#role
  }

  get leader(): MemberId | undefined {
    return this.#leader
  }

  /** Whether the member has diverged and takes no more part. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /** What is to be remembered, durable yet or not. */
  get hardState(): HardState {
    const { forgetsVote, forgetsOwnVote } = this.#settings.faults
    const isForgotten = forgetsVote || (forgetsOwnVote && this.#votedFor === this.id)
    return {
      clusterId: this.#clusterId,
      term: this.#term,
      votedFor: isForgotten ? undefined : this.#votedFor,
    }
  }

  get facts(): RoleFacts {
    return { role: this.#role, term: this.#term, leader: this.#leader }
  }

  get hasNews(): boolean {
    return this.#hasNews
  }

  /** Undefined when nothing has changed. */
  takeNews(): RoleFacts | undefined {
    if (!this.#hasNews) return undefined
    this.#hasNews = false
    return this.facts
  }

  /** What a message begins with. */
  readonly envelope = (to: MemberId): Envelope => ({
    clusterId: this.#clusterId!,
    from: this.id,
    to,
    term: this.#term,
  })

  /** Whether this member may vote for the candidate in this term: it has for nobody else. */
  isFreeFor(candidate: MemberId): boolean {
    return this.#votedFor === undefined || this.#votedFor === candidate
  }

  voteFor(candidate: MemberId): void {
    if (this.#votedFor === candidate) return
    this.#votedFor = candidate
    this.#onHardState()
  }

  /** @param votedFor Whom this member votes for in that term from its beginning: itself, or nobody yet. */
  enterTerm(term: Term, votedFor: MemberId | undefined): void {
    this.#term = term
    this.#votedFor = votedFor
    this.#hasNews = true
    this.#onHardState()
  }

  /** @param term In which the cluster begins, when it begins here. */
  enterCluster(clusterId: ClusterId, term: Term = this.#term): void {
    this.#clusterId = clusterId
    this.#term = term
    this.#hasNews = true
    this.#onHardState()
  }

  setRole(role: Role): void {
    if (role !== this.#role) this.#hasNews = true
    this.#role = role
  }

  setLeader(leader: MemberId | undefined): void {
    if (leader !== this.#leader) this.#hasNews = true
    this.#leader = leader
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true
  }

  #onHardState(): void {
    this.#durability.onHardState(this.hardState)
  }
}
