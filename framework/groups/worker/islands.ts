import type { Bond } from '../bond/bond.js'
import type { Member } from '../member/member.js'
import {
  agreedLossOf,
  lossOf,
  onMergeMessage,
  onOtherCluster,
  verdictsWith,
  type ClusterId,
  type MergeDecision,
  type MergeFacts,
  type MergeMessage,
  type Verdict,
} from '../raft/index.js'
import { decodeMerge, encodeMerge, type Note } from '../wire/notes.js'

/** How many ticks lie between two invitations to the same cluster. */
const inviteEveryTicks = 10

/** What islands have to do with a member. */
export type IslandMember = Pick<
  Member,
  'isOver' | 'clusterId' | 'configuration' | 'committedConfiguration' | 'status' | 'proposeConfiguration'
>

export interface IslandsOptions {
  readonly mesh: Iterable<Bond>
  /** Undefined while there is none. */
  readonly member: () => IslandMember | undefined
  /** What the other end of a bond has said of itself. */
  readonly noteOf: (bond: Bond) => Note | undefined
  /** By what this node has given up clusters, as far as the log of the one that it is in does not say so. */
  readonly gaveWay: () => readonly Verdict[]
  readonly send: (bond: Bond, message: Uint8Array) => void
}

/**
 * What is done when parts of a group that were founded apart find each other: their leaders agree which of them goes on, the
 * other one gives way by an entry in its own log (groups.md §20.2), and the one that goes on keeps that in its log, so that
 * whoever was away can be told by anybody. All that is remembered is in the configurations of the two.
 */
export class Islands {
  readonly #options: IslandsOptions
  #ticksSinceInvitation = 0

  constructor(options: IslandsOptions) {
    this.#options = options
  }

  /**
   * By what the cluster of this member gives way: because its own log has a verdict that is committed, or because somebody
   * says so whose log had, or has heard of it.
   */
  get loss(): Verdict | undefined {
    const member = this.#options.member()
    const own = member?.clusterId
    if (member === undefined || own === undefined || member.isOver) return undefined
    const verdict = lossOf(own, member.committedConfiguration.verdicts)
    if (verdict !== undefined) return { ...verdict, isAgreed: true }
    for (const { cluster, gaveWay } of this.#notes) {
      const told = agreedLossOf(own, cluster?.verdicts) ?? agreedLossOf(own, gaveWay)
      if (told !== undefined) return told
    }
    return undefined
  }

  /** Whether another cluster has in its log that this one gives way. */
  isOnRecord({ loser }: Verdict): boolean {
    return this.#notes.some(({ cluster }) => agreedLossOf(loser, cluster?.verdicts) !== undefined)
  }

  onTick(ticks: number): void {
    this.#ticksSinceInvitation += ticks
    if (this.#ticksSinceInvitation < inviteEveryTicks) return
    this.#ticksSinceInvitation = 0
    const facts = this.#facts()
    if (facts === undefined) return
    const others = new Set([...this.#options.mesh].map((bond) => this.#clusterOf(bond)))
    for (const other of others) {
      if (other !== undefined && other !== facts.standing.clusterId)
        this.#act(other, onOtherCluster(other, facts))
    }
    this.#record()
  }

  /** Somebody has said what it is part of, or was. */
  onNote(): void {
    this.#record()
  }

  /** @throws MalformedMessageError */
  onMessage(bytes: Uint8Array): void {
    const message = decodeMerge(bytes)
    const facts = this.#facts()
    const other = message.type === 'standing' ? message.standing.clusterId : message.verdict.winner
    if (facts !== undefined) this.#act(other, onMergeMessage(message, facts))
  }

  /** A configuration was committed: its verdicts may be told. */
  onCommitted(): void {
    const facts = this.#facts()
    if (facts === undefined) return
    const own = facts.standing.clusterId
    for (const { winner, loser, isAgreed } of facts.committed.verdicts ?? [])
      if (winner === own && !isAgreed) this.#act(loser, onOtherCluster(loser, facts))
  }

  get #notes(): readonly Note[] {
    const { mesh, noteOf } = this.#options
    return [...mesh].flatMap((bond) => noteOf(bond) ?? [])
  }

  #clusterOf(bond: Bond): ClusterId | undefined {
    return this.#options.noteOf(bond)?.cluster?.id
  }

  #act(other: ClusterId, decision: MergeDecision): void {
    switch (decision.do) {
      case 'nothing':
        return
      case 'send-standing':
        return this.#tell(other, { type: 'standing', standing: decision.standing })
      case 'send-verdict':
        return this.#tell(other, { type: 'verdict', verdict: decision.verdict })
      case 'commit-verdict':
        return this.#propose([decision.verdict])
    }
  }

  /** Keeps which clusters have given way, as those know who were in them, for others that were in them as well. */
  #record(): void {
    const facts = this.#facts()
    if (facts === undefined) return
    const known = [this.#options.gaveWay(), ...this.#notes.map(({ gaveWay = [] }) => gaveWay)].flat()
    const news = known.filter(
      ({ loser, isAgreed }) =>
        isAgreed &&
        loser !== facts.standing.clusterId &&
        agreedLossOf(loser, facts.configuration.verdicts) === undefined,
    )
    if (news.length > 0) this.#propose(news)
  }

  /** What is refused now is decided again soon. */
  #propose(verdicts: readonly Verdict[]): void {
    const member = this.#options.member()!
    const { configuration } = member
    member.proposeConfiguration({
      ...configuration,
      verdicts: verdictsWith(configuration.verdicts, verdicts),
    })
  }

  /** Whoever of the other cluster leads it will know what to do. */
  #tell(other: ClusterId, message: MergeMessage): void {
    const bytes = encodeMerge(message)
    for (const bond of this.#options.mesh) {
      if (this.#clusterOf(bond) === other) this.#options.send(bond, bytes)
    }
  }

  /** Undefined unless this member leads a cluster that goes on, as far as its log says. */
  #facts(): MergeFacts | undefined {
    const member = this.#options.member()
    if (member?.clusterId === undefined || member.isOver) return undefined
    const { clusterId, configuration, committedConfiguration, status } = member
    const { role, committedApplicationIndex: committed, lastTerm } = status
    if (role !== 'leader' || lossOf(clusterId, configuration.verdicts) !== undefined) return undefined
    const standing = { clusterId, committed, lastTerm, lineage: configuration.lineage }
    return { standing, configuration, committed: committedConfiguration }
  }
}
