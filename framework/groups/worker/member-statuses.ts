import type { Mesh } from '../bond/mesh.js'
import type { MemberStatus } from '../group.js'
import type { Member } from '../member/member.js'
import { peerIdOf } from '../raft/member-id.js'

/** Who is in the configuration, and who listens, as far as this member knows. */
export function memberStatuses(member: Member, mesh: Mesh): readonly MemberStatus[] {
  const { configuration, status, progress } = member
  const lags = new Map(
    progress.map(({ member: other, matchIndex }) => [other, status.lastIndex - matchIndex]),
  )
  const observers = [...mesh].filter(({ role }) => role === 'reader').map((bond) => bond.member)
  const listed = [
    ...configuration.voters.map((id) => [id, 'voter'] as const),
    ...configuration.learners.map((id) => [id, 'learner'] as const),
    ...observers.map((id) => [id, 'observer'] as const),
  ]
  return listed.map(([id, role]) => ({
    member: id,
    peer: peerIdOf(id),
    role,
    isLeader: status.leader === id,
    isBonded: mesh.get(peerIdOf(id))?.member === id,
    lag: id === member.id && status.role === 'leader' ? 0 : lags.get(id),
  }))
}
