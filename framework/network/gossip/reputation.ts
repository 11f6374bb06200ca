/** Offences count half after this time. */
const HALF_LIFE_MS = 60_000
/** An offender counts as blameless again below this. */
const NEGLIGIBLE = 0.1

/** What a peer's score means to gossipsub: at or below each, the peer is cut off a little more. */
export const scoreThresholds = {
  /** Below: no gossip with it beyond forwarding. Reached with the fourth offence in short order. */
  gossipThreshold: -10,
  /** Below: our own messages are not sent to it. The eighth. */
  publishThreshold: -50,
  /** Below: nothing of it is even looked at. The tenth. */
  graylistThreshold: -80,
  /** Nobody is so good that peers are taken from it: connections are discovery's affair. */
  acceptPXThreshold: Number.MAX_SAFE_INTEGER,
  opportunisticGraftThreshold: 0,
} as const

/** What a peer can lose, from the least to the most. */
export const LOSSES = ['gossip', 'publish', 'everything'] as const

/** What a peer with that score has lost; `undefined` when it is trusted. */
export function lossOf(score: number): (typeof LOSSES)[number] | undefined {
  if (score < scoreThresholds.graylistThreshold) return 'everything'
  if (score < scoreThresholds.publishThreshold) return 'publish'
  return score < scoreThresholds.gossipThreshold ? 'gossip' : undefined
}

interface Record {
  offences: number
  at: number
}

/**
 * What peers have to answer for. The only offence is to hand on a message that its topic's validator rejects, because a
 * correct peer validates before it forwards; being slow, silent or on the same machine as others is none. Pure.
 */
export class Reputation {
  readonly #records = new Map<string, Record>()

  /** The peer has handed on what it should have rejected. */
  offended(peer: string, nowMs: number): void {
    this.#records.set(peer, { offences: this.#offences(peer, nowMs) + 1, at: nowMs })
  }

  /** Zero for the blameless, and the lower the worse. The square makes single slips harmless. */
  score(peer: string, nowMs: number): number {
    const offences = this.#offences(peer, nowMs)
    return offences < NEGLIGIBLE ? 0 : -(offences ** 2)
  }

  /** Forgets those who have atoned. */
  prune(nowMs: number): void {
    for (const peer of this.#records.keys()) {
      if (this.#offences(peer, nowMs) < NEGLIGIBLE) this.#records.delete(peer)
    }
  }

  #offences(peer: string, nowMs: number): number {
    const record = this.#records.get(peer)
    return record === undefined ? 0 : record.offences * 2 ** ((record.at - nowMs) / HALF_LIFE_MS)
  }
}
