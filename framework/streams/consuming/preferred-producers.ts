import type { Discovery, PeerEntry, Preference, Ranking } from '#framework/discovery'
import type { PeerId } from '#framework/primitives'
import { ProducerPlaces, type Failover, type ProducerState } from './producer-places.js'

export interface PreferredProducersOptions {
  readonly discovery: Discovery
  readonly preference: Preference
  /** Whether a producer could be subscribed to now. */
  readonly candidates: (entry: PeerEntry) => boolean
  /** All producers that are connected or connecting, except for those that are about to end. */
  readonly active: () => ReadonlyMap<PeerId, ProducerState>
  readonly subscribe: (producer: PeerId) => void
  readonly leave: (producer: PeerId) => void
  readonly onFailover: (failover: Failover) => void
}

/** Keeps a consumer subscribed to those of its producers that it prefers, as the catalog and the round trips change. */
export class PreferredProducers implements Disposable {
  readonly #options: PreferredProducersOptions
  readonly #places = new ProducerPlaces()
  readonly #ranking: Ranking

  /** @throws MosaikError `RANKINGS_TOO_MANY`, when 256 are open on the node. */
  constructor(options: PreferredProducersOptions) {
    const { discovery, preference, candidates, active } = options
    this.#options = options
    this.#ranking = discovery.ranking(preference, {
      candidates,
      includesSelf: true,
      // Not those chosen last: an attempt at one of them may have failed, and another kept its place meanwhile.
      incumbents: () => active().keys(),
    })
    this.#ranking.chosen.subscribe(() => this.settle())
  }

  /** Whether a newcomer would be chosen at once, because of those that are preferred some are missing. */
  get hasFreePlace(): boolean {
    const { k } = this.#options.preference
    // Who wants all that there are never has enough of them.
    return k < Infinity && this.#ranking.chosen.value.length < k
  }

  /** Who may be subscribed to has changed: chooses again, without waiting for the ranking to see that. */
  rechoose(): void {
    this.#ranking.refresh()
    this.settle()
  }

  /** Does what is to be done for the producers that are chosen. */
  settle(): void {
    const { active, subscribe, leave, onFailover } = this.#options
    const plan = this.#places.plan(this.#ranking.chosen.value, active())
    for (const failover of plan.failovers) onFailover(failover)
    for (const producer of plan.subscribe) subscribe(producer)
    for (const producer of plan.leave) leave(producer)
  }

  [Symbol.dispose](): void {
    this.#ranking.close()
  }
}
