import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { configurationOf, isSingleStep, type MemberId } from '#framework/groups/raft'
import { electorateOf, reachedByQuorum } from '../../../framework/groups/raft/quorum.js'
import { Votes } from '../../../framework/groups/raft/votes.js'

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as MemberId[]
const someMembers = fc.subarray(NAMES)
const someVoters = fc.subarray(NAMES, { minLength: 1 })

/** Every majority, written out. */
function majoritiesOf(voters: readonly MemberId[]): MemberId[][] {
  const all = Array.from({ length: 2 ** voters.length }, (_, bits) =>
    voters.filter((_, at) => bits & (1 << at)),
  )
  return all.filter((set) => 2 * set.length > voters.length)
}

const isWithin = (set: readonly MemberId[], members: readonly MemberId[]): boolean =>
  set.every((member) => members.includes(member))

test('given any voters and indices, when asked what is committed, then it is what some majority has reached and no more', () => {
  fc.assert(
    fc.property(someVoters, fc.array(fc.nat(5), { minLength: 7, maxLength: 7 }), (voters, indices) => {
      const indexOf = (member: MemberId): number => indices[NAMES.indexOf(member)]!
      const best = Math.max(
        ...majoritiesOf(voters).map((majority) => Math.min(...majority.map((member) => indexOf(member)))),
      )
      const electorate = electorateOf(configurationOf(voters), {}, () => false)
      expect(reachedByQuorum(electorate, indexOf)).toBe(best)
    }),
  )
})

test('W-S1, W-S2: given any voters and answers, when votes are counted, then a majority of the voters decides, whoever can be reached', () => {
  fc.assert(
    fc.property(someVoters, someMembers, someMembers, (voters, granting, denying) => {
      const votes = new Votes()
      for (const member of granting) votes.record(member, true)
      for (const member of denying) votes.record(member, false)
      const denied = denying.filter((member) => !granting.includes(member))
      const isWon = majoritiesOf(voters).some((majority) => isWithin(majority, granting))
      const isLost = majoritiesOf(voters).every((majority) =>
        majority.some((member) => denied.includes(member)),
      )
      const electorate = electorateOf(configurationOf(voters), {}, (member) => granting.includes(member))
      expect(votes.outcome(electorate)).toBe(isWon ? 'won' : isLost ? 'lost' : 'open')
    }),
  )
})

test('§4.1 of the thesis: given any two configurations one step apart, then any majority of the one meets any of the other', () => {
  fc.assert(
    fc.property(someVoters, someVoters, (from, to) => {
      if (!isSingleStep(configurationOf(from), configurationOf(to))) return
      for (const one of majoritiesOf(from))
        for (const other of majoritiesOf(to)) expect(one.some((member) => other.includes(member))).toBe(true)
    }),
  )
})

test('given a vote, when the same member answers again, then the first answer counts', () => {
  const votes = new Votes()
  votes.record(NAMES[0]!, false)
  votes.record(NAMES[0]!, true)
  expect(votes.outcome(electorateOf(configurationOf([NAMES[0]!]), {}, () => true))).toBe('lost')
})
