/**
 * What a relay gives. Unlike a public relay, which helps strangers to meet and then wants them gone, one of a network
 * of ours carries the traffic of members that have no other way to each other, so it gives much and counts it.
 */
export interface RelayLimits {
  /** Peers that may be reached over this relay at once. One more is refused. Default 128. */
  readonly reservationsMax: number
  /** How long a reservation holds without being renewed. Milliseconds; default 30 minutes. */
  readonly reservationMs: number
  /** Relayed connections at once, over all peers. One more is refused. Default 512. */
  readonly circuitsMax: number
  /** Relayed connections that one peer may have asked for at once. One more is refused. Default 32. */
  readonly circuitsPerPeerMax: number
  /** A relayed connection is ended after so long; its ends make a new one. Milliseconds; default 1 hour. */
  readonly circuitMs: number
  /** A relayed connection is ended after so many bytes, both directions together. Default 1 GiB. */
  readonly circuitBytesMax: number
}

export const defaultRelayLimits: RelayLimits = Object.freeze({
  reservationsMax: 128,
  reservationMs: 30 * 60_000,
  circuitsMax: 512,
  circuitsPerPeerMax: 32,
  circuitMs: 60 * 60_000,
  circuitBytesMax: 1024 * 1024 * 1024,
})
