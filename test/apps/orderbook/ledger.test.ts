import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { OrderBook } from '../../../apps/orderbook/book/order-book.js'
import { requestsOf } from '../../../apps/orderbook/feed.js'
import { Ledger } from '../../../apps/orderbook/ledger.js'
import type { Outcome } from '../../../apps/orderbook/orders.js'
import { Progress } from '../../../apps/orderbook/progress.js'
import type { AuditReport, Report, Statement } from '../../../apps/orderbook/streams.js'

const matchers = ['matcher-0', 'matcher-1', 'matcher-2']

interface Run {
  readonly reports: Report[]
  readonly statements: Statement[]
  readonly audits: AuditReport[]
}

/** What the nodes say to the reporter when all goes well. */
function goodRun(requestCount = 300): Run {
  const book = new OrderBook()
  const requests = [...requestsOf('trader-0', 'ledger', requestCount)]
  const reports = requests.map((request, place): Report => ({
    request,
    outcome: book.apply(request),
    index: place + 1,
  }))
  const placed = requests.reduce((sum, request) => sum + (request.type === 'limit' ? request.quantity : 0), 0)
  return {
    reports,
    statements: [{ trader: 'trader-0', requests: requestCount, placed, index: requestCount }],
    audits: matchers.map((matcher) => ({ matcher, index: requestCount, audit: book.audit() })),
  }
}

function ledgerOf({ reports, statements, audits }: Run): Ledger {
  const ledger = new Ledger()
  for (const report of reports) ledger.add(report)
  for (const statement of statements) ledger.addStatement(statement)
  for (const audit of audits) ledger.addAudit(audit)
  return ledger
}

function problemsOf(run: Run): string {
  return ledgerOf(run).verdict(matchers.length).problems.join('\n')
}

describe('a run in which all went well', () => {
  test('has no problems, and says which fills and which book it came to', () => {
    const run = goodRun()
    const verdict = ledgerOf(run).verdict(3)
    expect(verdict).toMatchObject({
      problems: [],
      requestCount: 300,
      fillCount: run.audits[0]!.audit.fills,
      bookDigest: run.audits[0]!.audit.digest,
    })
  })

  test('is the same in whatever order reports come, and however often', () => {
    const run = goodRun(60)
    const expected = ledgerOf(run).verdict(3)
    fc.assert(
      fc.property(fc.shuffledSubarray([...run.reports, ...run.reports], { minLength: 120 }), (reports) => {
        expect(ledgerOf({ ...run, reports }).verdict(3)).toEqual(expected)
      }),
      { numRuns: 30 },
    )
  })

  test('what was refused, or asked again after it was forgotten, changes nothing', () => {
    const run = goodRun(60)
    const { request } = run.reports[4]!
    const more: Report[] = [
      { request, outcome: { status: 'refused', reason: 'out-of-turn', next: 1 }, index: 1 },
      { request, outcome: { status: 'forgotten' }, index: 2 },
    ]
    // Also when the refusal comes first.
    const verdict = ledgerOf({ ...run, reports: [more[0]!, ...run.reports, ...more] }).verdict(3)
    expect(verdict).toEqual(ledgerOf(run).verdict(3))
  })
})

describe('what went wrong is found', () => {
  test('an acknowledged request is lost', () => {
    const run = goodRun()
    run.reports.splice(16, 1)
    expect(problemsOf(run)).toContain('trader-0/17 was acknowledged and is lost')
  })

  test('a request was carried out twice, with two outcomes', () => {
    const run = goodRun()
    const place = placeOf(run, (outcome) => outcome.fills.length > 0)
    const { request, outcome, index } = run.reports[place]!
    if (outcome.status !== 'placed') throw new Error('it is placed')
    const fills = outcome.fills.map((fill) => ({ ...fill, number: fill.number + 1_000 }))
    run.reports.push({ request, outcome: { ...outcome, fills }, index: index + 1_000 })
    // Said once, however many matchers report it.
    run.reports.push(run.reports.at(-1)!)
    expect(
      problemsOf(run).match(new RegExp(`trader-0/${request.number} has two different outcomes`, 'g')),
    ).toHaveLength(1)
  })

  test('a fill happened twice, or is missing', () => {
    const twice = goodRun()
    change(
      twice,
      (outcome) => outcome.fills.length > 1,
      (outcome) => ({
        ...outcome,
        fills: outcome.fills.map((fill) => ({ ...fill, number: outcome.fills[0]!.number })),
      }),
    )
    expect(problemsOf(twice)).toMatch(/fill \d+ happened twice\n/)
    expect(problemsOf(twice)).toMatch(/fills \d+ to \d+ are missing/)
  })

  test('fills at the end are missing', () => {
    const run = goodRun()
    const place = run.reports.findLastIndex(
      ({ outcome }) => outcome.status === 'placed' && outcome.fills.length > 0,
    )
    run.reports.splice(place)
    run.statements[0] = { ...run.statements[0]!, requests: place }
    expect(problemsOf(run)).toMatch(/matcher-0 has made \d+ fills, of which \d+ were reported/)
  })

  test('an outcome does not add up to what was ordered', () => {
    const run = goodRun()
    change(
      run,
      (outcome) => outcome.open > 0,
      (outcome) => ({ ...outcome, open: outcome.open + 1 }),
    )
    expect(problemsOf(run)).toMatch(/its outcome adds up to something else/)
  })

  test('more of an order traded than was ordered', () => {
    const run = goodRun()
    change(
      run,
      (outcome) => outcome.fills.length > 0,
      (outcome) => ({
        ...outcome,
        fills: outcome.fills.map((fill) => ({ ...fill, quantity: fill.quantity + 50 })),
      }),
    )
    expect(problemsOf(run)).toMatch(/is for \d+; \d+ traded/)
  })

  test('a fill has a price that its orders do not have, two orders of one side, or an order that nobody placed', () => {
    const prices = goodRun()
    change(
      prices,
      (outcome) => outcome.fills.length > 0,
      (outcome) => ({
        ...outcome,
        fills: outcome.fills.map((fill) => ({ ...fill, price: fill.price + 1 })),
      }),
    )
    expect(problemsOf(prices)).toMatch(/fill \d+ has a price that its orders do not have/)
    const sides = goodRun()
    change(
      sides,
      (outcome) => outcome.fills.length > 0,
      (outcome) => ({
        ...outcome,
        fills: outcome.fills.map((fill) => ({ ...fill, maker: fill.taker })),
      }),
    )
    expect(problemsOf(sides)).toMatch(/fill \d+ has two orders of one side/)
    const strangers = goodRun()
    change(
      strangers,
      (outcome) => outcome.fills.length > 0,
      (outcome) => ({
        ...outcome,
        fills: outcome.fills.map((fill) => ({ ...fill, maker: 'nobody/1' })),
      }),
    )
    expect(problemsOf(strangers)).toMatch(/fill \d+ is of an order that nobody placed/)
  })

  test('more was cancelled than was open, of an order or of one that nobody placed', () => {
    const run = goodRun()
    const place = run.reports.findIndex(({ outcome }) => outcome.status === 'cancelled')
    run.reports[place] = { ...run.reports[place]!, outcome: { status: 'cancelled', quantity: 51 } }
    expect(problemsOf(run)).toMatch(/and 51 were cancelled/)
    const { request } = run.reports[place]!
    if (request.type !== 'cancel') throw new Error('it is a cancel')
    run.reports[place] = { ...run.reports[place]!, request: { ...request, order: 9_999 } }
    expect(problemsOf(run)).toMatch(/has cancelled an order that nobody placed/)
  })

  test('traders had more acknowledged than there are outcomes for', () => {
    const run = goodRun()
    run.statements[0] = { ...run.statements[0]!, placed: run.statements[0]!.placed + 1 }
    expect(problemsOf(run)).toMatch(/traders had orders for \d+ acknowledged, and there are outcomes for \d+/)
  })

  test('a matcher has another book, a broken one, or has not shown one that is far enough', () => {
    const other = goodRun()
    const audit = other.audits[1]!
    other.audits[1] = { ...audit, audit: { ...audit.audit, digest: '0'.repeat(64) } }
    expect(problemsOf(other)).toBe('the books of the matchers differ')
    expect(ledgerOf(other).verdict(3).bookDigest).toBeUndefined()
    other.audits[1] = { ...audit, audit: { ...audit.audit, problems: ['crossed'] } }
    expect(problemsOf(other)).toBe('the book of matcher-1 breaks a rule: crossed')
    other.audits[1] = { ...audit, audit: { ...audit.audit, totals: { ...audit.audit.totals, open: 0 } } }
    expect(problemsOf(other)).toMatch(/^the book of matcher-1 adds up to /)
    other.audits[1] = { ...audit, index: audit.index - 1 }
    expect(problemsOf(other)).toBe('2 of 3 matchers have shown a book with everything in it')
    other.audits.pop()
    expect(problemsOf(other)).toBe('1 of 3 matchers have shown a book with everything in it')
  })

  test('requests were carried out in an earlier run', () => {
    const run = goodRun()
    run.reports[2] = { ...run.reports[2]!, outcome: { status: 'forgotten' } }
    expect(problemsOf(run)).toBe(
      'what came of 1 requests nobody knows any more: the reporter was started again, or the data folder is that of an earlier run',
    )
  })
})

test('of two audits of a matcher the further one counts, whichever comes first', () => {
  const run = goodRun()
  const early = { ...run.audits[0]!, index: 1, audit: { ...run.audits[0]!.audit, digest: '0'.repeat(64) } }
  expect(problemsOf({ ...run, audits: [early, ...run.audits] })).toBe('')
  expect(problemsOf({ ...run, audits: [...run.audits, early] })).toBe('')
})

test('property: progress is the length of what has come without gaps', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 60 }), (numbers) => {
      const progress = new Progress()
      const seen = new Set<number>()
      for (const number of numbers) {
        expect(progress.add(number)).toBe(!seen.has(number))
        seen.add(number)
        let upTo = 0
        while (seen.has(upTo + 1)) upTo++
        expect(progress.upTo).toBe(upTo)
      }
    }),
  )
})

type Placed = Extract<Outcome, { status: 'placed' }>

function placeOf(run: Run, fits: (outcome: Placed) => boolean): number {
  return run.reports.findIndex(({ outcome }) => outcome.status === 'placed' && fits(outcome))
}

/** Changes the first outcome of an order that fits. */
function change(run: Run, fits: (outcome: Placed) => boolean, how: (outcome: Placed) => Placed): void {
  const place = placeOf(run, fits)
  const report = run.reports[place]!
  run.reports[place] = { ...report, outcome: how(report.outcome as Placed) }
}
