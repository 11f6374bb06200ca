import { describe, expect, test } from '@jest/globals'
import { Reputation, scoreThresholds } from '../../framework/network/gossip/reputation.js'

describe('the reputation of a peer', () => {
  test('given nothing, is blameless', () => {
    expect(new Reputation().score('a', 0)).toBe(0)
  })

  test('given one or two slips, costs it nothing; given ten in short order, everything', () => {
    const reputation = new Reputation()
    for (let i = 0; i < 3; i++) reputation.offended('a', i)
    expect(reputation.score('a', 3)).toBeGreaterThan(scoreThresholds.gossipThreshold)
    reputation.offended('a', 4)
    expect(reputation.score('a', 4)).toBeLessThan(scoreThresholds.gossipThreshold)
    for (let i = 0; i < 6; i++) reputation.offended('a', 5 + i)
    expect(reputation.score('a', 11)).toBeLessThan(scoreThresholds.graylistThreshold)
    expect(reputation.score('b', 11)).toBe(0)
  })

  test('given time, recovers to blameless and is forgotten', () => {
    const reputation = new Reputation()
    for (let i = 0; i < 10; i++) reputation.offended('a', 0)
    expect(reputation.score('a', 60_000)).toBeCloseTo(-25)
    expect(reputation.score('a', 8 * 60_000)).toBe(0)
    reputation.prune(8 * 60_000)
    reputation.offended('a', 8 * 60_000)
    expect(reputation.score('a', 8 * 60_000)).toBeCloseTo(-1)
  })
})
