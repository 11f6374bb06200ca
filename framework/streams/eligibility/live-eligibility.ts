import { ExpiryAlarm, type Expiration, type PeerEntry } from '#framework/discovery'
import type { PeerId } from '#framework/primitives'
import {
  Eligibility,
  everybody,
  isAnythingRequired,
  type Ineligible,
  type Judgement,
  type Requirements,
} from './eligibility.js'
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
export interface LiveEligibility extends Disposable {
  /** How often a predicate or validator has failed. */
  readonly errorCount: number
  /** As {@link Eligibility.judge}. */
  judge(entry: PeerEntry): Judgement
  /** As {@link Eligibility.reconsider}. */
  reconsider(entry: PeerEntry): Judgement
  /** The peers at the other end now, by their current entries: they are judged again when their tickets expire. */
  follow(ends: Iterable<{ readonly entry: PeerEntry }>): void
  /** A subscription was ended because the peer does not qualify any more. */
  onLeft(judgement: Ineligible): void
  /** There will be no more news. */
  [Symbol.dispose](): void
}

/** Where nothing is required, all have the same: a node may have thousands of consumers that take from everybody. */
export function liveEligibility(options: LiveEligibilityOptions): LiveEligibility {
  return isAnythingRequired(options.requirements) ? new RequiredEligibility(options) : unconditional
}

const unconditional: LiveEligibility = {
  errorCount: 0,
  judge: () => everybody,
  reconsider: () => everybody,
  follow: () => {},
  onLeft: () => {},
  [Symbol.dispose]: () => {},
}

class RequiredEligibility implements LiveEligibility {
  readonly #options: LiveEligibilityOptions
  readonly #eligibility: Eligibility
  /** Undefined when nothing can expire. */
  readonly #alarm: ExpiryAlarm | undefined
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
    const { dependsOnRtt, dependsOnTickets, maxRttMs } = this.#eligibility
    if (dependsOnTickets) this.#alarm = new ExpiryAlarm(clock, () => this.#onExpiry())
    if (dependsOnRtt) {
      this.#unsubscribe = host.rtt.subscribe((peer) => this.#onRtt(peer), { thresholdsMs: [maxRttMs] })
    }
  }

  get errorCount(): number {
    return this.#eligibility.errorCount
  }

  judge(entry: PeerEntry): Judgement {
    return this.#eligibility.judge(entry)
  }

  reconsider(entry: PeerEntry): Judgement {
    return this.#eligibility.reconsider(entry)
  }

  follow(ends: Iterable<{ readonly entry: PeerEntry }>): void {
    // Who changes often and has no tickets to look at is not to pay for those who have.
    if (this.#alarm === undefined) return
    this.#followEntries(Array.from(ends, ({ entry }) => entry))
  }

  onLeft(judgement: Ineligible): void {
    const { context, where } = this.#options
    if (judgement.cause === 'ticket') context.metrics.ticketDisconnected(where, judgement.problem)
  }

  [Symbol.dispose](): void {
    this.#unsubscribe?.()
    this.#alarm?.cancel()
  }

  #onRtt(peer: PeerId): void {
    const entry = this.#options.context.discovery.catalog.value.get(peer)
    if (entry === undefined) return
    this.reconsider(entry)
    this.#options.onNews(entry)
  }

  #onExpiry(): void {
    const followed = this.#followed
    const expired = followed.filter((entry) => !this.judge(entry).isEligible)
    for (const entry of expired) {
      // What came of one may be that another is not followed any more, or that its ticket was renewed.
      if (this.#followed.includes(entry)) this.#options.onNews(entry)
    }
    // Unless the news has made others follow already.
    if (this.#followed === followed) this.#followEntries(followed)
  }

  #followEntries(entries: readonly PeerEntry[]): void {
    this.#followed = entries
    this.#alarm?.set(entries.map((entry) => untilOf(this.judge(entry))))
  }
}

/** Who does not qualify is about to be left, and has no ticket that could expire. */
function untilOf(judgement: Judgement): Expiration {
  return judgement.isEligible ? judgement.until : 'never'
}
