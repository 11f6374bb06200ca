import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { ClusterId, MemberId, Verdict } from '#framework/groups/raft'
import { decodeConfiguration, encodeConfiguration } from '../../../framework/groups/raft/configuration.js'
import { agreedLossOf, verdictsMax, verdictsWith } from '../../../framework/groups/raft/verdicts.js'

const idOf = (number: number): ClusterId => `${number}`.padStart(32, '0') as ClusterId
const verdict = (winner: number, loser: number, isAgreed = true): Verdict => ({
  winner: idOf(winner),
  loser: idOf(loser),
  shared: 0,
  isAgreed,
})
const anyVerdict = fc.record({
  winner: fc.nat(9).map(idOf),
  loser: fc.nat(9).map(idOf),
  shared: fc.nat(),
  isAgreed: fc.boolean(),
})
const anyVerdicts = fc.array(anyVerdict, { maxLength: verdictsMax })

test('property: given verdicts, when more are added, then each pair is there once, and what was agreed to stays so', () => {
  fc.assert(
    fc.property(anyVerdicts, anyVerdicts, (before, more) => {
      const all = verdictsWith(before, more)
      const pairs = all.map(({ winner, loser }) => `${winner} ${loser}`)
      expect(new Set(pairs).size).toBe(pairs.length)
      if (new Set([...before, ...more].map(({ winner, loser }) => `${winner} ${loser}`)).size > verdictsMax)
        return
      for (const { loser, isAgreed } of [...before, ...more])
        if (isAgreed) expect(agreedLossOf(loser, all)).toBeDefined()
    }),
  )
})

test('given more verdicts than are kept, then the last ones are', () => {
  const many = Array.from({ length: verdictsMax + 5 }, (_, n) => verdict(n, n + 1))
  expect(verdictsWith(many.slice(0, verdictsMax), many.slice(verdictsMax))).toEqual(many.slice(5))
})

test('given a verdict to which the loser has not agreed, then nobody gives way by it', () => {
  expect(agreedLossOf(idOf(2), [verdict(1, 2, false), verdict(2, 3)])).toBeUndefined()
  expect(agreedLossOf(idOf(2), [verdict(1, 2)])).toEqual(verdict(1, 2))
})

test('property: given a configuration with verdicts, when encoded, then it comes back', () => {
  fc.assert(
    fc.property(anyVerdicts, (verdicts) => {
      const configuration = {
        voters: ['a' as MemberId],
        learners: [],
        ...(verdicts.length > 0 && { verdicts }),
      }
      expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration)
    }),
  )
})
