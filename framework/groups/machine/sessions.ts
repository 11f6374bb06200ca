import type { Index, Term } from '../raft/index.js'
import type { SessionId, Submission } from './submission.js'

/** How many sessions are remembered; the one that was used least recently makes room for a new one. */
export const sessionsMax = 4096
/** How many submissions of one session may be under way: so many outcomes are kept for it at most. */
export const openSubmissionsMax = 1024

/** What became of a submission that was applied. The same for whoever submits it again. */
export interface SubmissionOutcome<R> {
  readonly sequence: number
  readonly term: Term
  /** The application index of its first command. */
  readonly firstIndex: Index
  /** One for each command. */
  readonly results: readonly R[]
}

/**
 * What is to be done with a submission that was committed:
 *
 * - `apply`: it is the next one of its session;
 * - `repeated`: it was applied before, with this outcome; undefined when the client said that it has it;
 * - `early`: one of the same session is missing in front of it. The client submits both again, in order;
 * - `unknown-session`: it was never opened, or has made room for others. Nothing can be said of what was submitted
 *   before.
 */
export type SubmissionVerdict<R> =
  | { readonly verdict: 'apply' }
  | { readonly verdict: 'repeated'; readonly outcome: SubmissionOutcome<R> | undefined }
  | { readonly verdict: 'early' }
  | { readonly verdict: 'unknown-session' }

/** A session as it is in snapshots. */
export interface KeptSession<R> {
  readonly id: SessionId
  /** Of the last submission that was applied. */
  readonly sequence: number
  /** In ascending order, up to that. */
  readonly outcomes: readonly SubmissionOutcome<R>[]
}

interface Session<R> {
  sequence: number
  /** By their sequence, in ascending order. */
  readonly outcomes: Map<number, SubmissionOutcome<R>>
}

/**
 * Which submissions were applied: so that one that is submitted again, because its outcome got lost, is not applied again,
 * and those of one client are applied in its order (Ongaro 2014, §6.3). Part of the replicated state: every member makes
 * the same changes at the same entries.
 */
export class Sessions<R> {
  /** In the order of their last use, the oldest first. */
  readonly #sessions = new Map<SessionId, Session<R>>()

  get size(): number {
    return this.#sessions.size
  }

  open(id: SessionId): void {
    const known = this.#sessions.get(id)
    this.#use(id, known ?? { sequence: 0, outcomes: new Map() })
    if (this.#sessions.size <= sessionsMax) return
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest)
      return
    }
  }

  judge({ session: id, sequence, settledBelow }: Omit<Submission, 'commands'>): SubmissionVerdict<R> {
    const session = this.#sessions.get(id)
    if (session === undefined) return unknownSession
    this.#use(id, session)
    const { outcomes } = session
    for (const settled of outcomes.keys()) {
      if (settled >= settledBelow) break
      outcomes.delete(settled)
    }
    if (sequence <= session.sequence) return { verdict: 'repeated', outcome: outcomes.get(sequence) }
    // A client that has more under way than it may is told so by nothing happening, like one that left something out.
    return sequence === session.sequence + 1 && outcomes.size < openSubmissionsMax ? apply : early
  }

  /** The submission that was judged last was applied. */
  settle(id: SessionId, outcome: SubmissionOutcome<R>): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    session.sequence = outcome.sequence
    session.outcomes.set(outcome.sequence, outcome)
  }

  /** What became of a submission, if that is known. */
  outcomeOf(id: SessionId, sequence: number): SubmissionOutcome<R> | undefined {
    return this.#sessions.get(id)?.outcomes.get(sequence)
  }

  /** The last submission of a session that was applied; undefined when the session is not known. */
  lastOf(id: SessionId): number | undefined {
    return this.#sessions.get(id)?.sequence
  }

  /** All of it, the least recently used session first. */
  *kept(): Iterable<KeptSession<R>> {
    for (const [id, { sequence, outcomes }] of this.#sessions) {
      yield { id, sequence, outcomes: [...outcomes.values()] }
    }
  }

  /** Only into an empty table, in the order of {@link kept}. */
  restore({ id, sequence, outcomes }: KeptSession<R>): void {
    this.#sessions.set(id, {
      sequence,
      outcomes: new Map(outcomes.map((outcome) => [outcome.sequence, outcome])),
    })
  }

  #use(id: SessionId, session: Session<R>): void {
    this.#sessions.delete(id)
    this.#sessions.set(id, session)
  }
}

const apply = { verdict: 'apply' } as const
const early = { verdict: 'early' } as const
const unknownSession = { verdict: 'unknown-session' } as const
