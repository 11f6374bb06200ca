import { beforeEach, expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import type { Member } from '../../../framework/groups/member/member.js'
import type { MemberId } from '../../../framework/groups/raft/index.js'
import { quiescence, Quiescing } from '../../../framework/groups/worker/quiescing.js'
import { Ticker, tickMs } from '../../../framework/groups/worker/ticker.js'

const [self, other] = ['a/1', 'b/1'] as [MemberId, MemberId]

let clock: ManualClock
let told: string[]
let member: { isQuiescent: boolean; mayQuiesce: boolean }
let bonds: { member: MemberId; capabilities: readonly string[] }[]
let isIdle: boolean
let isSettled: boolean
let quiescing: Quiescing

beforeEach(() => {
  clock = new ManualClock()
  told = []
  bonds = [{ member: other, capabilities: [quiescence] }]
  isIdle = true
  isSettled = true
  member = { isQuiescent: false, mayQuiesce: true }
  const fake = Object.assign(member, {
    id: self,
    isOver: false,
    configuration: { voters: [self, other], learners: [] },
    quiesce: () => told.push('quiesce'),
    wake: (ticks: number) => told.push(`wake ${ticks}`),
    tick: (ticks: number) => told.push(`tick ${ticks}`),
  }) as unknown as Member
  const ticking = new Ticker(clock).follow((ticks) => {
    told.push('.')
    quiescing.onTick(ticks)
  })
  quiescing = new Quiescing({
    ticking,
    bonds,
    member: () => fake,
    isIdle: () => isIdle,
    isSettled: () => isSettled,
  })
})

test('given that everybody is there and nothing is to be done, then the member is asked now and then to be quiescent', () => {
  clock.advance(20 * tickMs)
  expect(told.filter((word) => word !== '.')).toEqual(['quiesce', 'quiesce'])
})

test.each([
  ['a member that does not know of quiescence', () => (bonds[0] = { member: other, capabilities: [] })],
  ['a member that is not there', () => bonds.pop()],
  ['something that a handle has submitted', () => (isIdle = false)],
  ['a change of members that is due', () => (isSettled = false)],
  ['a member that does not lead, or has something to do', () => (member.mayQuiesce = false)],
])('given %s, then it is not', (_, happens) => {
  happens()
  clock.advance(40 * tickMs)
  expect(told).not.toContain('quiesce')
})

test('given a quiescent member, then time is not told until something happens, and then first of all how much has passed', () => {
  member.isQuiescent = true
  clock.advance(100 * tickMs)
  expect(told).toEqual(['.'])
  expect(clock.pendingCount).toBe(0)
  quiescing.wake(20 * tickMs + 1)
  member.isQuiescent = false
  clock.advance(tickMs)
  expect(told).toEqual(['.', 'tick 99', 'wake 20', '.'])
})
