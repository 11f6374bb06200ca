import type { Bond } from '../bond/bond.js'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import {
  agreedLossOf,
  configurationOf,
  decideFounding,
  isStillborn,
  nextMembershipStep,
  successorOf,
  verdictsWith,
  type Founding,
  type FoundingPolicy,
  type LogEnd,
  type MemberId,
  type MembershipFacts,
  type MembershipLimits,
  type Verdict,
} from '../raft/index.js'
import { encodeNote, type Note } from '../wire/notes.js'

/** How many ticks lie between two looks at who should be in the configuration. */
const lookEveryTicks = 4

export interface MembershipKeeperOptions {
  readonly founding: FoundingPolicy
  /** For how long a cluster that was founded may be without a leader before its founding is forgotten. */
  readonly stillbornAfterTicks: number
  readonly limits: MembershipLimits
  readonly mesh: Mesh
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
  /** Whether another cluster goes on instead of this one, which nobody is to join any more. */
  readonly isGivingWay: () => boolean
  /** By what it has given up clusters before this process. */
  readonly gaveWay: readonly Verdict[]
  /** Where its log ends, while it has given the majority up for lost and may go on without. */
  readonly survivor: () => LogEnd | undefined
  /** Nothing has come of the founding of the cluster that the member is in: it had better begin anew. */
  readonly onStillborn: () => void
  /** Tells others on the control lane. */
  readonly send: (bond: Bond, note: Uint8Array) => void
}

/** Who belongs to a group: founds it, if it falls to this member, and changes its configuration, while it leads. */
export class MembershipKeeper {
  readonly #options: MembershipKeeperOptions
  /** What the other ends of bonds have said of themselves. */
  readonly #notes = new Map<Bond, Note>()
  #waitedTicks = 0
  #ticksSinceLook = 0
  #leaderlessTicks = 0
  #isLeaving = false
  #gaveWay: readonly Verdict[]
  /** It has done so in this process, and waits for the cluster that goes on. */
  #hasGivenWay = false
  /** What the others were told last. */
  #told: string | undefined
  #toldNote: Uint8Array | undefined

  constructor(options: MembershipKeeperOptions) {
    this.#options = options
    this.#gaveWay = options.gaveWay
  }

  /** By these it has given up clusters for others, as far as the log of the one that it is in now does not say so. */
  get gaveWay(): readonly Verdict[] {
    return this.#gaveWay
  }

  /** This member wants to be taken out of the configuration. */
  leave(): void {
    this.#isLeaving = true
    this.announce()
  }

  /** What the other end of a bond has said of itself. */
  noteOf(bond: Bond): Note | undefined {
    return this.#notes.get(bond)
  }

  /** Another cluster goes on instead of this one; and of those that are known to have given way to this one, it is to know. */
  giveWay(verdict: Verdict): void {
    const known = this.#options.member()?.committedConfiguration.verdicts ?? []
    const agreed = known.filter(({ isAgreed }) => isAgreed)
    this.#gaveWay = verdictsWith(this.#gaveWay, [...agreed, verdict])
    this.#hasGivenWay = true
    this.announce()
  }

  /** What the log says for certain is another thing now. */
  onCommitted(): void {
    const { member, isGivingWay } = this.#options
    const verdicts = member()?.committedConfiguration.verdicts
    if (!isGivingWay()) {
      this.#gaveWay = this.#gaveWay.filter(({ loser }) => agreedLossOf(loser, verdicts) === undefined)
      if (this.#gaveWay.length === 0) this.#hasGivenWay = false
    }
    this.announce()
  }

  /** This member belongs to no cluster any more: it waits for others as if it had just begun. */
  reset(): void {
    this.#waitedTicks = 0
    this.#leaderlessTicks = 0
    this.#told = undefined
  }

  onBonded(bond: Bond): void {
    this.#options.send(bond, encodeNote(this.#ownNote()))
    this.#setObservers()
  }

  onNote(bond: Bond, note: Note): void {
    this.#notes.set(bond, note)
    this.look()
  }

  onLost(bond: Bond): void {
    this.#notes.delete(bond)
    this.#setObservers()
  }

  onTick(ticks: number): void {
    this.#waitedTicks += ticks
    this.#ticksSinceLook += ticks
    if (this.#ticksSinceLook < lookEveryTicks) return
    this.#lookForLeader(this.#ticksSinceLook)
    this.#ticksSinceLook = 0
    this.look()
  }

  #lookForLeader(ticks: number): void {
    const { onStillborn, stillbornAfterTicks, isGivingWay } = this.#options
    const member = this.#options.member()
    if (member?.clusterId === undefined || member.isOver || isGivingWay()) return
    const { leader, lastIndex } = member.status
    this.#leaderlessTicks = leader === undefined ? this.#leaderlessTicks + ticks : 0
    const { configuration } = member
    const facts = { configuration, lastIndex, leaderlessTicks: this.#leaderlessTicks }
    if (isStillborn(facts, stillbornAfterTicks)) onStillborn()
  }

  /** Does what is to be done. */
  look(): void {
    const member = this.#options.member()
    if (member === undefined || member.isOver || this.#options.isGivingWay()) return
    if (member.clusterId === undefined) this.#maybeFound(member)
    else if (member.status.role === 'leader') this.#maybeChange(member)
  }

  /** Whether this member, which leads, knows of nothing to change: all are of one cluster, which has them as it should. */
  get isSettled(): boolean {
    const member = this.#options.member()
    if (member === undefined || this.#isLeaving) return false
    for (const bond of this.#options.mesh) {
      const note = this.#notes.get(bond)
      if (note?.cluster?.id !== member.clusterId || note?.gaveWay !== undefined) return false
    }
    return nextMembershipStep(this.#factsOf(member), this.#options.limits) === undefined
  }

  /** Hands leadership over, if this member has it and somebody else could. Says whether that is under way. */
  handOver(): boolean {
    const member = this.#options.member()
    if (member === undefined || member.isOver || member.status.role !== 'leader') return false
    const target = successorOf(this.#factsOf(member))
    return target !== undefined && member.transferLeadership(target).accepted
  }

  /** Tells the others what this member is part of, if that is news. */
  announce(): void {
    const note = this.#ownNote()
    const text = JSON.stringify(note)
    if (text === this.#told) return
    this.#told = text
    this.#toldNote = encodeNote(note)
    this.#tellAll(this.#toldNote)
  }

  /** Tells the others nothing new, so that they look whether their leader is still there. */
  alarm(): void {
    if (this.#toldNote !== undefined) this.#tellAll(this.#toldNote)
  }

  #tellAll(note: Uint8Array): void {
    for (const bond of this.#options.mesh) this.#options.send(bond, note)
  }

  #ownNote(): Note {
    const member = this.#options.member()
    const cluster =
      member?.clusterId === undefined
        ? undefined
        : {
            id: member.clusterId,
            voters: [...member.configuration.voters],
            learners: [...member.configuration.learners],
            lineage: member.configuration.lineage,
            verdicts: member.committedConfiguration.verdicts,
          }
    const gaveWay = this.#gaveWay.length > 0 ? this.#gaveWay : undefined
    const { survivor } = this.#options
    return { cluster, survivor: survivor(), gaveWay, isLeaving: this.#isLeaving }
  }

  #maybeFound(member: Member): void {
    const { founding } = this.#options
    const foundings: Founding[] = []
    const freshPeers: MemberId[] = []
    for (const [bond, { cluster, isLeaving }] of this.#notes) {
      if (bond.role === 'reader' || isLeaving) continue
      if (cluster === undefined) freshPeers.push(bond.member)
      else {
        const { id: clusterId, voters, learners } = cluster
        foundings.push({ clusterId, configuration: configurationOf(voters, learners) })
      }
    }
    const facts = {
      self: member.id,
      freshPeers,
      foundings,
      waitedTicks: this.#waitedTicks,
      hasGivenWay: this.#hasGivenWay,
    }
    const decision = decideFounding(founding, facts)
    if (decision.do !== 'found') return
    member.found(decision.founding.clusterId, decision.founding.configuration)
    this.announce()
  }

  #maybeChange(member: Member): void {
    const step = nextMembershipStep(this.#factsOf(member), this.#options.limits)
    // What is refused now is looked at again soon.
    if (step?.do === 'change') member.proposeConfiguration(step.configuration)
    if (step?.do === 'transfer') member.transferLeadership(step.target)
  }

  #factsOf(member: Member): MembershipFacts {
    const leaving = [...this.#notes].filter(([, { isLeaving }]) => isLeaving).map(([bond]) => bond.member)
    return {
      self: member.id,
      configuration: member.configuration,
      lastIndex: member.status.lastIndex,
      progress: member.progress,
      bonded: [...this.#options.mesh].map((bond) => ({
        member: bond.member,
        isReader: bond.role === 'reader',
      })),
      leaving: this.#isLeaving ? [...leaving, member.id] : leaving,
    }
  }

  #setObservers(): void {
    const readers = [...this.#options.mesh].filter(({ role }) => role === 'reader')
    this.#options.member()?.setObservers(readers.map(({ member }) => member))
  }
}
