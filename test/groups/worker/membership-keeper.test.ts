import { expect, test } from '@jest/globals'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import type { Mesh } from '../../../framework/groups/bond/mesh.js'
import type { Member } from '../../../framework/groups/member/member.js'
import {
  configurationOf,
  type ClusterId,
  type Configuration,
  type MemberId,
  type Verdict,
} from '../../../framework/groups/raft/index.js'
import { MembershipKeeper } from '../../../framework/groups/worker/membership-keeper.js'
import { decodeNote, type Note } from '../../../framework/groups/wire/notes.js'

const cluster = 'ab'.repeat(16) as ClusterId
const other = 'cd'.repeat(16) as ClusterId
const [self, peer] = ['a/1', 'b/1'] as [MemberId, MemberId]

const bond = { member: peer, role: 'member' } as Bond
const noteFrom = (changes: Partial<Note> = {}): Note => ({
  cluster: { id: cluster, voters: [self, peer], learners: [] },
  isLeaving: false,
  ...changes,
})

/** Of a member that leads. */
function keeper(voters: readonly MemberId[] = [self, peer], gaveWay: readonly Verdict[] = []) {
  const told: Note[] = []
  const member = {
    id: self,
    isOver: false,
    clusterId: cluster,
    configuration: configurationOf(voters, []),
    committedConfiguration: configurationOf(voters, []) as Configuration,
    status: { role: 'leader', leader: self, lastIndex: 1 },
    progress: [],
    proposeConfiguration: () => {},
    setObservers: () => {},
  }
  return {
    keeper: new MembershipKeeper({
      founding: { type: 'join-only' },
      stillbornAfterTicks: 100,
      limits: { maxVoters: 3, evictAfterTicks: 100 },
      mesh: [bond] as unknown as Mesh,
      member: () => member as unknown as Member,
      isGivingWay: () => false,
      gaveWay,
      survivor: () => undefined,
      onStillborn: () => {},
      send: (_, note) => told.push(decodeNote(note)),
    }),
    told,
    commit: (verdicts: readonly Verdict[]) => {
      member.committedConfiguration = { ...member.committedConfiguration, verdicts }
    },
  }
}

test('given a bonded voter of the same cluster, then a leader has nothing to change', () => {
  const { keeper: own } = keeper()
  expect(own.isSettled).toBe(false)
  own.onNote(bond, noteFrom())
  expect(own.isSettled).toBe(true)
})

test.each([
  ['is of another cluster', { cluster: { id: other, voters: [peer], learners: [] } }],
  ['is of none', { cluster: undefined }],
  ['has given up a cluster', { gaveWay: [{ winner: cluster, loser: other, shared: 0, isAgreed: true }] }],
  ['is about to go', { isLeaving: true }],
])('given a member that %s, then something is to be done', (_, changes) => {
  const { keeper: own } = keeper()
  own.onNote(bond, noteFrom(changes))
  expect(own.isSettled).toBe(false)
})

test('given a bonded member that is not in the configuration, or one that wants to leave itself, then something is to be done', () => {
  const alone = keeper([self]).keeper
  alone.onNote(bond, noteFrom())
  expect(alone.isSettled).toBe(false)
  const leaving = keeper().keeper
  leaving.onNote(bond, noteFrom())
  leaving.leave()
  expect(leaving.isSettled).toBe(false)
})

test('given an alarm, then the others are told what they know', () => {
  const { keeper: own, told } = keeper()
  own.alarm()
  expect(told).toEqual([])
  own.announce()
  own.announce()
  own.alarm()
  expect(told).toHaveLength(2)
  expect(told[1]).toEqual(told[0])
})

test('given a node that has given up a cluster before it was started again, then it says so until the log of the cluster that it is in now does', () => {
  const gaveWay = [{ winner: cluster, loser: other, shared: 0, isAgreed: true }]
  const { keeper: own, told, commit } = keeper([self, peer], gaveWay)
  own.announce()
  expect(told.at(-1)?.gaveWay).toEqual(gaveWay)
  commit(gaveWay)
  own.onCommitted()
  expect(told.at(-1)?.gaveWay).toBeUndefined()
})
