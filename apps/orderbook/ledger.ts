import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Totals } from './book/questions.js'
import { orderIdOf, type Fill, type LimitOrder, type Outcome, type Request } from './orders.js'
import { Progress } from './progress.js'
import type { AuditReport, Report, Statement } from './streams.js'

/** More requests than this are not audited. */
const requestCountMax = 1_000_000
/** Statements of more traders, and audits of more matchers, are not looked at. */
const sourceCountMax = 64
/** Of one kind, more say nothing more. */
const problemCountMax = 10

/** What came of one order, put together from all outcomes. */
interface OrderAccount {
  readonly order: LimitOrder
  /** On either side of a trade. */
  traded: number
  cancelled: number
}

/** What the audit of a run has come to. */
export interface Verdict {
  /** What is wrong; empty when nothing is. */
  readonly problems: readonly string[]
  readonly requestCount: number
  readonly fillCount: number
  /** SHA-256 of all fills in order: the same whenever the same orders met in the same way. */
  readonly fillsDigest: string
  /** Of the matchers' books, when they agree. */
  readonly bookDigest: string | undefined
}

/**
 * Keeps what matchers report, without believing any of it, and holds it against what traders say was acknowledged and
 * against what the books of the matchers have come to.
 */
export class Ledger {
  readonly #traders = new Map<string, Progress>()
  readonly #reports = new Map<string, { readonly request: Request; readonly outcome: Outcome }>()
  readonly #statements = new Map<string, Statement>()
  /** The furthest of each matcher. */
  readonly #audits = new Map<string, AuditReport>()
  readonly #contradictions = new Set<string>()

  /** Takes a report in. One that comes again must say the same. */
  add({ request, outcome }: Report): void {
    // What a request was told before its turn says nothing about what came of it.
    if (outcome.status === 'refused') return
    const id = orderIdOf(request)
    const known = this.#reports.get(id)
    if (known === undefined) {
      if (this.#reports.size >= requestCountMax)
        return this.#contradict('there are too many requests to audit')
      this.#reports.set(id, { request, outcome })
      this.#progressOf(request.trader).add(request.number)
    } else if (outcome.status !== 'forgotten' && !isDeepStrictEqual(known, { request, outcome }))
      this.#contradict(`${id} has two different outcomes`)
  }

  /** All requests of the trader up to this number are here. */
  upTo(trader: string): number {
    return this.#traders.get(trader)?.upTo ?? 0
  }

  addStatement(statement: Statement): void {
    if (this.#statements.size < sourceCountMax) this.#statements.set(statement.trader, statement)
  }

  addAudit(audit: AuditReport): void {
    const known = this.#audits.get(audit.matcher)
    if (known === undefined ? this.#audits.size < sourceCountMax : known.index <= audit.index)
      this.#audits.set(audit.matcher, audit)
  }

  /** How many traders are done. */
  get statementCount(): number {
    return this.#statements.size
  }

  /** How many matchers have shown a book with everything that was acknowledged in it. */
  get auditCount(): number {
    const index = Math.max(0, ...[...this.#statements.values()].map((statement) => statement.index))
    return [...this.#audits.values()].filter((audit) => audit.index >= index).length
  }

  /** Judges the run, with as many matchers as there should be. */
  verdict(matcherCount: number): Verdict {
    const fills = this.#fills()
    const books = new Set([...this.#audits.values()].map(({ audit }) => audit.digest))
    return {
      problems: [...this.#contradictions, ...this.#problems(fills, matcherCount)],
      requestCount: this.#reports.size,
      fillCount: fills.length,
      fillsDigest: digestOf(fills),
      bookDigest: books.size === 1 ? [...books][0] : undefined,
    }
  }

  #problems(fills: readonly Fill[], matcherCount: number): string[] {
    const forgotten = [...this.#reports.values()].filter(({ outcome }) => outcome.status === 'forgotten')
    // Then whatever else there is follows from it.
    if (forgotten.length > 0)
      return [
        `what came of ${forgotten.length} requests nobody knows any more: the reporter was started again, or the data folder is that of an earlier run`,
      ]
    const { accounts, problems } = this.#accounts(fills)
    return [
      ...some(this.#lost()),
      ...some(duplicates(fills)),
      ...some(problems),
      ...some(this.#bookProblems(accounts, fills.length, matcherCount)),
    ]
  }

  #progressOf(trader: string): Progress {
    let progress = this.#traders.get(trader)
    if (progress === undefined) {
      progress = new Progress()
      this.#traders.set(trader, progress)
    }
    return progress
  }

  #contradict(problem: string): void {
    if (this.#contradictions.size < problemCountMax) this.#contradictions.add(problem)
  }

  /** In the order in which they happened. */
  #fills(): Fill[] {
    const fills: Fill[] = []
    for (const { outcome } of this.#reports.values())
      if (outcome.status === 'placed') fills.push(...outcome.fills)
    return fills.sort((a, b) => a.number - b.number)
  }

  /** Every acknowledged request has an outcome. */
  *#lost(): Iterable<string> {
    for (const { trader, requests } of this.#statements.values()) {
      for (let number = 1; number <= requests; number++) {
        const id = orderIdOf({ trader, number })
        if (!this.#reports.has(id)) yield `${id} was acknowledged and is lost`
      }
    }
  }

  /** Follows every order through all outcomes, in the order of the fills and of the numbers of each trader. */
  #accounts(fills: readonly Fill[]): { accounts: ReadonlyMap<string, OrderAccount>; problems: string[] } {
    const problems: string[] = []
    const accounts = new Map<string, OrderAccount>()
    for (const [id, { request, outcome }] of this.#reports) {
      if (request.type !== 'limit' || outcome.status !== 'placed') continue
      accounts.set(id, { order: request, traded: 0, cancelled: outcome.cancelled })
      const traded = outcome.fills.reduce((sum, { quantity }) => sum + quantity, 0)
      if (traded + outcome.open + outcome.cancelled !== request.quantity)
        problems.push(`${id} is for ${request.quantity}, and its outcome adds up to something else`)
    }
    for (const fill of fills) problems.push(...settle(fill, accounts))
    for (const { request, outcome } of this.#reports.values()) {
      if (request.type !== 'cancel' || outcome.status !== 'cancelled') continue
      const account = accounts.get(orderIdOf({ trader: request.trader, number: request.order }))
      if (account === undefined)
        problems.push(`${orderIdOf(request)} has cancelled an order that nobody placed`)
      else account.cancelled += outcome.quantity
    }
    for (const [id, { order, traded, cancelled }] of accounts) {
      if (traded + cancelled > order.quantity)
        problems.push(`${id} is for ${order.quantity}; ${traded} traded and ${cancelled} were cancelled`)
    }
    return { accounts, problems }
  }

  *#bookProblems(
    accounts: ReadonlyMap<string, OrderAccount>,
    fillCount: number,
    matcherCount: number,
  ): Iterable<string> {
    const totals = totalsOf(accounts)
    const placed = [...this.#statements.values()].reduce((sum, statement) => sum + statement.placed, 0)
    if (placed !== totals.placed)
      yield `traders had orders for ${placed} acknowledged, and there are outcomes for ${totals.placed}`
    if (this.auditCount < matcherCount)
      yield `${this.auditCount} of ${matcherCount} matchers have shown a book with everything in it`
    const digests = new Set<string>()
    for (const { matcher, audit } of this.#audits.values()) {
      digests.add(audit.digest)
      for (const problem of audit.problems) yield `the book of ${matcher} breaks a rule: ${problem}`
      if (audit.fills !== fillCount)
        yield `${matcher} has made ${audit.fills} fills, of which ${fillCount} were reported`
      if (!isDeepStrictEqual(audit.totals, totals))
        yield `the book of ${matcher} adds up to ${JSON.stringify(audit.totals)}, and the reports to ${JSON.stringify(totals)}`
    }
    if (digests.size > 1) yield 'the books of the matchers differ'
  }
}

/** Fills count from 1, each happens once. */
function* duplicates(fills: readonly Fill[]): Iterable<string> {
  let last = 0
  for (const { number } of fills) {
    if (number === last) yield `fill ${number} happened twice`
    else if (number !== last + 1) yield `fills ${last + 1} to ${number - 1} are missing`
    last = number
  }
}

/** Books a fill on both orders, which must have wanted it. */
function* settle(fill: Fill, accounts: ReadonlyMap<string, OrderAccount>): Iterable<string> {
  const [maker, taker] = [accounts.get(fill.maker), accounts.get(fill.taker)]
  if (maker === undefined || taker === undefined)
    return yield `fill ${fill.number} is of an order that nobody placed`
  maker.traded += fill.quantity
  taker.traded += fill.quantity
  const [buy, sell] = maker.order.side === 'buy' ? [maker.order, taker.order] : [taker.order, maker.order]
  if (buy.side !== 'buy' || sell.side !== 'sell') yield `fill ${fill.number} has two orders of one side`
  if (fill.price !== maker.order.price || fill.price > buy.price || fill.price < sell.price)
    yield `fill ${fill.number} has a price that its orders do not have`
}

function totalsOf(accounts: ReadonlyMap<string, OrderAccount>): Totals {
  const totals = { placed: 0, traded: 0, open: 0, cancelled: 0 }
  for (const { order, traded, cancelled } of accounts.values()) {
    totals.placed += order.quantity
    totals.traded += traded
    totals.cancelled += cancelled
    totals.open += order.quantity - traded - cancelled
  }
  return totals
}

function digestOf(fills: readonly Fill[]): string {
  const hash = createHash('sha256')
  for (const { number, price, quantity, maker, taker } of fills)
    hash.update(`${number} ${price} ${quantity} ${maker} ${taker}\n`)
  return hash.digest('hex')
}

function some(problems: Iterable<string>): string[] {
  const first: string[] = []
  for (const problem of problems) {
    first.push(problem)
    if (first.length === problemCountMax) break
  }
  return first
}
