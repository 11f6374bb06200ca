import {
  compareExpirations,
  isExpired,
  peerInfoOf,
  ticketsOf,
  validateTicket,
  type Expiration,
  type PeerEntry,
  type PeerInfo,
  type TicketValidator,
} from '#framework/discovery'
import { shortId, type Logger, type PeerId } from '#framework/primitives'
import { GuardedCalls } from './guarded-calls.js'

/** What a peer must fulfil to be at the other end. All that is given must hold. */
export interface Requirements {
  readonly require?: ((peer: PeerInfo) => boolean) | readonly ((peer: PeerInfo) => boolean)[]
  readonly requireTicket?: TicketValidator | readonly TicketValidator[]
  /** As round trip, in milliseconds. */
  readonly maxRttMs?: number
}

/** What is wrong with the tickets of a peer: it shows none of the class, none that is accepted, or only old ones. */
export type TicketProblem = 'missing' | 'invalid' | 'expired'

/** A peer does not qualify. */
export type Ineligible =
  | { readonly isEligible: false; readonly cause: 'rtt' | 'predicate'; readonly message: string }
  | {
      readonly isEligible: false
      readonly cause: 'ticket'
      readonly problem: TicketProblem
      readonly message: string
    }

/** Whether a peer qualifies, and if so, when the first of the tickets expires that it needs for that. */
export type Judgement = { readonly isEligible: true; readonly until: Expiration } | Ineligible

export interface EligibilityOptions {
  readonly requirements: Requirements
  /** Whose requirements they are, for the log. */
  readonly what: string
  /** The round trip to a peer, in milliseconds; undefined when it is not known. */
  readonly rttMs: (peer: PeerId) => number | undefined
  /** Unix milliseconds. */
  readonly now: () => number
  readonly logger: Logger
}

/**
 * Judges which peers may be at the other end of the subscriptions of a producer or consumer.
 *
 * A judgement is remembered for as long as the entry it was made on is the current one of its peer, because validating a
 * ticket may cost a signature: whoever knows of other news about the peer says so with {@link reconsider}.
 */
export class Eligibility {
  /** Whether the round trip to a peer matters. */
  readonly dependsOnRtt: boolean
  /** As round trip, in milliseconds. Infinity is no limit. */
  readonly maxRttMs: number

  readonly #options: EligibilityOptions
  readonly #calls: GuardedCalls
  readonly #predicates: readonly ((peer: PeerInfo) => boolean)[]
  readonly #validators: readonly TicketValidator[]
  /** By the entries themselves, which never change: what is remembered goes with them. */
  readonly #judged = new WeakMap<PeerEntry, Judgement>()

  constructor(options: EligibilityOptions) {
    const { require, requireTicket, maxRttMs = Infinity } = options.requirements
    this.#options = options
    this.#calls = new GuardedCalls(options.what, options.logger)
    this.#predicates = [require ?? []].flat()
    this.#validators = [requireTicket ?? []].flat().map((validator) => this.#guarded(validator))
    this.maxRttMs = maxRttMs
    this.dependsOnRtt = this.#predicates.length > 0 || maxRttMs < Infinity
  }

  /** Whether who qualifies may do so for a time only. */
  get dependsOnTickets(): boolean {
    return this.#validators.length > 0
  }

  /** How often a predicate or validator has failed. */
  get errorCount(): number {
    return this.#calls.errorCount
  }

  /** Whether the peer qualifies, by its current entry. */
  judge(entry: PeerEntry): Judgement {
    const known = this.#judged.get(entry)
    const isValid = known !== undefined && !(known.isEligible && isExpired(known.until, this.#options.now()))
    return isValid ? known : this.reconsider(entry)
  }

  /** {@link judge}, whatever the answer was before. */
  reconsider(entry: PeerEntry): Judgement {
    const judgement = this.#judgeAnew(entry)
    this.#judged.set(entry, judgement)
    return judgement
  }

  #judgeAnew(entry: PeerEntry): Judgement {
    const { maxRttMs } = this
    const rttMs = this.#options.rttMs(entry.peer)
    // Who was never measured gets a chance, and is judged again as soon as there is a measurement.
    if (rttMs !== undefined && rttMs > maxRttMs) {
      return refused('rtt', `the round trip of ${rttMs.toFixed(1)} ms is longer than ${maxRttMs} ms`)
    }
    if (this.#predicates.length > 0) {
      const info = peerInfoOf(entry, rttMs)
      if (!this.#predicates.every((predicate) => this.#isAcceptedBy(predicate, info))) {
        return refused('predicate', '"require" does not accept the peer')
      }
    }
    return this.#judgeTickets(entry)
  }

  #isAcceptedBy(predicate: (peer: PeerInfo) => boolean, info: PeerInfo): boolean {
    return this.#calls.ask('require', info.peer, () => predicate(info), isBoolean) ?? false
  }

  #judgeTickets(entry: PeerEntry): Judgement {
    let until: Expiration = 'never'
    for (const validator of this.#validators) {
      const expiration = validateTicket(entry, validator)
      if (expiration === 'invalid') {
        const isMissing = ticketsOf(entry, validator.class).length === 0
        return badTicket(isMissing ? 'missing' : 'invalid', validator)
      }
      if (isExpired(expiration, this.#options.now())) return badTicket('expired', validator)
      if (compareExpirations(expiration, until) < 0) until = expiration
    }
    return { isEligible: true, until }
  }

  #guarded(validator: TicketValidator): TicketValidator {
    const validate: TicketValidator['validate'] = (data, entry) =>
      this.#calls.ask('requireTicket', entry.peer, () => validator.validate(data, entry), isExpiration) ??
      'invalid'
    return { class: validator.class, signature: validator.signature, validate }
  }
}

/** The judgement on everybody where nothing is required. */
export const everybody: Judgement = Object.freeze({ isEligible: true, until: 'never' })

/** Whether there is anything that a peer might not fulfil. */
export function isAnythingRequired({ require, requireTicket, maxRttMs = Infinity }: Requirements): boolean {
  return require !== undefined || requireTicket !== undefined || maxRttMs < Infinity
}

function isBoolean(answer: unknown): answer is boolean {
  return typeof answer === 'boolean'
}

function isExpiration(answer: unknown): answer is Expiration | 'invalid' {
  return answer === 'never' || answer === 'invalid' || (typeof answer === 'number' && !Number.isNaN(answer))
}

function refused(cause: 'rtt' | 'predicate', message: string): Judgement {
  return { isEligible: false, cause, message }
}

const problemTexts: Readonly<Record<TicketProblem, string>> = {
  missing: 'the peer shows no ticket',
  invalid: 'the peer shows no valid ticket',
  expired: 'the ticket of the peer has expired: it shows no current one',
}

function badTicket(problem: TicketProblem, { class: ticketClass }: TicketValidator): Judgement {
  const message = `${problemTexts[problem]} of class ${shortId(ticketClass)}`
  return { isEligible: false, cause: 'ticket', problem, message }
}
