// A member of a group, which may write, and may be killed.
import { Condition, type PeerId } from '#framework/primitives'
import type { MemberId, MemberStatus } from '#framework/groups'
import { answerCalls } from './calls.ts'
import { groupKey, groupNode, Register, type RegisterGroup } from './group-node.ts'

export interface FailoverOrder {
  /** Which of the members it is, from 0. */
  readonly place: number
  readonly addresses: readonly string[]
  readonly memberCount: number
  readonly electionTimeoutMs: number
}

const command = new Uint8Array(128).fill(1)
let self: PeerId | undefined
let group: RegisterGroup | undefined
/** Of the wall clock, in milliseconds with fractions, so that it can be compared with that of another process. */
let killedAt: number | undefined
let acknowledged: Promise<number> | undefined

const peer = {
  async join({ place, addresses, memberCount, electionTimeoutMs }: FailoverOrder) {
    const node = await groupNode({ addresses, identity: place })
    self = node.host.peerId
    group = await node.groups.join({
      key: groupKey(0),
      machine: () => new Register(),
      founding: { type: 'expect', count: memberCount },
      maxVoters: memberCount,
      timing: { electionTimeoutMs },
    })
    return { addresses: node.host.addresses.value, peer: self }
  },

  /** Resolves with the leader, when there is one. */
  async leader(): Promise<PeerId> {
    return (await group!.when().online()).leader!
  },

  /** As which member of the group it takes part. */
  async member(): Promise<MemberId> {
    const members = await new Condition(group!.members, (all) =>
      all.some(({ peer: other }) => other === self),
    )
    return members.find(({ peer: other }) => other === self)!.member
  },

  /** @param gone Who was killed, and may seem to be here for a while. Resolves when so many vote and are here, and nobody votes who is not. */
  async complete(memberCount: number, gone?: MemberId): Promise<void> {
    const isHere = ({ member, peer: other, isBonded }: MemberStatus): boolean =>
      other === self || (isBonded && member !== gone)
    await new Condition(group!.members, (members) => {
      const voters = members.filter(({ role }) => role === 'voter')
      return voters.length === memberCount && voters.every(isHere)
    })
  },

  /** Writes one command after the other from now on. Resolves when the first is acknowledged. */
  async beginWriting(): Promise<void> {
    killedAt = undefined
    const begun = Promise.withResolvers<void>()
    acknowledged = writeOn(begun.resolve)
    await Promise.race([begun.promise, acknowledged])
  },

  /** Resolves with the moment at which the first command was acknowledged that was called after that one; writes no more. */
  acknowledgedAfter(atMs: number): Promise<number> {
    killedAt = atMs
    return acknowledged!
  },
}

export type GroupFailoverPeer = typeof peer

async function writeOn(begun: () => void): Promise<number> {
  const calls: { readonly calledAt: number; readonly doneAt: number }[] = []
  for (;;) {
    const calledAt = wallMs()
    await group!.execute(command, { deadlineMs: 60_000 })
    calls.push({ calledAt, doneAt: wallMs() })
    begun()
    // It may be a while after it that this process is told of the moment.
    const first = calls.find((call) => killedAt !== undefined && call.calledAt > killedAt)
    if (first !== undefined) return first.doneAt
  }
}

function wallMs(): number {
  return performance.timeOrigin + performance.now()
}

answerCalls<GroupFailoverPeer>(peer)
