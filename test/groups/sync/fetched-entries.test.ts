import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '#framework/primitives'
import {
  configurationOf,
  murmurChain,
  RaftCore,
  type ClusterId,
  type Entry,
  type MemberId,
} from '#framework/groups/raft'
import { encodeConfiguration } from '../../../framework/groups/raft/configuration.js'

const clusterId = 'c1'.repeat(16) as ClusterId
const [self, leader] = ['self/1', 'leader/1'] as [MemberId, MemberId]
const founders = encodeConfiguration(configurationOf([self, leader]))

/** A log that is that of the group up to an index, and behind it one that only a deposed leader had. */
function logOf(shared: number, length: number, text = 'stale'): Entry[] {
  const entries: Entry[] = []
  for (let index = 1; index <= length; index++) {
    const fields = {
      index,
      term: index > shared ? 2 : 1,
      kind: index === 1 ? ('configuration' as const) : ('command' as const),
      commandCount: index === 1 ? 0 : 1,
      applicationIndex: index - 1,
      timestampMs: 0,
      payload: index === 1 ? founders : Buffer.from(`${index > shared ? text : ''} ${index}`),
    }
    entries.push({ ...fields, hash: murmurChain.next(entries.at(-1)?.hash ?? 0, fields) })
  }
  return entries
}

const truth = logOf(6, 20, 'true')
const last = truth.at(-1)!

function memberOf(entries: readonly Entry[], appliedIndex = 3): RaftCore {
  const hardState = { clusterId, term: 2, votedFor: undefined }
  const restored = { hardState, entries, appliedIndex }
  const core = new RaftCore({ id: self, restored, random: seededRandom(1) })
  const ends = { clusterId, from: leader, to: self, term: 3, round: 1, roundTick: 1 }
  core.step({ ...ends, type: 'sync-required', firstIndex: 21, commitIndex: 20 })
  core.takeReady()
  return core
}

describe('W-S5: entries that were fetched', () => {
  test('that are there already are passed over', () => {
    const core = memberOf(truth.slice(0, 10))
    expect(core.appendFetched(truth.slice(4, 12))).toBe(8)
    expect(core.status.lastIndex).toBe(12)
  })

  test('take the place of those that only a deposed leader had, and of all behind them', () => {
    const core = memberOf(logOf(6, 15))
    expect(core.appendFetched(truth.slice(5, 8))).toBe(3)
    expect(core.status.lastIndex).toBe(8)
    expect(core.takeReady()).toMatchObject({ truncateFrom: 7, entries: [{ index: 7 }, { index: 8 }] })
  })

  test('that do not follow what is in front of them are not taken', () => {
    const core = memberOf(logOf(6, 15))
    expect(core.appendFetched(truth.slice(8, 12))).toBe(0)
    expect(core.status.lastIndex).toBe(15)
  })

  test('W-S6: never take the place of what is committed', () => {
    const core = memberOf(logOf(6, 15), 9)
    expect(core.appendFetched(truth.slice(5, 12))).toBe(1)
    expect(core.entryAt(7)!.payload).toEqual(logOf(6, 15)[6]!.payload)
  })

  test('never take the place of what the leader of this term was told to be its own', () => {
    const stale = logOf(6, 15)
    const core = memberOf(stale)
    const previous = stale[9]!
    core.step({
      type: 'append',
      clusterId,
      from: leader,
      to: self,
      term: 3,
      round: 2,
      roundTick: 2,
      prevIndex: 10,
      prevTerm: previous.term,
      prevHash: previous.hash,
      entries: [],
      commitIndex: 3,
      answer: 'at-once',
    })
    expect(core.appendFetched(truth.slice(5, 12))).toBe(1)
    expect(core.status.lastIndex).toBe(15)
  })

  test('are committed when the leader has the last of them, as it says', () => {
    const core = memberOf(truth.slice(0, 5))
    core.appendFetched(truth.slice(5))
    expect(core.status.commitIndex).toBe(3)
    expect(core.commitFetched(leader, last)).toBe(true)
    expect(core.status.commitIndex).toBe(20)
  })

  test('are not committed when it has another, or somebody else says so', () => {
    const core = memberOf(truth.slice(0, 5))
    core.appendFetched(truth.slice(5))
    expect(core.commitFetched(leader, { ...last, hash: 1 })).toBe(false)
    expect(core.commitFetched('other/1' as MemberId, last)).toBe(false)
    expect(core.commitFetched(leader, { ...last, index: 21 })).toBe(false)
    expect(core.status.commitIndex).toBe(3)
  })

  test('are announced to the leader, which goes on behind them', () => {
    const core = memberOf(truth.slice(0, 5))
    core.appendFetched(truth.slice(5))
    core.announceEnd()
    expect(core.takeReady().messages).toMatchObject([
      { type: 'append-answer', to: leader, accepted: false, rejectedIndex: 0, lastIndex: 20 },
    ])
  })
})
