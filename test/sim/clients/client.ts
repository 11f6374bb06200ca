import type { Random } from '#framework/primitives'
import type { Index } from '../../../framework/groups/raft/types.js'
import type { Timeline } from '../environment/timeline.js'
import type { ClientAnswer, ClientRequest } from '../group/messages.js'
import { chooseInput } from './choose-input.js'
import type { History } from './history.js'
import type { RegisterInput } from './register.js'
import { thinkingMs } from './thinking-time.js'

/** How clients behave. */
export interface ClientHabits {
  readonly keys: readonly string[]
  /** Between the end of an operation and the next one, on average. */
  readonly thinkMs: number
  /** How long an attempt may take before the client turns to another member. */
  readonly attemptMs: number
  /** How long an operation may take before an impatient client leaves it, its outcome unknown. */
  readonly patienceMs: number
  /** How many of the operations are impatient, between 0 and 1. */
  readonly impatienceRate: number
  readonly readRate: number
  /** How many of the reads may be served by a lease. */
  readonly leaseRate: number
}

/** Where a client asks, and whom it tells. */
export interface ClientSurroundings {
  readonly timeline: Timeline
  readonly random: Random
  readonly history: History
  readonly hostCount: number
  send(host: number, request: ClientRequest): void
  /** The highest index of a write that was done, as far as clients know: shared, because they might talk to each other. */
  knownIndex(): Index
  learnIndex(index: Index): void
  /** Something was done that the client asked for at that time. */
  completed(client: number, invokedAt: number): void
}

interface OpenOperation {
  readonly sequence: number
  readonly input: RegisterInput
  readonly invokedAt: number
  readonly knownIndex: Index
  readonly consistency: 'strong' | 'lease'
  readonly isImpatient: boolean
  attempt: number
}

/** Does one operation after another on the registers, each until it is done or patience ends. */
export class SimClient {
  readonly #number: number
  readonly #habits: ClientHabits
  readonly #surroundings: ClientSurroundings
  /** What this client saw last of each register: good guesses for a compare-and-set. */
  readonly #seen = new Map<string, string>()
  #sequence = 0
  #open: OpenOperation | undefined
  /** Whom it asks first. */
  #host = 0
  #isStopping = false

  constructor(number: number, habits: ClientHabits, surroundings: ClientSurroundings) {
    this.#number = number
    this.#habits = habits
    this.#surroundings = surroundings
    this.#think()
  }

  get isIdle(): boolean {
    return this.#open === undefined
  }

  /** It begins nothing new. */
  stop(): void {
    this.#isStopping = true
  }

  /** The world ends: what is open stays unknown. */
  abandon(): void {
    this.stop()
    if (this.#open) this.#leave(this.#open)
  }

  receive(answer: ClientAnswer): void {
    const open = this.#open
    if (!open || answer.sequence !== open.sequence) return
    const { outcome } = answer
    if (outcome.type === 'done') {
      const { timeline, history } = this.#surroundings
      history.complete(this.#number, open.input, open.invokedAt, timeline.nowMs, outcome.output)
      this.#seen.set(open.input.key, outcome.output.value)
      if (open.input.kind !== 'read') this.#surroundings.learnIndex(outcome.index)
      this.#surroundings.completed(this.#number, open.invokedAt)
      return this.#finish()
    }
    if (answer.attempt !== open.attempt) return
    this.#host = outcome.leaderHost ?? this.#surroundings.random.int(this.#surroundings.hostCount)
    // Not at once, or two members that point at each other would be asked for ever in one moment.
    this.#surroundings.timeline.after(this.#habits.attemptMs / 10, () => {
      if (open === this.#open && answer.attempt === open.attempt) this.#try(open)
    })
  }

  #think(): void {
    const { timeline, random } = this.#surroundings
    timeline.after(thinkingMs(random, this.#habits.thinkMs), () => this.#begin())
  }

  #begin(): void {
    if (this.#isStopping) return
    const { timeline, random } = this.#surroundings
    const sequence = ++this.#sequence
    this.#open = {
      sequence,
      input: chooseInput(random, this.#habits, this.#seen, this.#number, sequence),
      invokedAt: timeline.nowMs,
      knownIndex: this.#surroundings.knownIndex(),
      consistency: random.float() < this.#habits.leaseRate ? 'lease' : 'strong',
      isImpatient: random.float() < this.#habits.impatienceRate,
      attempt: 0,
    }
    this.#try(this.#open)
  }

  #try(open: OpenOperation): void {
    const { timeline, random, hostCount } = this.#surroundings
    const { attemptMs, patienceMs } = this.#habits
    if (open.isImpatient && timeline.nowMs - open.invokedAt > patienceMs) return this.#leave(open)
    const attempt = ++open.attempt
    const { sequence, input, consistency, knownIndex } = open
    const request = { sequence, attempt, input, consistency, knownIndex }
    this.#surroundings.send(this.#host, { kind: 'request', client: this.#number, ...request })
    timeline.after(attemptMs, () => {
      if (open !== this.#open || attempt !== open.attempt) return
      this.#host = random.int(hostCount)
      this.#try(open)
    })
  }

  #leave(open: OpenOperation): void {
    this.#surroundings.history.giveUp(this.#number, open.input, open.invokedAt)
    this.#finish()
  }

  #finish(): void {
    this.#open = undefined
    this.#think()
  }
}
