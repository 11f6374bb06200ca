import { encodeUtf8, hashBytes, type Digest } from '#framework/primitives'
import type { CoreFaults } from './faults.js'
import { majorityOf } from './quorum.js'
import type { Configuration, Index, MemberId, Term } from './types.js'

/**
 * What a leader has committed, while it is not confirmed yet that it still was the leader (ReadIndex, Ongaro 2014, §6.4).
 */
export interface ReadIndex {
  /** In which it leads. */
  readonly term: Term
  readonly index: Index
}

const digests = new WeakMap<Configuration, Digest>()

/** Names the voters of a configuration. By their content, since a log that begins with a snapshot does not know where its configuration stood. */
export function votersDigest(configuration: Configuration): Digest {
  let digest = digests.get(configuration)
  if (digest === undefined) {
    digest = hashBytes(encodeUtf8(configuration.voters.join('\n')))
    digests.set(configuration, digest)
  }
  return digest
}

export interface ReadConfirmationOptions {
  /** The leader gives a read index only if its voters in force are the same. */
  readonly configuration: Configuration
  readonly leader: MemberId
  /** The member that asks. */
  readonly asker: MemberId
  readonly faults?: CoreFaults | undefined
}

/**
 * Counts, at a member that does not lead, whether a majority of the voters was in no later term than the leader at some
 * time after a read was asked for. Then no later leader had committed anything before that: whoever elects one is in
 * its term first, and two majorities share a voter.
 *
 * What it is told must have been asked for after the read was, and answered by that very incarnation.
 */
export class ReadConfirmation {
  readonly #options: ReadConfirmationOptions
  /** How many voters have to answer besides the leader and the asker. */
  readonly neededCount: number
  /** Those that may answer. In the order of their ids, from that of the asker on, so that not all members ask the same. */
  readonly others: readonly MemberId[]
  readonly #terms = new Map<MemberId, Term>()
  #readIndex: ReadIndex | undefined

  constructor(options: ReadConfirmationOptions) {
    const { leader, asker } = options
    const { voters } = options.configuration
    this.#options = options
    const others = voters.filter((voter) => voter !== leader && voter !== asker)
    const firstAt = others.findIndex((voter) => voter > asker)
    this.others = firstAt > 0 ? [...others.slice(firstAt), ...others.slice(0, firstAt)] : others
    this.neededCount = Math.max(majorityOf(voters.length) - (voters.length - others.length), 0)
  }

  /** The voters that have not said their term. */
  get missing(): readonly MemberId[] {
    return this.others.filter((voter) => !this.#terms.has(voter))
  }

  /** Undefined until the leader has answered. */
  get readIndex(): ReadIndex | undefined {
    return this.#readIndex
  }

  /**
   * The leader has answered, for the cluster that was asked about.
   *
   * @param ownTerm That of the asker, now, in the same cluster.
   */
  onReadIndex(readIndex: ReadIndex, ownTerm: Term): void {
    this.#readIndex = readIndex
    this.onTerm(this.#options.asker, ownTerm)
  }

  /** A member has said in which term it is, in the cluster that was asked about. */
  onTerm(member: MemberId, term: Term): void {
    this.#terms.set(member, term)
  }

  /** `refuted`: somebody is in a later term. There may be a later leader, and this read index is never confirmed. */
  get verdict(): 'pending' | 'confirmed' | 'refuted' {
    const { configuration, leader, faults } = this.#options
    const { voters } = configuration
    if (this.#readIndex === undefined) return 'pending'
    const { term } = this.#readIndex
    for (const each of this.#terms.values())
      if (each > term && faults?.readsDespiteLaterTerms !== true) return 'refuted'
    // A leader that is about to be removed does not count.
    const count = voters.filter((voter) => voter === leader || this.#terms.has(voter)).length
    return count >= majorityOf(voters.length) ? 'confirmed' : 'pending'
  }
}
