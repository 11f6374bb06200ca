import { Condition } from '#framework/primitives'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import type { GroupView } from './group-view.js'
import type { MembershipKeeper } from './membership-keeper.js'

export interface DepartureOptions {
  readonly keeper: Pick<MembershipKeeper, 'leave' | 'look' | 'handOver'>
  readonly view: Pick<GroupView, 'status' | 'members'>
  readonly mesh: Pick<Mesh, 'size'>
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
}

/** Has the others take this member out of the configuration. @throws The signal's reason; why the group has ended. */
export async function resign(
  { keeper, view, mesh, member }: DepartureOptions,
  signal: AbortSignal,
): Promise<void> {
  keeper.leave()
  keeper.look()
  const isOut = (): boolean => {
    const leaving = member()
    // Without anybody there is nobody to be taken out by.
    if (leaving === undefined || mesh.size === 0) return true
    return !leaving.configuration.voters.includes(leaving.id)
  }
  await new Condition(view.members, isOut, { signal })
}

/** Has another voter lead, if this member does. @throws as {@link resign}. */
export async function handOver({ keeper, view }: DepartureOptions, signal: AbortSignal): Promise<void> {
  if (!keeper.handOver()) return
  await new Condition(view.status, ({ role }) => role !== 'leader', { signal })
}
