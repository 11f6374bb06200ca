import type { PeerId } from '#framework/primitives'

/** Whether peers anywhere can dial this node, as far as is known. */
export interface Reachability {
  /**
   * `public` when a peer that sees this node at a public address has dialled it there; `private` when such a peer could
   * not; `unknown` before anybody has tried, and again when what was known has become void.
   */
  readonly status: 'unknown' | 'public' | 'private'
  /** For people: how it is known. */
  readonly reason: string
}

/** How many refutations in a row take back what was confirmed; the way of one peer to us may be broken by itself. */
const REFUTATIONS = 2

/** How often to ask again, in milliseconds. */
const AGAIN_MS = { public: 10 * 60_000, private: 3 * 60_000, unknown: 30_000 } as const

/** Draws the conclusion from what peers report. Pure. */
export class ReachabilityVerdict {
  #value: Reachability = { status: 'unknown', reason: 'nobody has tried to dial this node yet' }
  readonly #refutedBy: PeerId[] = []

  get value(): Reachability {
    return this.#value
  }

  /** How long to wait before asking again. */
  get againMs(): number {
    return AGAIN_MS[this.#value.status]
  }

  reached(address: string): void {
    this.#refutedBy.length = 0
    this.#set('public', `a peer has dialled this node at ${address}`)
  }

  /** @param others Whether there are other peers who could be asked. */
  unreached(by: PeerId, addresses: readonly string[], others: boolean): void {
    if (this.#value.status === 'public') {
      if (!this.#refutedBy.includes(by) || !others) this.#refutedBy.push(by)
      if (this.#refutedBy.length < REFUTATIONS) return
    }
    this.#refutedBy.length = 0
    this.#set('private', `a peer could not dial this node at ${addresses.join(' or ')}`)
  }

  /** It is plain that nobody can dial this node. */
  hopeless(reason: string): void {
    this.#refutedBy.length = 0
    this.#set('private', reason)
  }

  /** What was known does not hold any more. */
  reset(reason: string): void {
    this.#refutedBy.length = 0
    this.#set('unknown', reason)
  }

  #set(status: Reachability['status'], reason: string): void {
    if (this.#value.status === status && this.#value.reason === reason) return
    this.#value = Object.freeze({ status, reason })
  }
}
