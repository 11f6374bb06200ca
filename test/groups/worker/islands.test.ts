import { expect, test } from '@jest/globals'
import {
  configurationOf,
  type ClusterId,
  type Configuration,
  type MemberId,
  type RaftStatus,
  type Verdict,
} from '#framework/groups/raft'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import { decodeMerge, type Note } from '../../../framework/groups/wire/notes.js'
import { Islands, type IslandMember } from '../../../framework/groups/worker/islands.js'

const idOf = (digit: number): ClusterId => `${digit}`.repeat(32) as ClusterId
const [first, second, third] = [idOf(1), idOf(2), idOf(3)] as [ClusterId, ClusterId, ClusterId]
const verdict = (winner: ClusterId, loser: ClusterId, isAgreed: boolean): Verdict => ({
  winner,
  loser,
  shared: 0,
  isAgreed,
})

/** What somebody of a cluster says whose log has these verdicts, or who has given way by others. */
const note = (id: ClusterId, verdicts?: readonly Verdict[], gaveWay?: readonly Verdict[]): Note => ({
  cluster: { id, voters: [], learners: [], verdicts },
  gaveWay,
  isLeaving: false,
})

/** @param gaveWay By what the node of the member has given up clusters itself. */
function setUpAfter(
  gaveWay: readonly Verdict[],
  clusterId: ClusterId,
  role: 'leader' | 'follower',
  ...notes: readonly Note[]
) {
  const plain: Configuration = configurationOf(['a' as MemberId])
  const state = { configuration: plain, committed: plain }
  const sent: string[] = []
  const proposed: (readonly Verdict[])[] = []
  const member: IslandMember = {
    isOver: false,
    clusterId,
    get configuration() {
      return state.configuration
    },
    get committedConfiguration() {
      return state.committed
    },
    status: { role, committedApplicationIndex: 5, lastTerm: 1 } as RaftStatus,
    proposeConfiguration: (next) => {
      proposed.push(next.verdicts ?? [])
      state.configuration = next
      return { accepted: false, reason: 'busy', leader: undefined }
    },
  }
  const bonds = notes.map(() => ({}) as Bond)
  const islands = new Islands({
    mesh: bonds,
    member: () => member,
    noteOf: (bond) => notes[bonds.indexOf(bond)],
    gaveWay: () => gaveWay,
    send: (bond, message) =>
      sent.push(`${notes[bonds.indexOf(bond)]!.cluster!.id[0]} ${decodeMerge(message).type}`),
  })
  const commit = (): void => {
    state.committed = state.configuration
    islands.onCommitted()
  }
  return { islands, sent, proposed, state, commit }
}

function setUp(clusterId: ClusterId, role: 'leader' | 'follower', ...notes: readonly Note[]) {
  return setUpAfter([], clusterId, role, ...notes)
}

test('given a member whose whole part gave way and forgot it, when one of the other part says that it is in its log, then the member gives way', () => {
  const agreed = verdict(second, first, true)
  const { islands } = setUp(first, 'follower', note(second, [agreed]))
  expect(islands.loss).toEqual(agreed)
  expect(islands.isOnRecord(agreed)).toBe(true)
})

test('given a member of the part that gave way, when somebody says so whose part it was as well, then the member gives way, though no log of others has it', () => {
  const agreed = verdict(second, first, true)
  const { islands } = setUp(first, 'follower', note(first, undefined, [agreed]))
  expect(islands.loss).toEqual(agreed)
  expect(islands.isOnRecord(agreed)).toBe(false)
})

test('given a verdict to which this part has not agreed, when others have it in their log, then this part goes on', () => {
  const { islands } = setUp(second, 'follower', note(first, [verdict(first, second, false)]))
  expect(islands.loss).toBeUndefined()
})

test('given a verdict in its own log, when it is committed there, and not before, then the part gives way and agrees with nobody else', () => {
  const { islands, state, sent, commit } = setUp(second, 'leader', note(first), note(third))
  state.configuration = { ...state.configuration, verdicts: [verdict(first, second, false)] }
  expect(islands.loss).toBeUndefined()
  islands.onTick(100)
  expect(sent).toEqual([])
  commit()
  expect(islands.loss).toEqual(verdict(first, second, true))
})

test('given a part that was reformed since, when its log has that the one before gave way, then it goes on', () => {
  const { islands, state } = setUp(third, 'follower', note(first))
  state.committed = { ...state.committed, verdicts: [verdict(first, second, false)] }
  expect(islands.loss).toBeUndefined()
})

test('given a leader, when it hears who has given way, to whomever, then it keeps that once', () => {
  const heard = [verdict(first, second, true), verdict(third, idOf(4), true)]
  const { islands, proposed } = setUp(first, 'leader', note(first, undefined, heard))
  islands.onNote()
  islands.onNote()
  islands.onTick(100)
  expect(proposed).toEqual([heard])
})

test('given a leader that has given up a cluster itself, then it keeps that in the log of the one that it is in now', () => {
  const gaveWay = [verdict(third, second, true)]
  const { islands, proposed } = setUpAfter(gaveWay, first, 'leader')
  islands.onTick(100)
  islands.onTick(100)
  expect(proposed).toEqual([gaveWay])
})

test('given a verdict of its own, when the other part says that it has given way, then that takes its place', () => {
  const agreed = verdict(first, second, true)
  const { islands, state, proposed } = setUp(first, 'leader', note(second, undefined, [agreed]))
  state.configuration = { ...state.configuration, verdicts: [verdict(first, second, false)] }
  islands.onNote()
  expect(proposed).toEqual([[agreed]])
})

test('given a verdict that goes against its own part, when it hears of it, then it is not kept there', () => {
  const { islands, proposed } = setUp(
    first,
    'leader',
    note(second, undefined, [verdict(second, first, true)]),
  )
  islands.onNote()
  expect(proposed).toEqual([])
  expect(islands.loss).toBeDefined()
})

test('given an arbiter, when its verdict is committed, then the other part is told, and not before', () => {
  const { islands, state, sent, commit } = setUp(first, 'leader', note(second))
  state.configuration = { ...state.configuration, verdicts: [verdict(first, second, false)] }
  islands.onTick(100)
  expect(sent).toEqual([])
  commit()
  expect(sent).toEqual(['2 verdict'])
})

test('given somebody who follows, when others are of another cluster, then it leaves it to its leader', () => {
  const { islands, sent, proposed } = setUp(
    first,
    'follower',
    note(second, undefined, [verdict(first, third, true)]),
  )
  islands.onTick(100)
  islands.onNote()
  expect({ sent, proposed }).toEqual({ sent: [], proposed: [] })
})
