import { describe, expect, test } from '@jest/globals'
import { EdgeLedger } from '../../cli/supervisor/edge-ledger.js'

const ab = { stream: 's', from: 'a-0', to: 'b-0' }
const ac = { stream: 's', from: 'a-0', to: 'c-0' }
const all = new Set(['a-0', 'b-0', 'c-0'])

describe('edge ledger', () => {
  test('is converged when every declared edge is reported, and says which are missing before', () => {
    const ledger = new EdgeLedger([ab, ac], all)
    expect(ledger.missing()).toEqual([ab, ac])
    expect(ledger.report('b-0', [ab])).toEqual({ up: [ab], down: [] })
    expect(ledger.converged).toBe(false)
    expect(ledger.missing()).toEqual([ac])
    expect(ledger.report('c-0', [ac])).toEqual({ up: [ac], down: [] })
    expect(ledger.converged).toBe(true)
  })

  test('believes the consumer where both ends run here', () => {
    const ledger = new EdgeLedger([ab], all)
    expect(ledger.report('a-0', [ab])).toEqual({ up: [], down: [] })
    expect(ledger.converged).toBe(false)
    expect(ledger.report('b-0', [ab])).toEqual({ up: [ab], down: [] })
  })

  test('believes the producer where the consumer runs elsewhere', () => {
    const ledger = new EdgeLedger([ab], new Set(['a-0']))
    expect(ledger.report('a-0', [ab])).toEqual({ up: [ab], down: [] })
    expect(ledger.converged).toBe(true)
  })

  test('expects only edges with an end that runs here', () => {
    const ledger = new EdgeLedger([ab, ac], new Set(['b-0']))
    expect(ledger.expectedCount).toBe(1)
  })

  test('takes an edge down when its reporter ends, and reports nothing twice', () => {
    const ledger = new EdgeLedger([ab], all)
    ledger.report('b-0', [ab])
    expect(ledger.report('b-0', [ab])).toEqual({ up: [], down: [] })
    expect(ledger.report('b-0', [])).toEqual({ up: [], down: [ab] })
    expect(ledger.converged).toBe(false)
  })
})
