import { ComposedWatch, type GroupId, type ReadonlyWatch } from '#framework/primitives'
import type { Mesh } from '../bond/mesh.js'
import type { GroupPhase, GroupStatus, MemberStatus } from '../group.js'
import type { Member } from '../member/member.js'
import { peerIdOf } from '../raft/member-id.js'
import { memberStatuses } from './member-statuses.js'

export interface GroupViewOptions {
  readonly id: GroupId
  readonly mesh: Mesh
  readonly machine: { readonly applicationIndex: number }
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
  readonly isVolatile: () => boolean
}

/** What users see of a group on a node: where it stands, and who its members are. */
export class GroupView {
  readonly #options: GroupViewOptions
  readonly #status = new ComposedWatch<GroupStatus>(() => this.#currentStatus())
  readonly #members = new ComposedWatch<readonly MemberStatus[]>(() => this.#currentMembers())
  #phase: GroupPhase = 'joining'
  #cause: unknown

  constructor(options: GroupViewOptions) {
    this.#options = options
  }

  get status(): ReadonlyWatch<GroupStatus> {
    return this.#status
  }

  get members(): ReadonlyWatch<readonly MemberStatus[]> {
    return this.#members
  }

  /** Why the group is not, or no longer, at work here. */
  get cause(): unknown {
    return this.#cause
  }

  /** `joining` becomes `online` by itself, when a leader is known. To be seen with the next {@link refresh}. */
  enter(phase: GroupPhase, cause?: unknown): void {
    this.#phase = phase
    this.#cause = cause
  }

  /** It is another thing now. */
  refresh(): void {
    this.#status.invalidate()
    this.#members.invalidate()
  }

  /** Nothing will change any more. */
  end(reason: unknown): void {
    this.refresh()
    this.#status.end(reason)
    this.#members.end(reason)
  }

  #currentStatus(): GroupStatus {
    const { id, machine, isVolatile } = this.#options
    const member = this.#options.member()
    const status = member?.status
    const voters = member?.configuration.voters.length ?? 0
    const isOnline = this.#phase === 'joining' && status?.leader !== undefined
    return {
      id,
      phase: isOnline ? 'online' : this.#phase,
      cause: this.#cause,
      role: status?.role ?? 'follower',
      term: status?.term ?? 0,
      leader: status?.leader === undefined ? undefined : peerIdOf(status.leader),
      clusterId: member?.clusterId,
      committed: machine.applicationIndex,
      durability: {
        acks: voters === 0 ? 0 : Math.floor(voters / 2) + 1,
        voters,
        isDurable: !isVolatile(),
      },
    }
  }

  #currentMembers(): readonly MemberStatus[] {
    const member = this.#options.member()
    return member === undefined ? [] : memberStatuses(member, this.#options.mesh)
  }
}
