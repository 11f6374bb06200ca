import {
  isExpired,
  validateTickets,
  type Expiration,
  type PeerEntry,
  type TicketValidator,
} from '#framework/discovery'

/** Until when a peer may be in the group by its tickets; `refused` when it may not, or not any more. */
export type Admission = Expiration | 'refused'

/**
 * Judges whether a peer may be in a group by the tickets in its entry: those of all validators. A judgement is remembered
 * with the entry it was made on, because validating a ticket may cost a signature. Pure: is told the time.
 */
export class TicketGate {
  readonly #validators: readonly TicketValidator[]
  /** By the entries themselves, which never change: what is remembered goes with them. */
  readonly #judged = new WeakMap<PeerEntry, Expiration | 'invalid'>()

  constructor(validators: readonly TicketValidator[]) {
    this.#validators = validators
  }

  /** @param nowMs Unix milliseconds. */
  judge(entry: PeerEntry, nowMs: number): Admission {
    let expiration = this.#judged.get(entry)
    if (expiration === undefined) {
      expiration = validateTickets(entry, this.#validators)
      this.#judged.set(entry, expiration)
    }
    return expiration === 'invalid' || isExpired(expiration, nowMs) ? 'refused' : expiration
  }
}
