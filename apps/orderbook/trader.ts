import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Config, Consumer, Producer, Service, type ServiceContext } from 'mosaik'
import { z } from 'zod'
import { outcomeCountMax } from './book/numbering.js'
import { requestsOf } from './feed.js'
import type { Request } from './orders.js'
import { Progress } from './progress.js'
import {
  Receipts,
  Reports,
  Requests,
  Statements,
  type Receipt,
  type Report,
  type Statement,
} from './streams.js'

const config = z.object({
  /** What the market does is made of it. */
  seed: z.coerce.string().default('1'),
  requests: z.int().min(1).max(100_000).default(2_000),
  /** How many requests may be without answer: the book remembers the outcomes of so many. */
  lot: z.int().min(1).max(outcomeCountMax).default(20),
  /** Milliseconds between two lots. */
  pauseMs: z.int().min(0).default(100),
  /** Milliseconds until what has no answer is sent again. */
  resendMs: z.int().min(10).default(1_000),
})

/**
 * Plays its part of the feed: a lot of requests at a time, and the next one when the outcomes of all are known here and to
 * the reporter. Until then it sends again what has no outcome; the number of a request keeps it from happening twice.
 */
@Service({ tags: ['trader'] })
export class Trader {
  @Config(config) readonly config!: z.infer<typeof config>
  @Producer(Requests) readonly requests!: Producer<Request>
  @Producer(Statements) readonly statements!: Producer<Statement>

  readonly #changes = new EventEmitter()
  readonly #heard = new Progress()
  #name = ''
  #reporterHas = 0
  #placed = 0
  #index = 0

  async onStart(context: ServiceContext): Promise<void> {
    const { signal, node, log } = context
    const { seed, requests, lot: size, pauseMs } = this.config
    this.#name = `${node.name}-${node.replica}`
    const feed = [...requestsOf(this.#name, seed, requests)]
    for (let end = size; end < feed.length + size; end += size) {
      await this.#carryOut(feed.slice(0, end), signal)
      context.display(`${this.#settled} of ${requests} requests are acknowledged`)
      await sleep(pauseMs, undefined, { signal })
    }
    await this.statements.send(
      { trader: this.#name, requests, placed: this.#placed, index: this.#index },
      { signal },
    )
    log.info(`all ${requests} requests are acknowledged`)
  }

  @Consumer(Reports)
  onReport({ request, outcome, index }: Report): void {
    if (request.trader !== this.#name || outcome.status === 'refused') return
    if (!this.#heard.add(request.number)) return
    if (request.type === 'limit') this.#placed += request.quantity
    this.#index = Math.max(this.#index, index)
    this.#changes.emit('changed')
  }

  @Consumer(Receipts)
  onReceipt({ trader, upTo }: Receipt): void {
    if (trader !== this.#name) return
    this.#reporterHas = upTo
    this.#changes.emit('changed')
  }

  /** Up to here, all requests have outcomes that are known at both ends. */
  get #settled(): number {
    return Math.min(this.#heard.upTo, this.#reporterHas)
  }

  /** Sends what has no outcome at either end: the newest lot, and all of them when the reporter begins anew. */
  async #carryOut(requests: readonly Request[], signal: AbortSignal): Promise<void> {
    while (this.#settled < requests.length) {
      for (const request of requests.slice(this.#settled)) await this.requests.send(request, { signal })
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.config.resendMs)])
      await this.#settledUpTo(requests.length, deadline)
      signal.throwIfAborted()
    }
  }

  /** Resolves when it is so, or the signal has aborted. */
  async #settledUpTo(number: number, signal: AbortSignal): Promise<void> {
    while (this.#settled < number && !signal.aborted)
      await once(this.#changes, 'changed', { signal }).catch(() => undefined)
  }
}
