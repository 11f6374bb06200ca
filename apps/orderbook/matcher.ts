import { Consumer, Group, GroupError, Producer, Service, type ServiceContext } from 'mosaik'
import { OrderBook } from './book/order-book.js'
// What decorators say of a method's parameters names their types, and `Request` is a global of Node's, which loads all of fetch.
import type { Request as OrderRequest } from './orders.js'
import {
  Audits,
  Reports,
  Requests,
  Statements,
  type AuditReport,
  type Report,
  type Statement,
} from './streams.js'

/** How long a book may take to have everything in it that a trader has had acknowledged. */
const auditDeadlineMs = 60_000

/**
 * One of several that hold the same order book. Every matcher submits every request that it hears of: whichever is first
 * has it carried out, and the others are told what came of it. So no request waits for a matcher that is gone.
 */
@Service({ tags: ['matcher'] })
export class Matcher {
  @Group('book', { machine: OrderBook, voters: 3 }) readonly book!: Group<OrderBook>
  @Producer(Reports) readonly reports!: Producer<Report>
  @Producer(Audits) readonly audits!: Producer<AuditReport>

  #context!: ServiceContext

  onStart(context: ServiceContext): void {
    this.#context = context
    context.log.info(`process ${process.pid}: kill -9 it, and nothing is lost`)
  }

  // Commands of one handle are carried out in the order of the calls, so calls may overlap.
  @Consumer(Requests, { concurrency: 64 })
  async onRequest(request: OrderRequest): Promise<void> {
    const { signal, log } = this.#context
    try {
      const { index, result } = await this.book.execute(request, { signal })
      await this.reports.send({ request, outcome: result, index }, { signal })
    } catch (error) {
      if (!(error instanceof GroupError)) throw error
      if (signal.aborted) return
      // Whether it has happened or not, the trader submits it again, and it happens once.
      log.warn(`request ${request.number} of ${request.trader}: ${error.message}`)
    }
  }

  @Consumer(Statements)
  async onStatement({ index: minIndex }: Statement): Promise<void> {
    const { signal, node } = this.#context
    const { answer, index } = await this.book.query(
      { type: 'audit' },
      // Its own book, not the leader's: whether they agree is the question.
      { consistency: 'local', minIndex, deadlineMs: auditDeadlineMs, signal },
    )
    if (answer.type !== 'audit') return
    await this.audits.send({ matcher: `${node.name}-${node.replica}`, index, audit: answer }, { signal })
  }
}
