import { ExpiryAlarm, type Expiration, type PeerEntry } from '#framework/discovery'
import type { PeerId } from '#framework/primitives'
import { Eligibility, type Ineligible, type Judgement, type Requirements } from './eligibility.js'
import type { StreamsContext } from '../streams-context.js'

export interface LiveEligibilityOptions {
  readonly requirements: Requirements
  /** Which end this is. */
  readonly where: 'producer' | 'consumer'
  /** How to call it in the log. */
  readonly what: string
  readonly context: StreamsContext
  /** Something other than its entry has changed about a peer: its round trip, or that a ticket of it has expired. */
  readonly onNews: (entry: PeerEntry) => void
}

/** An {@link Eligibility} that says when to judge again a peer whose entry has not changed. */
export class LiveEligibility implements Disposable {
  readonly #options: LiveEligibilityOptions
  readonly #eligibility: Eligibility
  readonly #alarm: ExpiryAlarm
  readonly #unsubscribe: (() => void) | undefined
  #followed: readonly PeerEntry[] = []

  constructor(options: LiveEligibilityOptions) {
    const { requirements, what, context } = options
    const { host, clock, logger } = context
    this.#options = options
    this.#eligibility = new Eligibility({
      requirements,
      what,
      // This node is no distance away from itself.
      rttMs: (peer) => (peer === host.peerId ? 0 : host.rtt.ms(peer)),
      now: () => clock.now(),
      logger,
    })
    this.#alarm = new ExpiryAlarm(clock, () => this.#onExpiry())
    const { dependsOnRtt, maxRttMs } = this.#eligibility
    if (dependsOnRtt) {
      this.#unsubscribe = host.rtt.subscribe((peer) => this.#onRtt(peer), { thresholdsMs: [maxRttMs] })
    }
  }

  /** How often a predicate or validator has failed. */
  get errorCount(): number {
    return this.#eligibility.errorCount
  }

  /** As {@link Eligibility.judge}. */
  readonly judge = (entry: PeerEntry): Judgement => this.#eligibility.judge(entry)

  /** As {@link Eligibility.reconsider}. */
  readonly reconsider = (entry: PeerEntry): Judgement => this.#eligibility.reconsider(entry)

  /** The peers at the other end now, by their current entries: they are judged again when their tickets expire. */
  follow(entries: readonly PeerEntry[]): void {
    this.#followed = entries
    this.#alarm.set(entries.map((entry) => untilOf(this.#eligibility.judge(entry))))
  }

  /** A subscription was ended because the peer does not qualify any more. */
  onLeft(judgement: Ineligible): void {
    const { context, where } = this.#options
    if (judgement.cause === 'ticket') context.metrics.ticketDisconnected(where, judgement.problem)
  }

  /** There will be no more news. */
  [Symbol.dispose](): void {
    this.#unsubscribe?.()
    this.#alarm.cancel()
  }

  #onRtt(peer: PeerId): void {
    const entry = this.#options.context.discovery.catalog.value.get(peer)
    if (entry === undefined) return
    this.#eligibility.reconsider(entry)
    this.#options.onNews(entry)
  }

  #onExpiry(): void {
    const followed = this.#followed
    const expired = followed.filter((entry) => !this.#eligibility.judge(entry).isEligible)
    for (const entry of expired) {
      // What came of one may be that another is not followed any more, or that its ticket was renewed.
      if (this.#followed.includes(entry)) this.#options.onNews(entry)
    }
    // Unless the news has made others follow already.
    if (this.#followed === followed) this.follow(followed)
  }
}

/** Who does not qualify is about to be left, and has no ticket that could expire. */
function untilOf(judgement: Judgement): Expiration {
  return judgement.isEligible ? judgement.until : 'never'
}
