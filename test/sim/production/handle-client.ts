import { isMosaikError, type Random } from '#framework/primitives'
import type { GroupHandle } from '../../../framework/groups/group-handle.js'
import type { ClusterId, Index } from '../../../framework/groups/raft/types.js'
import type { ClientHabits } from '../clients/client.js'
import { chooseInput } from '../clients/choose-input.js'
import type { RegisterInput, RegisterOutput } from '../clients/register.js'
import { thinkingMs } from '../clients/thinking-time.js'
import type { Timeline } from '../environment/timeline.js'
import type { AnsweredRead } from '../group/watched-member.js'
import type { Process } from './process.js'
import type { Write } from './registers-machine.js'

export type Handle = GroupHandle<Write, RegisterOutput, string, string>

/** A node that a client may ask. */
export interface Place {
  readonly process: Process
  readonly handle: () => Handle
  /** The cluster that it is in at the moment. */
  readonly cluster: () => ClusterId | undefined
}

/** Whoever writes down what clients saw. */
export interface Chronicle {
  complete(
    client: number,
    input: RegisterInput,
    invokedAt: number,
    at: number,
    output: RegisterOutput,
    cluster: ClusterId,
  ): void
  giveUp(client: number, input: RegisterInput, invokedAt: number): void
  refuse(input: RegisterInput): void
}

export interface HandleClientOptions {
  readonly number: number
  readonly habits: ClientHabits
  readonly timeline: Timeline
  readonly random: Random
  readonly history: Chronicle
  /** A bug of the client: takes what the leader has appended for done. */
  readonly answersWhenAppended: boolean
  /** Nodes that run at the moment. */
  readonly places: () => readonly Place[]
  /** The highest application index of a write that was done, as far as clients know. */
  readonly knownIndex: (cluster: ClusterId | undefined) => Index
  readonly learnIndex: (index: Index, cluster: ClusterId) => void
  readonly answeredRead: (read: AnsweredRead, index: Index, cluster: ClusterId) => void
  /** Something was done that the client asked for at that time. */
  readonly completed: (client: number, invokedAt: number) => void
}

interface OpenOperation {
  readonly input: RegisterInput
  readonly invokedAt: number
  readonly knownIndex: Index
  readonly place: Place
  /** That of the place when it began. */
  readonly cluster: ClusterId | undefined
}

/** Codes by which a client is told that none of it will happen. */
const NOTHING_HAPPENS: ReadonlySet<string> = new Set(['GROUP_NOT_SUBMITTED', 'GROUP_BUSY'])

/** Does one operation after another on the registers, each at some node of the group, through a handle of it. */
export class HandleClient {
  readonly #options: HandleClientOptions
  /** What this client saw last of each register: good guesses for a compare-and-set. */
  readonly #seen = new Map<string, string>()
  readonly #handles = new WeakMap<Process, Handle>()
  #sequence = 0
  #open: OpenOperation | undefined
  /** Where it asks at the moment. */
  #process: Process | undefined
  #isStopping = false

  constructor(options: HandleClientOptions) {
    this.#options = options
    this.#think()
  }

  /** It begins nothing new. */
  stop(): void {
    this.#isStopping = true
  }

  /** The world ends: what is open stays unknown. */
  abandon(): void {
    this.stop()
    if (this.#open) this.#giveUp(this.#open)
  }

  #think(): void {
    const { timeline, random, habits } = this.#options
    timeline.after(thinkingMs(random, habits.thinkMs), () => this.#begin())
  }

  #begin(): void {
    if (this.#isStopping) return
    const { timeline, random, habits, number, places, knownIndex } = this.#options
    const there = places()
    if (there.length === 0) return this.#think()
    const place = there[random.int(there.length)]!
    const { process, handle } = place
    const input = chooseInput(random, habits, this.#seen, number, ++this.#sequence)
    const cluster = place.cluster()
    const open = { input, invokedAt: timeline.nowMs, knownIndex: knownIndex(cluster), place, cluster }
    this.#open = open
    if (!this.#handles.has(process)) {
      this.#handles.set(process, handle())
      process.onKilled(() => this.#onKilled(process))
    }
    this.#process = process
    const consistency = random.float() < habits.leaseRate ? 'lease' : 'strong'
    const deadlineMs = random.float() < habits.impatienceRate ? habits.patienceMs : Infinity
    process.soon(() => void this.#ask(this.#handles.get(process)!, open, consistency, deadlineMs))
  }

  #onKilled(process: Process): void {
    if (this.#open && this.#process === process) this.#giveUp(this.#open)
  }

  async #ask(
    handle: Handle,
    open: OpenOperation,
    consistency: 'strong' | 'lease',
    deadlineMs: number,
  ): Promise<void> {
    const { answeredRead, learnIndex, number, answersWhenAppended } = this.#options
    const { input, knownIndex } = open
    try {
      if (input.kind === 'read') {
        const { answer, index } = await handle.query(input.key, { consistency, deadlineMs })
        if (open !== this.#open) return
        const cluster = open.place.cluster()
        // What was known to be done in another cluster says nothing of this one.
        if (cluster !== undefined && cluster === open.cluster)
          answeredRead({ client: number, consistency, knownIndex }, index, cluster)
        return this.#complete(open, { value: answer, done: true })
      }
      if (answersWhenAppended) {
        await handle.feed(input, { deadlineMs })
        return this.#complete(open, { value: input.value, done: true })
      }
      const { result, index } = await handle.execute(input, { deadlineMs })
      if (open !== this.#open) return
      const cluster = open.place.cluster()
      if (cluster !== undefined) learnIndex(index, cluster)
      this.#complete(open, result)
    } catch (error) {
      if (open !== this.#open) return
      if (!isMosaikError(error)) throw error
      if (!NOTHING_HAPPENS.has(error.code)) return this.#giveUp(open)
      this.#options.history.refuse(input)
      this.#finish()
    }
  }

  #complete(open: OpenOperation, output: RegisterOutput): void {
    if (open !== this.#open) return
    const { number, timeline, history, completed } = this.#options
    const cluster = open.place.cluster() ?? open.cluster
    if (cluster === undefined) throw new Error('something is done without a cluster')
    history.complete(number, open.input, open.invokedAt, timeline.nowMs, output, cluster)
    this.#seen.set(open.input.key, output.value)
    completed(number, open.invokedAt)
    this.#finish()
  }

  #giveUp({ input, invokedAt }: OpenOperation): void {
    this.#options.history.giveUp(this.#options.number, input, invokedAt)
    this.#finish()
  }

  #finish(): void {
    this.#open = undefined
    this.#think()
  }
}
