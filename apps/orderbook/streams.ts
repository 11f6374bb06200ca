// The five streams of the network: what its nodes say to each other.
import { stream } from 'mosaik'
import { z } from 'zod'
import { audit } from './book/questions.js'
import { outcome, request } from './orders.js'

const count = z.int().min(0)

const report = z.object({
  request,
  outcome,
  /** The application index of the command that was answered so. */
  index: count,
})

/** The reporter knows the outcomes of all requests of the trader up to this number. */
const receipt = z.object({ trader: z.string(), upTo: count })

/** What a trader has had acknowledged when it is done. */
const statement = z.object({
  trader: z.string(),
  /** Each of its requests from 1 to this has an outcome. */
  requests: count,
  /** What its orders were for, in all. */
  placed: count,
  /** The highest application index it has heard of: a book that is as far has all of its requests. */
  index: count,
})

const auditReport = z.object({
  matcher: z.string(),
  /** How far the matcher's book was. */
  index: count,
  audit,
})

export type Report = z.infer<typeof report>
export type Receipt = z.infer<typeof receipt>
export type Statement = z.infer<typeof statement>
export type AuditReport = z.infer<typeof auditReport>

/**
 * From traders to matchers. A matcher that is too slow, or gone, holds nobody up: what it misses others have got, and what
 * nobody has got is sent again by the trader.
 */
export const Requests = stream('orderbook.request', request, { producer: { overflow: 'drop-oldest' } })

/** From matchers to traders and to the reporter, who get again what they had not acknowledged. */
export const Reports = stream('orderbook.report', report, { producer: { ack: true } })

/** From the reporter to traders. Each says everything, so that the last one is enough. */
export const Receipts = stream('orderbook.receipt', receipt, { producer: { overflow: 'drop-oldest' } })

/** From traders to the reporter and to matchers, one for each trader; also for who comes later. */
export const Statements = stream('orderbook.statement', statement, { producer: { replay: { last: 1 } } })

/** From matchers to the reporter, for each statement. */
export const Audits = stream('orderbook.audit', auditReport, { producer: { replay: { last: 64 } } })
