import type { PeerId } from '#framework/primitives'

/** What has passed between this node and a peer on any of their bonds. Both only grow. */
export interface Pulse {
  /** How often anything has arrived from the peer. */
  heard: number
  /** How often anything was said to it on a control lane. */
  spoken: number
}

/**
 * Signs of life by peer. What shows that a peer is alive on one bond shows it for all bonds with it, so that two nodes
 * with a hundred groups in common say no more for that than with one.
 */
export class Pulses {
  readonly #byPeer = new Map<PeerId, { readonly pulse: Pulse; bondCount: number }>()

  /** The pulse of a peer, for another bond with it. */
  take(peer: PeerId): Pulse {
    const shared = this.#byPeer.get(peer) ?? { pulse: { heard: 0, spoken: 0 }, bondCount: 0 }
    shared.bondCount++
    this.#byPeer.set(peer, shared)
    return shared.pulse
  }

  /** A bond that had taken it is over. */
  giveBack(peer: PeerId): void {
    const shared = this.#byPeer.get(peer)
    if (shared !== undefined && --shared.bondCount === 0) this.#byPeer.delete(peer)
  }
}
