import { describe, expect, test } from '@jest/globals'
import { describeLoss, FaultLog, type Loss } from './streams-losses.js'

const loss: Loss = {
  consumer: 'consumer-2.3',
  kind: 'replay',
  life: 'producer-goes.1#77#replay#0',
  gap: { before: 5_120, count: 120, atMs: 100_000, quietMs: 4_200 },
  accepted: 12_345,
  keeps: 'the last 10000',
}

describe('datums that should not have been lost', () => {
  test('given a consumer that was frozen, then it says who lost what of whom, for how long it was away and what was kept', () => {
    const faults = new FaultLog()
    faults.begin('consumer-2', 'freeze', 96_000)(99_100)
    expect(describeLoss(loss, faults)).toBe(
      'consumer-2.3: replay: 120 datums of producer-goes.1#77#replay#0 are lost before 5120, of 12345, after 4.2 s without any. ' +
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
    const text = describeLoss({ ...loss, life: undefined, accepted: undefined }, new FaultLog())
    expect(text).toContain('120 datums of undefined are lost before 5120, of nobody knows how many')
    expect(text).toMatch(/lately: consumer-2: nothing$/)
  })
})
