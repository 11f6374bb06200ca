import { z } from 'zod'
import { bytesOf, derive, type Digest } from '#framework/primitives'
import type { PeerEntry } from './entry.js'
import { digestBytesSchema } from './wire-schemas.js'

/**
 * A credential that a peer shows in its entry. Discovery signs and distributes it and never looks inside. All of the
 * network can read it, so it has to be bound to its peer to be worth anything (discovery.md §2.5, tickets.md §1).
 */
export interface Ticket {
  /** The kind of credential, which selects the validators that look at it. */
  readonly class: Digest
  readonly data: Uint8Array
}

/** When something ceases to be valid: at a time in Unix milliseconds, or never. */
export type Expiration = number | 'never'

/** Judges the tickets of one class. */
export interface TicketValidator {
  readonly class: Digest
  /** Stands for the validator's type and all of its configuration: validators that judge differently have different ones. */
  readonly signature: Digest
  /**
   * Until when the ticket is good, which may have passed, or `invalid`. Must be quick and depend on nothing but its
   * parameters. One that throws has refused: what it is shown comes from strangers.
   *
   * @param entry Of the peer that shows the ticket.
   */
  validate(data: Uint8Array, entry: PeerEntry): Expiration | 'invalid'
}

/** What a ticket is known by: adding one twice adds it once. */
export function ticketIdOf(ticket: Ticket): Digest {
  return derive(ticket.class, ticket.data)
}

/** The tickets of that class, in the order of their ids. */
export function ticketsOf(entry: Pick<PeerEntry, 'tickets'>, ticketClass: Digest): readonly Ticket[] {
  return entry.tickets.filter((ticket) => ticket.class === ticketClass)
}

/** The latest time until which one of the peer's tickets satisfies the validator; `invalid` when none does. */
export function validateTicket(entry: PeerEntry, validator: TicketValidator): Expiration | 'invalid' {
  let latest: Expiration | 'invalid' = 'invalid'
  for (const { data } of ticketsOf(entry, validator.class)) {
    const expiration = judgedBy(validator, data, entry)
    if (expiration === 'invalid') continue
    if (latest === 'invalid' || compareExpirations(expiration, latest) > 0) latest = expiration
  }
  return latest
}

/**
 * Until when the peer satisfies all of the validators: the earliest of their {@link validateTicket}. `never` ends when
 * there are none, `invalid` as soon as one refuses.
 */
export function validateTickets(
  entry: PeerEntry,
  validators: readonly TicketValidator[],
): Expiration | 'invalid' {
  let earliest: Expiration = 'never'
  for (const validator of validators) {
    const expiration = validateTicket(entry, validator)
    if (expiration === 'invalid') return 'invalid'
    if (compareExpirations(expiration, earliest) < 0) earliest = expiration
  }
  return earliest
}

/** Negative, zero or positive, like every comparison: never is later than any time. */
export function compareExpirations(a: Expiration, b: Expiration): number {
  if (a === b) return 0
  if (a === 'never') return 1
  return b === 'never' ? -1 : a - b
}

/** Whether the time has passed. */
export function isExpired(expiration: Expiration, nowMs: number): boolean {
  return expiration !== 'never' && expiration < nowMs
}

/** How long there is to go, in milliseconds. Undefined when it never ends, and when it has ended. */
export function remainingMs(expiration: Expiration, nowMs: number): number | undefined {
  if (expiration === 'never' || isExpired(expiration, nowMs)) return undefined
  return expiration - nowMs
}

/** Tickets in their one canonical form. */
export function normalizeTickets(tickets: readonly Ticket[]): readonly Ticket[] {
  const byId = new Map(
    tickets.map((ticket) => [
      ticketIdOf(ticket),
      Object.freeze({ class: ticket.class, data: new Uint8Array(ticket.data) }),
    ]),
  )
  return Object.freeze([...byId].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, ticket]) => ticket))
}

/** Zod schema of a ticket on the wire. */
export const ticketSchema = z.object({
  class: digestBytesSchema,
  data: z.instanceof(Uint8Array),
})

export function ticketToWire({ class: ticketClass, data }: Ticket): Record<string, unknown> {
  return { class: bytesOf(ticketClass), data }
}

function judgedBy(validator: TicketValidator, data: Uint8Array, entry: PeerEntry): Expiration | 'invalid' {
  try {
    const answer: unknown = validator.validate(data, entry)
    // Anything else is no answer: compared with a time, the promise of one would count as "not yet expired".
    return answer === 'never' || (typeof answer === 'number' && !Number.isNaN(answer)) ? answer : 'invalid'
  } catch {
    return 'invalid'
  }
}
