import { CloseReasons, closeReason, type Host, type Link } from '#framework/network'
import {
  messageOf,
  shortId,
  type Clock,
  type Digest,
  type Logger,
  type PeerId,
  type TaskScope,
} from '#framework/primitives'
import { Alarm } from '../alarm.js'
import type { CatalogStore } from '../catalog-store.js'
import { KeyedLimiter } from '../keyed-limiter.js'
import type { DiscoveryMetrics } from '../metrics.js'
import { withContent } from '../signed-record.js'
import { FetchPlan, type FetchTask, type WantedContent } from './fetch-plan.js'
import { answerSchema, fetchProtocol, requestSchema, requestToWire } from './protocol.js'

/** How long one request may take, in milliseconds. */
const REQUEST_MS = 5_000

/** How long we keep somebody waiting for a content that we are fetching ourselves. Less than an opening may take. */
const ARRIVAL_MS = 1_500

/** How many are kept waiting at a time. */
const WAITING_MAX = 64

/**
 * How long to wait, in milliseconds, before fetching what an unknown peer says: most likely we have just come, and the
 * first catalog sync is about to bring it together with everything else.
 */
const UNKNOWN_DELAY_MS = 1_000

/** How many contents one peer may ask us for: a burst when much has changed, then eight a second. */
const INBOUND_RATE = { capacity: 64, perSecond: 8 }
const INBOUND_PEERS_MAX = 1024

export interface FetcherOptions {
  readonly host: Host
  readonly store: CatalogStore
  readonly scope: TaskScope
  readonly clock: Clock
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
  /** Told when a content could be had from nobody, so that only a catalog sync can bring it. */
  readonly onGivenUp: () => void
}

/** Fetches the contents of headers that came without, and hands them out to others. */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #plan = new FetchPlan()
  readonly #alarm: Alarm
  readonly #inboundRate = new KeyedLimiter(INBOUND_RATE, INBOUND_PEERS_MAX)
  /** Those who wait for a content to arrive here. */
  readonly #waiting = new Set<() => void>()

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock)
  }

  /** Serves others until the returned function is called. */
  serve(): () => void {
    return this.#options.host.handle(fetchProtocol, (link, accept) => this.#serve(link, accept))
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, scope } = this.#options
    for (;;) {
      await this.#alarm.wait(this.#plan.dueAtMs, signal)
      for (const task of this.#plan.start(clock.monotonic())) {
        scope.spawn('fetch', () => this.#run(task, signal))
      }
    }
  }

  /** A header has come without its content, and nobody has refused it. */
  want(wanted: WantedContent, source: PeerId): void {
    const { store, clock, metrics, onGivenUp } = this.#options
    const isKnown = store.state.records.has(wanted.header.peer)
    const hasRoom = this.#plan.want(wanted, source, isKnown ? 0 : UNKNOWN_DELAY_MS, clock.monotonic())
    if (hasRoom) return this.#alarm.ring()
    metrics.fetches.add(1, { direction: 'outbound', result: 'no_room' })
    onGivenUp()
  }

  async #run(task: FetchTask, signal: AbortSignal): Promise<void> {
    const { job, source } = task
    const { store, clock, metrics, logger, onGivenUp } = this.#options
    let isDone = !store.lacks(job.wanted.header)
    if (!isDone) {
      try {
        const content = await this.#request(source, job.wanted, signal)
        // The latest header that names this content: there may have been signs of life meanwhile.
        const { header, heardAtMs, via } = job.wanted
        const ageMs = Math.max(0, clock.monotonic() - heardAtMs)
        store.take(withContent(header, content), via, ageMs)
        isDone = true
        metrics.fetches.add(1, { direction: 'outbound', result: 'ok' })
      } catch (error) {
        logger.debug('a content could not be fetched', { from: shortId(source), error: messageOf(error) })
        metrics.fetches.add(1, { direction: 'outbound', result: 'failed' })
      }
    }
    if (!this.#plan.onEnd(task, isDone, clock.monotonic())) onGivenUp()
    for (const wake of this.#waiting) wake()
    this.#alarm.ring()
  }

  async #request(source: PeerId, { header }: WantedContent, signal: AbortSignal): Promise<Uint8Array> {
    const { host, clock } = this.#options
    using deadline = clock.deadline(REQUEST_MS, signal)
    const link = await host.open({ peer: source }, fetchProtocol, {
      payload: requestToWire(header.peer, header.contentDigest),
      signal: deadline.signal,
    })
    // The other side has said all it has to say.
    link.abort(CloseReasons.Success)
    return answerSchema.parse(link.acceptPayload).content
  }

  async #serve(link: Link, accept: (payload: unknown) => Promise<void>): Promise<void> {
    const { clock, metrics } = this.#options
    const request = requestSchema.safeParse(link.openPayload)
    if (!request.success) {
      return link.close(closeReason(CloseReasons.ProtocolViolation, 'not a request for a content'))
    }
    if (!this.#inboundRate.tryTake(link.peer, clock.monotonic())) {
      metrics.fetches.add(1, { direction: 'inbound', result: 'rate' })
      return link.close(CloseReasons.TooManyRequests)
    }
    const { peer, content: digest } = request.data
    const content = await this.#arrival(peer, digest)
    metrics.fetches.add(1, { direction: 'inbound', result: content ? 'ok' : 'not_found' })
    if (!content) return link.close(CloseReasons.NotFound)
    await accept({ content })
    await link.close(CloseReasons.Success)
  }

  /** The content, when we have it or get it soon. */
  async #arrival(peer: PeerId, digest: Digest): Promise<Uint8Array | undefined> {
    const { store, clock, scope } = this.#options
    const held = store.contentOf(peer, digest)
    if (held || !this.#plan.wants(peer, digest) || this.#waiting.size >= WAITING_MAX) return held
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => {
      if (!this.#plan.wants(peer, digest)) resolve()
    }
    const timer = clock.after(ARRIVAL_MS, resolve)
    const { signal } = scope
    const onAbort = (): void => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiting.add(wake)
    await promise
    this.#waiting.delete(wake)
    signal.removeEventListener('abort', onAbort)
    timer.cancel()
    return store.contentOf(peer, digest)
  }
}
