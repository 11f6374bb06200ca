import type { Bond } from '../bond/bond.js'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import {
  decodeVerdict,
  encodeVerdict,
  IslandMerge,
  type ClusterId,
  type ClusterStanding,
  type MergeDecision,
  type MergeMessage,
  type Verdict,
} from '../raft/index.js'
import { decodeMerge, encodeMerge } from '../wire/notes.js'

/** How many ticks lie between two invitations to the same cluster. */
const inviteEveryTicks = 10

export interface IslandsOptions {
  readonly mesh: Mesh
  readonly member: () => Member | undefined
  /** Which cluster the other end of a bond has said that it belongs to. */
  readonly clusterOf: (bond: Bond) => ClusterId | undefined
  readonly send: (bond: Bond, message: Uint8Array) => void
}

/**
 * What is done when parts of a group that were founded apart find each other: their leaders agree which of them goes on, and
 * the other one gives way by an entry in its own log (groups.md §20.2). Only the leader of a cluster has anything to do.
 */
export class Islands {
  readonly #options: IslandsOptions
  /** By the other cluster. */
  readonly #merges = new Map<ClusterId, IslandMerge>()
  /** Verdicts that are in the log of this cluster, by the other cluster. */
  readonly #committed = new Map<ClusterId, Verdict>()
  #ticksSinceInvitation = 0

  constructor(options: IslandsOptions) {
    this.#options = options
  }

  onTick(ticks: number): void {
    this.#ticksSinceInvitation += ticks
    if (this.#ticksSinceInvitation < inviteEveryTicks) return
    this.#ticksSinceInvitation = 0
    const own = this.#ownStanding()
    if (own === undefined) {
      // Whoever leads next begins with what is committed.
      this.#merges.clear()
      return
    }
    const others = new Set([...this.#options.mesh].map((bond) => this.#options.clusterOf(bond)))
    for (const other of others) {
      if (other === undefined || other === own.clusterId) continue
      this.#act(other, this.#mergeWith(own.clusterId, other).onMet(own))
    }
  }

  /** @throws MalformedMessageError */
  onMessage(bytes: Uint8Array): void {
    const message = decodeMerge(bytes)
    const own = this.#ownStanding()
    if (own === undefined) return
    const other =
      message.type === 'standing'
        ? message.standing.clusterId
        : [message.verdict.winner, message.verdict.loser].find(({ clusterId }) => clusterId !== own.clusterId)
            ?.clusterId
    if (other === undefined || other === own.clusterId) return
    this.#act(other, this.#mergeWith(own.clusterId, other).onMessage(message, own))
  }

  /**
   * An entry of kind `yield` was applied.
   *
   * @returns The verdict, if by it this member's cluster gives way.
   */
  onYield(payload: Uint8Array): Verdict | undefined {
    const own = this.#options.member()?.clusterId
    const verdict = decodeVerdict(payload)
    if (verdict === undefined || own === undefined) return undefined
    const { winner, loser } = verdict
    // It may be about a cluster that was reformed since.
    if (winner.clusterId !== own && loser.clusterId !== own) return undefined
    const other = winner.clusterId === own ? loser.clusterId : winner.clusterId
    this.#committed.set(other, verdict)
    if (this.#ownStanding() !== undefined) this.#act(other, this.#mergeWith(own, other).onCommitted())
    return loser.clusterId === own ? verdict : undefined
  }

  /** This member has nothing to do with its former cluster any more. */
  reset(): void {
    this.#merges.clear()
    this.#committed.clear()
  }

  #mergeWith(own: ClusterId, other: ClusterId): IslandMerge {
    const known = this.#merges.get(other)
    if (known !== undefined) return known
    const merge = new IslandMerge(own, other, this.#committed.get(other))
    this.#merges.set(other, merge)
    return merge
  }

  #act(other: ClusterId, decision: MergeDecision): void {
    switch (decision.do) {
      case 'nothing':
        return
      case 'send-standing':
        return this.#tell(other, { type: 'standing', standing: decision.standing })
      case 'send-verdict':
        return this.#tell(other, { type: 'verdict', verdict: decision.verdict })
      case 'commit-verdict': {
        const payload = encodeVerdict(decision.verdict)
        const outcome = this.#options.member()?.propose([{ kind: 'yield', payload }])
        // It is decided again when there is room.
        if (outcome?.accepted !== true) this.#merges.delete(other)
      }
    }
  }

  /** Whoever of the other cluster leads it will know what to do. */
  #tell(other: ClusterId, message: MergeMessage): void {
    const bytes = encodeMerge(message)
    for (const bond of this.#options.mesh) {
      if (this.#options.clusterOf(bond) === other) this.#options.send(bond, bytes)
    }
  }

  /** Undefined unless this member leads a cluster. */
  #ownStanding(): ClusterStanding | undefined {
    const member = this.#options.member()
    if (member?.clusterId === undefined || member.isOver) return undefined
    const { role, committedApplicationIndex: committed, lastTerm } = member.status
    const { lineage } = member.configuration
    return role === 'leader' ? { clusterId: member.clusterId, committed, lastTerm, lineage } : undefined
  }
}
