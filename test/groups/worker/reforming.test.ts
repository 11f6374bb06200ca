import { expect, test } from '@jest/globals'
import { systemRandom } from '#framework/primitives'
import { configurationOf, type ClusterId, type MemberId } from '#framework/groups/raft'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import type { Mesh } from '../../../framework/groups/bond/mesh.js'
import type { Member } from '../../../framework/groups/member/member.js'
import type { Note } from '../../../framework/groups/wire/notes.js'
import { Reforming } from '../../../framework/groups/worker/reforming.js'

const cluster = '1'.repeat(32) as ClusterId
const [a, b, c] = ['a', 'b', 'c'] as MemberId[] as [MemberId, MemberId, MemberId]
const afterTicks = 100

/** A member of a cluster of two voters, a and b, and a learner, c, who has a bond with one that says this. */
function setUp(id: MemberId, leader: MemberId, other: MemberId, survivor?: Note['survivor']) {
  const made: (readonly MemberId[])[] = []
  const member = {
    id,
    clusterId: cluster,
    isOver: false,
    configuration: configurationOf([a, b], [c]),
    status: { leader, lastTerm: 2, lastIndex: 7 },
    reform: (_: ClusterId, learners: readonly MemberId[]) => made.push(learners),
  } as unknown as Member
  const said = {
    note: { cluster: { id: cluster, voters: [a, b], learners: [c] }, isLeaving: false, survivor },
  }
  const reforming = new Reforming({
    afterTicks,
    mesh: [{ member: other, role: 'member' } as unknown as Bond] as unknown as Mesh,
    member: () => member,
    noteOf: () => said.note,
    random: systemRandom,
    onNews: () => {},
    onReformed: () => {},
  })
  return { reforming, made, said }
}

test('given two voters of which the one that leads is left, then it gives its majority up, though it leads as ever', () => {
  const { reforming, made, said } = setUp(a, a, c)
  reforming.onTick(afterTicks)
  expect(reforming.survivor).toEqual({ lastTerm: 2, lastIndex: 7 })
  expect(made).toEqual([])
  said.note = { ...said.note, survivor: { lastTerm: 2, lastIndex: 7 } }
  reforming.onTick(1)
  expect(made).toEqual([[c]])
})

test('given a leader that has the other voter, then it gives nothing up', () => {
  const { reforming } = setUp(a, a, b)
  reforming.onTick(10 * afterTicks)
  expect(reforming.survivor).toBeUndefined()
})

test('given a leader whom a learner follows, when that leader gives its majority up, then so does the learner, and not before', () => {
  const { reforming, said } = setUp(c, a, a)
  reforming.onTick(10 * afterTicks)
  expect(reforming.survivor).toBeUndefined()
  said.note = { ...said.note, survivor: { lastTerm: 2, lastIndex: 7 } }
  reforming.onTick(afterTicks)
  expect(reforming.survivor).toEqual({ lastTerm: 2, lastIndex: 7 })
})
