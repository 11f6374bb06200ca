import type { Host } from '#framework/network'
import type { PeerId } from '#framework/primitives'
import type { Discovery } from './discovery.js'

/** As much of discovery as introductions need. */
type IntroducedBy = Pick<Discovery, 'me' | 'signedEntry' | 'signOfLife'>

/**
 * What this node says about itself in handshakes, so that nobody need wait until gossip has caught up. With hundreds of
 * streams an entry is long, and a peer may subscribe to all of them: to whom it was told, it is not told again for as long
 * as there is a connection.
 */
export class Introductions implements Disposable {
  readonly #discovery: IntroducedBy
  /** The update of this node's entry that a peer knows. Of connected peers alone. */
  readonly #told = new Map<PeerId, number>()
  readonly #unsubscribe: () => void

  constructor(host: Pick<Host, 'connections'>, discovery: IntroducedBy) {
    this.#discovery = discovery
    this.#unsubscribe = host.connections.subscribe((connections) => {
      for (const peer of this.#told.keys()) if (!connections.has(peer)) this.#told.delete(peer)
    })
  }

  /** What to show a peer now. */
  for(peer: PeerId): Introduction {
    const { update } = this.#discovery.me.version
    const isKnown = this.#told.get(peer) === update
    return {
      entry: isKnown ? this.#discovery.signOfLife() : this.#discovery.signedEntry(),
      // Later ones may have been told meanwhile.
      onTold: () => this.#told.set(peer, Math.max(update, this.#told.get(peer) ?? 0)),
    }
  }

  /** The peer may not know what it was told, or not any more. */
  forget(peer: PeerId): void {
    this.#told.delete(peer)
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
    this.#told.clear()
  }
}

export interface Introduction {
  /** The signed entry: whole, or the header alone. */
  readonly entry: Uint8Array
  /** The peer has taken it in. */
  readonly onTold: () => void
}
