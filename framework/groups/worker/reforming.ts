import { toHex, type Random } from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import { QuorumLoss, type ClusterId, type CoreFaults, type KnownMember, type LogEnd } from '../raft/index.js'
import type { Note } from '../wire/notes.js'

const clusterIdBytes = 16

export interface ReformingOptions {
  /** How long no majority must have been seen. */
  readonly afterTicks: number
  readonly mesh: Mesh
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
  /** What the other end of a bond has said of itself. */
  readonly noteOf: (bond: Bond) => Note | undefined
  readonly random: Random
  /** @internal Known bugs, for the simulator to find. */
  readonly faults?: CoreFaults | undefined
  /** What this member says of itself may be another thing now. */
  readonly onNews: () => void
  /** The member is in another cluster, with all that it had. */
  readonly onReformed: (before: ClusterId, clusterId: ClusterId) => void
}

/**
 * For groups that would rather go on with what is left than wait for a majority that may be gone for good
 * (docs/decisions/0020): makes another cluster of the one that the member is in, or goes over to one that somebody else has
 * made.
 */
export class Reforming {
  readonly #options: ReformingOptions
  /** Of the cluster that the member is in. */
  #loss: { readonly of: ClusterId; readonly by: QuorumLoss } | undefined

  constructor(options: ReformingOptions) {
    this.#options = options
  }

  /** What the others are told: where the log ends, while the majority is given up for lost. */
  get survivor(): LogEnd | undefined {
    const member = this.#options.member()
    const isLost = this.#loss !== undefined && this.#loss.of === member?.clusterId && this.#loss.by.isLost
    return member !== undefined && isLost ? endOf(member) : undefined
  }

  onTick(ticks: number): void {
    const { onNews, onReformed, random, afterTicks, faults } = this.#options
    const member = this.#options.member()
    const before = member?.clusterId
    if (member === undefined || before === undefined || member.isOver) {
      this.#loss = undefined
      return
    }
    if (this.#loss?.of !== before) this.#loss = { of: before, by: new QuorumLoss(afterTicks, faults) }
    const { by: loss } = this.#loss
    const wasLost = loss.isLost
    const decision = loss.onTick(ticks, {
      self: member.id,
      clusterId: before,
      configuration: member.configuration,
      end: endOf(member),
      hasLeader: this.#isLed(member),
      bonded: this.#bonded(),
    })
    if (decision.do === 'reform') {
      const clusterId = toHex(random.bytes(clusterIdBytes)) as ClusterId
      member.reform(clusterId, decision.learners)
      onReformed(before, clusterId)
    } else if (decision.do === 'adopt') {
      member.adopt(decision.clusterId)
      onReformed(before, decision.clusterId)
    } else if (wasLost || loss.isLost) onNews()
  }

  /**
   * Whether somebody else leads who is followed by a majority. Of two voters a leader stays one without the other, for
   * ever: whether it is followed, its bonds say, and it says so to those who have nobody else.
   */
  #isLed({ id, status: { leader } }: Member): boolean {
    if (leader === undefined || leader === id) return false
    const { mesh, noteOf } = this.#options
    return ![...mesh].some((bond) => bond.member === leader && noteOf(bond)?.survivor !== undefined)
  }

  #bonded(): readonly KnownMember[] {
    const { mesh, noteOf } = this.#options
    return [...mesh].flatMap((bond) => {
      const note = bond.role === 'reader' ? undefined : noteOf(bond)
      if (note?.cluster === undefined) return []
      const { id: clusterId, lineage = [] } = note.cluster
      return [{ member: bond.member, clusterId, lineage, survivor: note.survivor }]
    })
  }
}

function endOf({ status: { lastTerm, lastIndex } }: Member): LogEnd {
  return { lastTerm, lastIndex }
}
