import { EventEmitter, once } from 'node:events'
import { Config, Consumer, Producer, Service, type ServiceContext } from 'mosaik'
import { z } from 'zod'
import { Ledger, type Verdict } from './ledger.js'
import {
  Audits,
  Receipts,
  Reports,
  Statements,
  type AuditReport,
  type Receipt,
  type Report,
  type Statement,
} from './streams.js'

const config = z.object({
  traders: z.int().min(1).default(1),
  matchers: z.int().min(1).default(3),
  /** Milliseconds that the matchers have to show their books when the traders are done. */
  auditMs: z.int().min(1).default(60_000),
})

/** Collects what comes of every request, and judges the run when all traders are done. */
@Service({ tags: ['reporter'] })
export class Reporter {
  @Config(config) readonly config!: z.infer<typeof config>
  @Producer(Receipts) readonly receipts!: Producer<Receipt>

  readonly #ledger = new Ledger()
  readonly #changes = new EventEmitter()

  async onStart(context: ServiceContext): Promise<void> {
    const { signal } = context
    const { traders, matchers, auditMs } = this.config
    await this.#until(() => this.#ledger.statementCount >= traders, signal)
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(auditMs)])
    await this.#until(() => this.#ledger.auditCount >= matchers, deadline)
    if (signal.aborted) return
    const verdict = this.#ledger.verdict(matchers)
    for (const line of linesOf(verdict, matchers)) console.log(line)
    context.finish(verdict.problems.length === 0 ? undefined : 'the audit has found what is said above')
  }

  @Consumer(Reports)
  async onReport(report: Report): Promise<void> {
    const { trader } = report.request
    this.#ledger.add(report)
    // A trader that is not there asks again when it is.
    if (this.receipts.online) await this.receipts.send({ trader, upTo: this.#ledger.upTo(trader) })
  }

  @Consumer(Statements)
  onStatement(statement: Statement): void {
    this.#ledger.addStatement(statement)
    this.#changes.emit('changed')
  }

  @Consumer(Audits)
  onAudit(audit: AuditReport): void {
    this.#ledger.addAudit(audit)
    this.#changes.emit('changed')
  }

  /** Resolves when it is so, or the signal has aborted. */
  async #until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isSo() && !signal.aborted) await once(this.#changes, 'changed', { signal }).catch(() => undefined)
  }
}

function linesOf(verdict: Verdict, matcherCount: number): string[] {
  const { problems, requestCount, fillCount, fillsDigest, bookDigest } = verdict
  if (problems.length > 0) return ['NOT AS IT MUST BE', ...problems.map((problem) => `  ${problem}`)]
  return [
    `${requestCount} requests were acknowledged: none is lost, none happened twice`,
    `${fillCount} fills (${fillsDigest.slice(0, 16)}): whatever was ordered has traded, is open or was cancelled`,
    `${matcherCount} matchers hold the same book (${bookDigest?.slice(0, 16)})`,
  ]
}
