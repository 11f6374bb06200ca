import {
  Condition,
  TimeoutError,
  toHex,
  type Clock,
  type GroupId,
  type PeerId,
  type Random,
  type ReadonlyWatch,
} from '#framework/primitives'
import type { Mesh } from './bond/mesh.js'
import { CallDeadlines } from './client/call-deadlines.js'
import { PendingCall, type CallOwner } from './client/pending-call.js'
import { PendingWait } from './client/pending-wait.js'
import { SubmissionPipeline } from './client/submission-pipeline.js'
import { GroupError } from './group-error.js'
import type {
  Answered,
  CallOptions,
  Consistency,
  Executed,
  Group,
  GroupConditions,
  GroupEvent,
  GroupStatus,
  MemberStatus,
  QueryOptions,
  Receipt,
  WhenOptions,
} from './group.js'
import { ReadRefusedError } from './member/member.js'
import { ForwardError } from './worker/forwarding.js'
import type { GroupWorker } from './worker/group-worker.js'

const deadlineMsDefault = 10_000
/** How long to wait before a leader is asked again that gave no leave to read, in milliseconds. */
const askAgainMs = 25
const sessionBytes = 16

export interface GroupHandleOptions<C, R, Q, A> {
  readonly worker: GroupWorker<C, R, Q, A>
  readonly consistency: Consistency
  readonly isReader: boolean
  readonly clock: Clock
  readonly random: Random
  /** The handle was closed: resolves when what there is to do is done. */
  readonly release: () => Promise<void>
}

/** One of the handles of a group on a node. What it submits is carried out in the order of its calls. */
export class GroupHandle<C, R, Q, A> implements Group<C, R, Q, A> {
  readonly #options: GroupHandleOptions<C, R, Q, A>
  readonly #worker: GroupWorker<C, R, Q, A>
  readonly #pipeline: SubmissionPipeline<R>
  readonly #ended = new AbortController()
  /** Of which the outcome is not known. */
  readonly #calls: CallDeadlines<PendingCall<C, R>>
  /** Of queries. */
  readonly #waits: CallDeadlines<PendingWait>
  readonly #owner: CallOwner<C, R> = {
    onOver: (call, reason) => {
      if (this.#pipeline.withdraw(call)) call.onWithdrawn(reason)
      else call.onUnknown(reason)
    },
    onSettled: (call) => this.#calls.delete(call),
  }
  #closed: Promise<void> | undefined

  constructor(options: GroupHandleOptions<C, R, Q, A>) {
    const { worker, random, clock } = options
    this.#options = options
    this.#calls = new CallDeadlines(clock, (call, reason) => this.#owner.onOver(call, reason))
    this.#waits = new CallDeadlines(clock, (wait, reason) => wait.end(reason))
    this.#worker = worker
    this.#pipeline = new SubmissionPipeline(() => toHex(random.bytes(sessionBytes)))
    worker.serve(this.#pipeline)
    const { signal } = worker
    if (signal.aborted) this.#end(signal.reason)
    else
      signal.addEventListener('abort', () => this.#end(signal.reason), {
        once: true,
        signal: this.#ended.signal,
      })
  }

  get id(): GroupId {
    return this.#worker.id
  }

  get status(): ReadonlyWatch<GroupStatus> {
    return this.#worker.status
  }

  get members(): ReadonlyWatch<readonly MemberStatus[]> {
    return this.#worker.members
  }

  get bonds(): Mesh {
    return this.#worker.bonds.mesh
  }

  async execute(command: C, options?: CallOptions): Promise<Executed<R>> {
    const [executed] = await this.#submit([command], options).applied
    return executed!
  }

  async executeMany(commands: readonly C[], options?: CallOptions): Promise<readonly Executed<R>[]> {
    return await this.#submit(commands, options).applied
  }

  async feed(command: C, options?: CallOptions): Promise<Receipt<R>> {
    const [receipt] = await this.feedMany([command], options)
    return receipt!
  }

  async feedMany(commands: readonly C[], options?: CallOptions): Promise<readonly Receipt<R>[]> {
    const call = this.#submit(commands, options)
    // Nobody need look at what becomes of it.
    call.applied.catch(() => {})
    const { firstIndex, term } = await call.appended()
    return commands.map((_, place) => {
      const committed = call.applied.then((executed) => executed[place]!)
      committed.catch(() => {})
      return { index: firstIndex + place, term, committed }
    })
  }

  async query(query: Q, options: QueryOptions = {}): Promise<Answered<A>> {
    const { machine } = this.#worker
    const { minIndex = 0, consistency = this.#options.consistency } = options
    const given = this.#judged(() => machine.codecs.query.decode(machine.codecs.query.encode(query)), [query])
    this.#assertOpen([query])
    try {
      if (consistency !== 'local' || machine.applicationIndex < minIndex)
        await this.#upToDate(consistency, minIndex, options)
    } catch (error) {
      this.#assertOpen([query])
      if (options.signal?.aborted === true) throw options.signal.reason
      throw new GroupError('GROUP_NOT_SUBMITTED', 'nobody could answer for the group in time', [query], {
        cause: error,
      })
    }
    this.#assertOpen([query])
    return { answer: machine.query(given), index: machine.applicationIndex }
  }

  when(): GroupConditions {
    const { status } = this.#worker
    const on = (
      predicate: (status: GroupStatus) => boolean,
      name: string,
      options: WhenOptions = {},
    ): Condition<GroupStatus> => new Condition(status, predicate, { ...options, name })
    const untilEnded = (
      predicate: (status: GroupStatus) => boolean,
      name: string,
      { signal }: WhenOptions = {},
    ): Condition<GroupStatus> =>
      on(predicate, name, {
        signal: signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal]),
      })
    const { leader: leaderNow } = status.value
    return {
      leaderElected: (options) =>
        untilEnded(({ leader }) => leader !== undefined, 'a leader is known', options),
      leaderChanged: (options) =>
        untilEnded(
          ({ leader }) => leader !== undefined && leader !== leaderNow,
          'another leader is known',
          options,
        ),
      leaderIs: (peer, options) => untilEnded(({ leader }) => leader === peer, `${peer} leads`, options),
      isLeader: (options) => untilEnded(({ role }) => role === 'leader', 'this node leads', options),
      isFollower: (options) =>
        untilEnded(({ role }) => role !== 'leader', 'this node does not lead', options),
      online: (options) => untilEnded(({ phase }) => phase === 'online', 'the group is online', options),
      offline: (options) => untilEnded(({ phase }) => phase !== 'online', 'the group is offline', options),
      voters: (count, options) =>
        untilEnded(({ durability }) => durability.voters >= count, `there are ${count} voters`, options),
      committed: (index, options) =>
        untilEnded(({ committed }) => committed >= index, `index ${index} is applied`, options),
      closed: (options) =>
        on(({ phase }) => phase === 'left' || phase === 'failed', 'the group is over on this node', options),
    }
  }

  events(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterable<GroupEvent> {
    const { signal } = options
    return this.#worker.events.subscribe(signal === undefined ? {} : { signal })
  }

  async transferLeadership(to: PeerId, options: CallOptions = {}): Promise<void> {
    using deadline = this.#deadline(options)
    try {
      await this.#worker.transfer(to, deadline.signal)
      await this.when().leaderIs(to, { signal: deadline.signal })
    } catch (error) {
      this.#assertOpen([])
      if (options.signal?.aborted === true) throw options.signal.reason
      const isRefused = error instanceof ForwardError && error.reason === 'refused'
      const code = isRefused ? 'GROUP_REFUSED' : 'GROUP_NOT_SUBMITTED'
      throw new GroupError(code, 'leadership was not handed over', [], { cause: error })
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#end(new GroupError('GROUP_TERMINATED', 'this handle was closed', []))
    this.#worker.unserve(this.#pipeline)
    await this.#options.release()
  }

  /** @throws GroupError; the signal's reason. */
  #submit(commands: readonly C[], options: CallOptions = {}): PendingCall<C, R> {
    const { deadlineMs = deadlineMsDefault, signal } = options
    this.#assertOpen(commands)
    if (this.#options.isReader) throw new GroupError('GROUP_REFUSED', 'a reader submits nothing', commands)
    if (commands.length === 0) throw new GroupError('GROUP_NO_COMMANDS', 'there are no commands', commands)
    signal?.throwIfAborted()
    const { command: codec } = this.#worker.machine.codecs
    const call = new PendingCall<C, R>({
      given: commands,
      commands: this.#judged(() => commands.map((command) => codec.encode(command)), commands),
      deadlineMs,
      signal,
      owner: this.#owner,
    })
    this.#calls.add(call)
    if (!this.#pipeline.add(call)) {
      const error = new GroupError('GROUP_BUSY', 'too much waits for a leader already', commands)
      call.applied.catch(() => {})
      call.reject(error)
      throw error
    }
    this.#worker.submitSoon()
    return call
  }

  #end(reason: unknown): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort(reason)
    this.#calls.stop()
    this.#waits.stop()
    for (const call of this.#calls) this.#owner.onOver(call, reason)
    for (const wait of this.#waits) wait.end(reason)
  }

  /** @throws Why this node cannot answer in time; the signal's reason. */
  async #upToDate(
    consistency: Consistency,
    minIndex: number,
    { deadlineMs = deadlineMsDefault, signal }: CallOptions,
  ): Promise<void> {
    using wait = new PendingWait({ deadlineMs, signal })
    this.#waits.add(wait)
    try {
      if (consistency !== 'local') await wait.for(this.#readable(consistency, wait))
      if (this.#worker.machine.applicationIndex < minIndex)
        await this.when().committed(minIndex, { signal: wait.signal })
    } finally {
      this.#waits.delete(wait)
    }
  }

  /** Asks until there is somebody who can say yes. */
  async #readable(consistency: 'strong' | 'lease', wait: PendingWait): Promise<void> {
    for (;;) {
      wait.throwIfOver()
      try {
        return await this.#worker.readable(consistency)
      } catch (error) {
        wait.throwIfOver()
        const isToBeAskedAgain =
          error instanceof ForwardError || error instanceof ReadRefusedError || error instanceof TimeoutError
        if (!isToBeAskedAgain) throw error
        await this.#options.clock.sleep(askAgainMs, { signal: wait.signal })
      }
    }
  }

  #deadline({ deadlineMs = deadlineMsDefault, signal }: CallOptions): ReturnType<Clock['deadline']> {
    return this.#options.clock.deadline(deadlineMs, signal, this.#ended.signal)
  }

  #judged<T>(judge: () => T, given: readonly unknown[]): T {
    try {
      return judge()
    } catch (cause) {
      throw new GroupError('GROUP_COMMAND_INVALID', 'it is not what the machine takes', given, { cause })
    }
  }

  #assertOpen(given: readonly unknown[]): void {
    const { signal } = this.#ended
    if (!signal.aborted) return
    throw new GroupError('GROUP_TERMINATED', 'this node is not in the group any more', given, {
      cause: signal.reason,
    })
  }
}
