import type { Host } from '#framework/network'
import {
  MosaikError,
  type Clock,
  type EventHub,
  type Logger,
  type Random,
  type TaskScope,
} from '#framework/primitives'
import type { CatalogStore } from '../catalog-store.js'
import type { DiscoveryEvent } from '../events.js'
import type { DiscoveryMetrics } from '../metrics.js'
import type { Preference } from './preference.js'
import { ProbePlan, type Wanted } from './probe-plan.js'
import { Prober } from './prober.js'
import { rank, type RankOptions } from './rank.js'
import { Ranking, type RankingOptions } from './ranking.js'
import type { RankingResult } from './result.js'

/** How many rankings may follow the catalog at a time. */
const RANKINGS_MAX = 256

export interface RankingsOptions {
  readonly host: Host
  readonly store: CatalogStore
  readonly events: EventHub<DiscoveryEvent>
  readonly maxRttMs: number
  readonly meshPeers: number
  readonly scope: TaskScope
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
}

/** The rankings of one node, and the measuring that they need. */
export class Rankings {
  readonly #options: RankingsOptions
  readonly #open = new Set<Ranking>()
  readonly #prober: Prober

  constructor(options: RankingsOptions) {
    const { host, scope, clock, random, metrics, logger, meshPeers } = options
    this.#options = options
    const plan = new ProbePlan(random, clock.monotonic())
    const wanted = (): Iterable<Wanted> => this.#wanted()
    this.#prober = new Prober({ host, plan, scope, wanted, meshPeers, clock, metrics, logger })
  }

  /** How many rankings follow the catalog. */
  get size(): number {
    return this.#open.size
  }

  /** Ranks once, without anything before. */
  rank(preference: Preference, options: RankOptions): RankingResult {
    const { host, store, maxRttMs, clock } = this.#options
    return rank({
      catalog: store.catalog.value,
      preference,
      ...options,
      rttMs: (peer) => host.rttMs(peer),
      maxRttMs,
      nowMs: clock.monotonic(),
    }).result
  }

  /** @throws MosaikError `RANKINGS_TOO_MANY`. */
  open(preference: Preference, options: RankingOptions): Ranking {
    if (this.#open.size >= RANKINGS_MAX) {
      throw new MosaikError(
        'RANKINGS_TOO_MANY',
        `${RANKINGS_MAX} rankings are open: close some, or share them`,
        {
          details: { max: RANKINGS_MAX },
        },
      )
    }
    const { host, store, maxRttMs, clock, metrics } = this.#options
    const { candidates } = options
    const ranking = new Ranking({
      catalog: store.catalog,
      rtt: host.rtt,
      preference,
      ...options,
      ...(candidates !== undefined && typeof candidates !== 'function' && { candidates: [...candidates] }),
      maxRttMs,
      clock,
      onRanked: (choiceChanged) => {
        if (choiceChanged) metrics.rankingChanges.add()
        this.#prober.ring()
      },
      onClosed: (closed) => void this.#open.delete(closed),
    })
    this.#open.add(ranking)
    this.#prober.ring()
    return ranking
  }

  /** Measures what is asked about. Runs until the signal aborts. */
  async measure(signal: AbortSignal): Promise<void> {
    const { store, maxRttMs } = this.#options
    // A limit concerns every peer, whether anybody ranks them or not.
    const unsubscribe = maxRttMs < Infinity ? store.catalog.subscribe(() => this.#prober.ring()) : undefined
    try {
      await this.#prober.run(signal)
    } finally {
      unsubscribe?.()
    }
  }

  /**
   * Forgets how far away peers were that have departed: only when their departure was believed, or anybody could make us
   * forget. Runs until the signal aborts.
   */
  async forgetDeparted(signal: AbortSignal): Promise<void> {
    const { host, events } = this.#options
    for await (const event of events.subscribe({ signal })) {
      if (event.type === 'departed') host.rtt.remove(event.peer)
    }
  }

  *#wanted(): Generator<Wanted, undefined> {
    const { store, maxRttMs } = this.#options
    if (maxRttMs < Infinity) {
      for (const peer of store.catalog.value.peers.keys()) yield { peer, isUrgent: false }
    }
    for (const ranking of this.#open) {
      const chosen = new Set(ranking.chosen.value)
      for (const peer of ranking.unmeasured) yield { peer, isUrgent: chosen.has(peer) }
    }
  }
}
