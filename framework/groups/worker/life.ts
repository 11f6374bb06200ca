import {
  Backoff,
  messageOf,
  MosaikError,
  TaskScope,
  type Clock,
  type GroupId,
  type Logger,
  type PeerId,
  type Random,
} from '#framework/primitives'
import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import { Member, type MemberEvents, type MemberOptions } from '../member/member.js'
import type { Unwritten } from '../member/unwritten.js'
import type { MemberId, Verdict } from '../raft/index.js'
import { memberIdOf } from '../raft/member-id.js'
import { GroupStorageError, type OpenedStorage, type StorageProvider } from '../storage/index.js'

/** The member gives up what it has, and begins anew as another one. Code `GROUP_BEGINS_ANEW`. */
export class BeginsAnewError extends MosaikError {
  readonly gaveWay: readonly Verdict[]

  constructor(gaveWay: readonly Verdict[]) {
    super('GROUP_BEGINS_ANEW', 'this member has given up what it had')
    this.gaveWay = gaveWay
  }
}

/** How often storage that fails is tried again. */
const retry = { initialMs: 500, maxMs: 10_000 }
/** What may be over when there is space, or the disk works again. */
const passing: ReadonlySet<string> = new Set([
  'GROUP_STORAGE_FULL',
  'GROUP_STORAGE_FAILED',
  'GROUP_STORAGE_BUSY',
])

export interface LifeOptions<C, R, Q, A> {
  readonly groupId: GroupId
  readonly peer: PeerId
  readonly storages: StorageProvider
  readonly machine: ReplicatedMachine<C, R, Q, A>
  readonly raft: MemberOptions<C, R, Q, A>['raft']
  readonly checkpointEntries?: MemberOptions<C, R, Q, A>['checkpointEntries']
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What a life tells. */
export interface LifeEvents<C, R, Q, A> extends Omit<MemberEvents<R>, 'onEnded'> {
  /** A member lives: the first one, or another one after the storage had failed. */
  onBegun(member: Member<C, R, Q, A>): void
  /** The storage fails: there is no member until it works again. */
  onStalled(cause: unknown): void
  /** There will be no member any more. */
  onFailed(cause: unknown): void
}

/**
 * Sees to it that this node has a member in the group: opens the storage, and when that fails later, for a full disk say,
 * opens it again until it works. The member goes on where the storage says, and nothing that it had said is lost.
 */
export class Life<C = unknown, R = unknown, Q = unknown, A = unknown> {
  readonly #options: LifeOptions<C, R, Q, A>
  readonly #backoff: Backoff
  readonly #scope = new TaskScope()
  #opened: OpenedStorage | undefined
  #member: Member<C, R, Q, A> | undefined
  /** While the storage is closed. */
  #lastIncarnation: string
  /** What the machine has applied and a storage that failed did not take in. */
  #unwritten: Unwritten | undefined

  private constructor(options: LifeOptions<C, R, Q, A>, opened: OpenedStorage) {
    this.#options = options
    this.#opened = opened
    this.#lastIncarnation = opened.restored.incarnation
    this.#backoff = new Backoff(retry, options.random)
  }

  /** @throws GroupStorageError what opening the storage throws. */
  static async open<C, R, Q, A>(options: LifeOptions<C, R, Q, A>): Promise<Life<C, R, Q, A>> {
    return new Life(options, await options.storages.open(options.groupId))
  }

  /** Who this node is in the group, as long as the storage is the one it is. */
  get memberId(): MemberId {
    const { peer } = this.#options
    return memberIdOf(peer, this.incarnation)
  }

  get incarnation(): string {
    return this.#opened?.restored.incarnation ?? this.#lastIncarnation
  }

  /** Undefined while there is none. */
  get member(): Member<C, R, Q, A> | undefined {
    return this.#member
  }

  get storage(): OpenedStorage['storage'] | undefined {
    return this.#opened?.storage
  }

  get isVolatile(): boolean {
    return this.#opened?.restored.isVolatile ?? false
  }

  /** Begins, and tells from now on. */
  start(events: LifeEvents<C, R, Q, A>): void {
    this.#scope.spawn('member', (signal) => this.#live(events, signal))
  }

  /** By what clusters have given way that this node was in before, as far as its storage was told. */
  get gaveWay(): readonly Verdict[] {
    return this.#opened?.restored.gaveWay ?? []
  }

  /**
   * Has the member forget everything and go on as another one.
   *
   * @param gaveWay By what clusters have given way that it was in, which the storage is to keep.
   */
  beginAnew(gaveWay: readonly Verdict[]): void {
    this.#member?.end(new BeginsAnewError(gaveWay))
  }

  /** Ends the member and lets go of the storage. Idempotent. */
  async close(cause: unknown): Promise<void> {
    this.#member?.end(cause)
    await this.#scope.close()
    await this.#letGo()
  }

  async #live(events: LifeEvents<C, R, Q, A>, signal: AbortSignal): Promise<void> {
    const { clock, logger, groupId } = this.#options
    while (!signal.aborted) {
      const cause = await this.#liveOnce(events, signal)
      if (signal.aborted) return
      if (cause instanceof BeginsAnewError) continue
      if (!(cause instanceof GroupStorageError) || !passing.has(cause.code)) return events.onFailed(cause)
      events.onStalled(cause)
      const delayMs = this.#backoff.next()
      logger.warn('the storage of a group fails', {
        group: groupId,
        cause: messageOf(cause),
        retryInMs: Math.round(delayMs),
      })
      await clock.sleep(delayMs, { signal })
    }
  }

  /** @returns Why it is over. */
  async #liveOnce(events: LifeEvents<C, R, Q, A>, signal: AbortSignal): Promise<unknown> {
    const { storages, groupId, machine, raft, checkpointEntries, clock, random } = this.#options
    try {
      this.#opened ??= await storages.open(groupId)
      const { storage, restored } = this.#opened
      this.#lastIncarnation = restored.incarnation
      const ended = Promise.withResolvers<unknown>()
      this.#member = await Member.start({
        id: this.memberId,
        storage,
        restored,
        unwritten: this.#unwritten,
        machine,
        raft,
        checkpointEntries,
        clock,
        random,
        events: { ...events, onEnded: ended.resolve },
      })
      this.#unwritten = undefined
      if (signal.aborted) this.#member.end(signal.reason)
      else events.onBegun(this.#member)
      const cause = await ended.promise
      this.#unwritten = this.#member.unwritten
      if (cause instanceof BeginsAnewError) {
        await storage.reset(cause.gaveWay)
        machine.reset()
        this.#unwritten = undefined
      }
      return cause
    } catch (error) {
      return error
    } finally {
      this.#member = undefined
      await this.#letGo()
    }
  }

  async #letGo(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await opened?.storage.close().catch((error: unknown) => {
      this.#options.logger.warn('the storage of a group could not be closed', { cause: messageOf(error) })
    })
  }
}
