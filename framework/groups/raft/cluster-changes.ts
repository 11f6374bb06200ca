import { invariant } from '#framework/primitives'
import { configurationOf, encodeConfiguration, isWellFormed } from './configuration.js'
import type { CoreParts } from './core-parts.js'
import { foundedLineage, lineageWith } from './lineage.js'
import type { Message } from './messages.js'
import type { ClusterId, Configuration, MemberId } from './types.js'

const joining: ReadonlySet<Message['type']> = new Set([
  'append',
  'sync-required',
  'pre-vote-request',
  'vote-request',
])

/** How a member comes to belong to a cluster, and from one to another. None of it is in Raft: see "Departures" in README.md. */
export class ClusterChanges {
  readonly #context: CoreParts

  constructor(context: CoreParts) {
    this.#context = context
  }

  /** {@link RaftCore.found} */
  found(clusterId: ClusterId, configuration: Configuration): void {
    const { state, membership } = this.#context
    invariant(state.clusterId === undefined, 'a member founds at most one cluster')
    const ordered = configurationOf(configuration.voters, configuration.learners)
    invariant(isWellFormed(ordered), 'a cluster needs voters')
    state.enterCluster(clusterId, 1)
    this.#appendAxiom({ ...ordered, lineage: foundedLineage(clusterId) })
    membership.commitTo(1)
  }

  /** {@link RaftCore.reform} */
  reform(clusterId: ClusterId, learners: Iterable<MemberId>): void {
    const { settings, state, replica, becomeFollower } = this.#context
    invariant(state.clusterId !== undefined && !state.isStopped, 'a member of a cluster reforms it')
    const { log, commitIndex, configuration } = replica
    const { index: lastIndex, term: lastTerm } = log.last
    const committed = log.positionAt(commitIndex)?.applicationIndex ?? 0
    const next = configurationOf([state.id], learners)
    if (settings.faults.reformKeepsOnlyCommitted && log.lastIndex > commitIndex)
      replica.truncateFrom(commitIndex + 1)
    becomeFollower(state.term + 1, undefined)
    state.enterCluster(clusterId)
    this.#appendAxiom({
      ...next,
      verdicts: configuration.verdicts,
      lineage: lineageWith(configuration.lineage, { clusterId, lastTerm, lastIndex, committed }),
    })
  }

  /** {@link RaftCore.adopt} */
  adopt(clusterId: ClusterId): void {
    const { state, replica, answers, becomeFollower } = this.#context
    invariant(
      !state.isStopped && replica.configuration.lineage !== undefined,
      'a log says of which cluster it is',
    )
    becomeFollower(state.term, undefined)
    // What is known of the leader's log is that of another leader, be it of the same term.
    answers.onTerm()
    state.enterCluster(clusterId)
  }

  /**
   * A member of no cluster belongs to that of the first leader that sends it something; or of the first candidate, which asks
   * it because it was named a founder before it knew, and may need its vote. It has never been in a cluster, so that there
   * is nothing that it could have said there before and has forgotten.
   *
   * @returns Whether this is it.
   */
  join(message: Message): boolean {
    const { state } = this.#context
    if (state.clusterId !== undefined || !joining.has(message.type)) return false
    state.enterCluster(message.clusterId)
    return true
  }

  /** An entry that is no leader's: with it, a cluster begins. */
  #appendAxiom(configuration: Configuration): void {
    const { state, replica } = this.#context
    const payload = encodeConfiguration(configuration)
    replica.create(state.term, { kind: 'configuration', commandCount: 0, timestampMs: 0, payload })
  }
}
