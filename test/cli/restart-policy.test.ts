import { describe, expect, test } from '@jest/globals'
import { RestartPolicy } from '../../cli/supervisor/restart-policy.js'

const options = { firstDelayMs: 100, delayMsMax: 500, healthyMs: 10_000, exitCountMax: 5 }

describe('restart policy', () => {
  test('waits longer after each quick exit, up to the longest delay, then gives up', () => {
    const policy = new RestartPolicy(options)
    const decisions = Array.from({ length: 5 }, () => policy.onExit(50))
    expect(decisions).toEqual([
      { type: 'restart', delayMs: 100 },
      { type: 'restart', delayMs: 200 },
      { type: 'restart', delayMs: 400 },
      { type: 'restart', delayMs: 500 },
      { type: 'give-up', exitCount: 5 },
    ])
  })

  test('forgets earlier exits once a run was healthy, so a node that is killed now and then never counts as a crash loop', () => {
    const policy = new RestartPolicy(options)
    for (let round = 0; round < 20; round++) {
      expect(policy.onExit(10_000)).toEqual({ type: 'restart', delayMs: 100 })
      expect(policy.onExit(50)).toEqual({ type: 'restart', delayMs: 200 })
    }
  })
})
