import { describe, expect, test } from '@jest/globals'
import { AcceptedLog, describeLoss, FaultLog, hasExpired, type Loss } from './streams-losses.js'

const loss: Loss = {
  consumer: 'consumer-2.3',
  kind: 'replay',
  life: 'producer-goes.1#77#replay#0',
  gap: { before: 5_120, count: 120, atMs: 100_000, quietMs: 4_200 },
  acceptedBy: 6_000,
  accepted: 12_345,
  keeps: 'the last 10000',
}

describe('datums that should not have been lost', () => {
  test('given a consumer that was frozen, then it says who lost what of whom, for how long it was away and what was kept', () => {
    const faults = new FaultLog()
    faults.begin('consumer-2', 'freeze', 96_000)(99_100)
    expect(describeLoss(loss, faults)).toBe(
      'consumer-2.3: replay: 120 datums of producer-goes.1#77#replay#0 are lost before 5120, of 6000 by then and 12345 in all, after 4.2 s without any. ' +
        'The producer keeps the last 10000. Done to them lately: consumer-2: freeze for 3.1 s, over 0.9 s before; producer-goes: nothing',
    )
  })

  test('given what lasts, then it says for how long it had lasted when the loss was told', () => {
    const faults = new FaultLog()
    faults.begin('producer-goes', 'kill', 98_000)
    expect(describeLoss(loss, faults)).toContain('producer-goes: kill for 2.0 s by then')
    faults.begin('producer-goes', 'freeze', 99_000)(101_500)
    expect(describeLoss(loss, faults)).toContain('kill for 2.0 s by then, freeze for 1.0 s by then')
  })

  test('given what was done to others, in other cases, long ago or afterwards, then it says nothing of that', () => {
    const faults = new FaultLog()
    faults.begin('consumer-1', 'freeze', 96_000)(99_000)
    faults.add({ place: 'consumer-2', kind: 'block', what: 'stall', fromMs: 96_000, toMs: 99_000 })
    faults.begin('consumer-2', 'freeze', 80_000)(85_799)
    faults.begin('consumer-2', 'leave', 100_001)
    expect(describeLoss(loss, faults)).toMatch(/lately: consumer-2: nothing; producer-goes: nothing$/)
  })

  test('given a producer of which nothing arrived, then it says so', () => {
    const text = describeLoss(
      { ...loss, life: undefined, acceptedBy: undefined, accepted: undefined },
      new FaultLog(),
    )
    expect(text).toContain('120 datums of undefined are lost before 5120, of nobody knows how many by then')
    expect(text).toMatch(/lately: consumer-2: nothing$/)
  })
})

describe('what was lost because it was not kept any more', () => {
  const { gap } = loss

  test.each([
    { kept: 1_000, acceptedBy: 6_120, expired: true },
    { kept: 1_000, acceptedBy: 6_119, expired: false },
    { kept: 10_000, acceptedBy: 15_120, expired: true },
    { kept: 10_000, acceptedBy: 12_345, expired: false },
    { kept: undefined, acceptedBy: 1_000_000, expired: false },
  ])(
    'given a loss before 5120, $kept kept and $acceptedBy by then, then it is so: $expired',
    ({ kept, acceptedBy, expired }) => {
      expect(hasExpired(gap, kept, acceptedBy)).toBe(expired)
    },
  )

  test('given what lives of producers said from time to time, then there were as many at a moment as the next report says', () => {
    const log = new AcceptedLog()
    log.add('a', 10, 1_000)
    log.add('a', 25, 2_000)
    log.add('b', 7, 1_500)
    expect([999, 1_000, 1_001, 2_000, 9_000].map((atMs) => log.by('a', atMs))).toEqual([10, 10, 25, 25, 25])
    expect(log.by('b', 1_000)).toBe(7)
    expect(log.by('nobody', 1_000)).toBe(0)
  })
})
