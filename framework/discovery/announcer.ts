import type { GossipTopic } from '#framework/network'
import { messageOf, nextTurn, type Clock, type Logger, type PeerId, type Random } from '#framework/primitives'
import { Alarm } from './alarm.js'
import { encodeNews, encodePassedOn, encodeSignOfLife } from './announcement.js'
import type { AnnouncePolicy } from './announce-policy.js'
import type { CatalogStore, ReceivedRecord } from './catalog-store.js'
import type { DiscoveryMetrics } from './metrics.js'
import type { DepartureRecord, SignedRecord } from './signed-record.js'

/**
 * How many records that a sync has brought are gossiped on. When two parts of a network meet, those beyond this bound
 * become known to all with their next sign of life.
 */
const SPREAD_MAX = 32

export interface AnnouncerOptions {
  readonly topic: GossipTopic
  readonly policy: AnnouncePolicy
  readonly store: CatalogStore
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
}

/** Tells the network by gossip what this node says about itself, when the policy says so. */
export class Announcer {
  readonly #topic: GossipTopic
  readonly #policy: AnnouncePolicy
  readonly #store: CatalogStore
  readonly #clock: Clock
  readonly #random: Random
  readonly #metrics: DiscoveryMetrics
  readonly #logger: Logger
  readonly #alarm: Alarm

  constructor(options: AnnouncerOptions) {
    this.#topic = options.topic
    this.#policy = options.policy
    this.#store = options.store
    this.#clock = options.clock
    this.#random = options.random
    this.#metrics = options.metrics
    this.#logger = options.logger
    this.#alarm = new Alarm(options.clock)
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    using _changes = this.#follow()
    for (;;) {
      await this.#alarm.wait(this.#policy.dueAtMs, signal)
      // What one turn of the event loop has changed is one announcement.
      await nextTurn()
      const due = this.#policy.tryAnnounce(this.#clock.monotonic(), this.#store.catalog.value.size)
      if (due) await this.#announce(due)
    }
  }

  /** Says goodbye; whoever hears it passes it on. */
  async depart(record: DepartureRecord & SignedRecord): Promise<void> {
    if (await this.#publish(encodeNews(record))) this.#metrics.announcements.add(1, { kind: 'departure' })
  }

  /** Passes on records that reached us by other ways than gossip, and that others may therefore lack. */
  async spread(records: readonly ReceivedRecord[]): Promise<void> {
    for (const { record, ageMs } of records.slice(0, SPREAD_MAX)) {
      await this.#publish(encodePassedOn(record, ageMs, this.#random))
    }
  }

  async #announce(what: 'news' | 'sign-of-life'): Promise<void> {
    // Always a new record: gossip suppresses bytes that it has seen before, also for neighbours that have just come.
    const record = this.#store.beat()
    const message = what === 'news' ? encodeNews(record) : encodeSignOfLife(record)
    if (await this.#publish(message)) this.#metrics.announcements.add(1, { kind: 'entry' })
    else this.#policy.onFailure(this.#clock.monotonic())
  }

  /** Whether anybody was reached. */
  async #publish(message: Uint8Array): Promise<boolean> {
    try {
      const { recipients } = await this.#topic.publish(message)
      return recipients > 0
    } catch (error) {
      this.#logger.debug('a record could not be gossiped', { error: messageOf(error) })
      return false
    }
  }

  #follow(): Disposable {
    const { neighbours } = this.#topic
    let known: ReadonlySet<PeerId> = new Set()
    const onNeighbours = (current: ReadonlySet<PeerId>): void => {
      const appeared = [...current].some((peer) => !known.has(peer))
      known = current
      this.#policy.onNeighbours(current.size, appeared, this.#clock.monotonic())
      this.#alarm.ring()
    }
    const unsubscribers = [
      neighbours.subscribe(onNeighbours),
      this.#store.onOwnChange(() => {
        this.#policy.onChange(this.#clock.monotonic())
        this.#alarm.ring()
      }),
    ]
    onNeighbours(neighbours.value)
    return { [Symbol.dispose]: () => unsubscribers.forEach((unsubscribe) => unsubscribe()) }
  }
}
