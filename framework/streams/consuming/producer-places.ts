import type { PeerId } from '#framework/primitives'

/** What there is between the consumer and a producer: a subscription, an attempt at one, or neither. */
export type ProducerState = 'connected' | 'connecting' | 'idle'

/** Who takes the place of whom. */
export interface Failover {
  readonly from: PeerId
  /** Undefined when there is nobody else. */
  readonly to: PeerId | undefined
  /** `better`: the first works, and the other is preferred. */
  readonly cause: 'lost' | 'better'
}

/** What a consumer is to do for its subscriptions to be with the producers that it prefers. */
export interface PlacesPlan {
  readonly subscribe: readonly PeerId[]
  readonly leave: readonly PeerId[]
  readonly failovers: readonly Failover[]
}

/**
 * Which producers a consumer with a preference is subscribed to. A producer that is lost is replaced at once. One that is
 * only less preferred than another keeps its place until the subscription to the other has begun, so that the stream goes
 * on whatever becomes of the attempt. Pure: says what to do, and is asked again after every change.
 */
export class ProducerPlaces {
  /** Whom the application gets datums from, or will get them from as soon as there is a subscription. */
  readonly #holders = new Set<PeerId>()

  /**
   * @param chosen Whom the consumer prefers of those that can be had, the best first.
   * @param active All producers that are connected or connecting.
   */
  plan(chosen: readonly PeerId[], active: ReadonlyMap<PeerId, ProducerState>): PlacesPlan {
    const wanted = new Set(chosen)
    const isActive = (peer: PeerId): boolean => (active.get(peer) ?? 'idle') !== 'idle'
    const failovers = this.#replaceLost(chosen, (peer) => wanted.has(peer) || isActive(peer))
    this.#fillFree(chosen)
    failovers.push(...this.#replaceLesser(chosen, wanted, active))
    return {
      subscribe: chosen.filter((peer) => !isActive(peer)),
      leave: [...active.keys()].filter(
        (peer) => isActive(peer) && !wanted.has(peer) && !this.#holders.has(peer),
      ),
      failovers,
    }
  }

  #replaceLost(chosen: readonly PeerId[], isThere: (peer: PeerId) => boolean): Failover[] {
    const failovers: Failover[] = []
    for (const from of this.#holders) {
      if (isThere(from)) continue
      const to = this.#challengers(chosen)[0]
      this.#replace(from, to)
      failovers.push({ from, to, cause: 'lost' })
    }
    return failovers
  }

  #fillFree(chosen: readonly PeerId[]): void {
    for (const peer of this.#challengers(chosen)) {
      if (this.#holders.size >= chosen.length) return
      this.#holders.add(peer)
    }
  }

  /** Gives the places of those that are not wanted any more to challengers that are connected, or up. */
  #replaceLesser(
    chosen: readonly PeerId[],
    wanted: ReadonlySet<PeerId>,
    active: ReadonlyMap<PeerId, ProducerState>,
  ): Failover[] {
    const failovers: Failover[] = []
    const isConnected = (peer: PeerId): boolean => active.get(peer) === 'connected'
    const challengers = this.#challengers(chosen)
    const ready = challengers.filter((peer) => isConnected(peer))
    const leftOver = [...this.#holders].filter((peer) => !wanted.has(peer))
    // As many as are still connecting are made up for, and by those that work rather than by those that might.
    const unwanted = [
      ...leftOver.filter((peer) => isConnected(peer)),
      ...leftOver.filter((peer) => !isConnected(peer)),
    ]
    const pendingCount = chosen.filter((peer) => !isConnected(peer)).length
    for (const from of unwanted.slice(pendingCount)) {
      const to = ready.shift()
      this.#replace(from, to)
      failovers.push({ from, to, cause: to === undefined ? 'lost' : 'better' })
    }
    // Whoever works holds a place before an attempt does, so that it is kept when it stops being preferred.
    const attempts = chosen.filter((peer) => this.#holders.has(peer) && !isConnected(peer))
    for (const [index, from] of attempts.slice(0, ready.length).entries()) this.#replace(from, ready[index])
    return failovers
  }

  #challengers(chosen: readonly PeerId[]): PeerId[] {
    return chosen.filter((peer) => !this.#holders.has(peer))
  }

  #replace(from: PeerId, to: PeerId | undefined): void {
    this.#holders.delete(from)
    if (to !== undefined) this.#holders.add(to)
  }
}
