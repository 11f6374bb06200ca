import type { PeerId } from '#framework/primitives'

/** A handshake that is under way, as one side sees it. */
export interface Attempt {
  readonly peer: PeerId
  readonly side: 'dialler' | 'acceptor'
}

/** What comes of a hello: it is answered, and possibly another attempt given up for it; or it is refused. */
export type Answer =
  | { readonly attempt: Attempt; readonly displaced: Attempt | undefined }
  | { readonly refused: 'our-dial-wins' }

/**
 * Sees to it that there is one handshake with each peer at a time, and one winner when two peers dial each other at the
 * same moment: the dial of the smaller peer id. Both decide by the same rule without another word, so that they never
 * keep different ones, or none. Pure.
 *
 * It does not matter whether there is a bond already. A peer dials when it has none, whatever this side believes: it may
 * have restarted, or have given up the old one first.
 */
export class DialArbiter {
  readonly #self: PeerId
  readonly #attempts = new Map<PeerId, Attempt>()

  constructor(self: PeerId) {
    this.#self = self
  }

  /** How many handshakes are under way. */
  get size(): number {
    return this.#attempts.size
  }

  /** Begins to dial; undefined while another handshake with the peer is under way. */
  dial(peer: PeerId): Attempt | undefined {
    if (this.#attempts.has(peer)) return undefined
    return this.#begin(peer, 'dialler')
  }

  /** The peer has said hello. */
  answer(peer: PeerId): Answer {
    const current = this.#attempts.get(peer)
    if (current?.side === 'dialler' && this.#self < peer) return { refused: 'our-dial-wins' }
    return { attempt: this.#begin(peer, 'acceptor'), displaced: current }
  }

  /** Whether an attempt still counts: one that was displaced must not lead to a bond. */
  isCurrent(attempt: Attempt): boolean {
    return this.#attempts.get(attempt.peer) === attempt
  }

  /** An attempt is over, well or not. */
  end(attempt: Attempt): void {
    if (this.isCurrent(attempt)) this.#attempts.delete(attempt.peer)
  }

  #begin(peer: PeerId, side: Attempt['side']): Attempt {
    const attempt: Attempt = Object.freeze({ peer, side })
    this.#attempts.set(peer, attempt)
    return attempt
  }
}
