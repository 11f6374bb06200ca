import { messageOf, type Logger } from '#framework/primitives'
import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import type { Index, Verdict } from '../raft/index.js'
import type { GroupStorage } from '../storage/index.js'
import { discardedRange, discardedUpTo, type Discarded } from './discarded.js'

/**
 * For how long a member keeps what it has to give up when nobody says that it is in the log of a cluster that goes on: with
 * ticks of 50 ms 10 s, in which bonds that have ended are there again.
 */
const recordPatienceTicks = 200

export interface GivingWayOptions<C, R, Q, A> {
  readonly machine: ReplicatedMachine<C, R, Q, A>
  /** Of the member that there is. */
  readonly storage: () => GroupStorage | undefined
  /** Up to where its log is durable. */
  readonly durableIndex: () => Index
  /** Whether a cluster that goes on has in its log that this one does not. */
  readonly isOnRecord: (verdict: Verdict) => boolean
  /** How long the others of the cluster need to hear what is committed there. */
  readonly wordTicks: number
  readonly logger: Pick<Logger, 'error'>
  /** What this member has and the other cluster has not. */
  readonly onDiscarded: (discarded: Discarded<C>) => void
  /** There is nothing left to be kept. */
  readonly onOver: () => void
}

interface Course {
  readonly verdict: Verdict
  waitedTicks: number
  isEnding: boolean
}

/**
 * The end of a member whose cluster has given way to another one: what it has and the other has not is handed to the
 * application, and all is given up. Before that, the others of its cluster get time to hear of it, and the cluster that
 * goes on to write it down: as long as neither is so, this member is one of those that can tell.
 */
export class GivingWay<C, R, Q, A> {
  readonly #options: GivingWayOptions<C, R, Q, A>
  #course: Course | undefined

  constructor(options: GivingWayOptions<C, R, Q, A>) {
    this.#options = options
  }

  /** Nothing is taken in any more, and nobody is served. */
  get isUnderWay(): boolean {
    return this.#course !== undefined
  }

  begin(verdict: Verdict): void {
    this.#course ??= { verdict, waitedTicks: 0, isEnding: false }
  }

  /** The member has ended, or another one has begun. */
  stop(): void {
    this.#course = undefined
  }

  onTick(ticks: number): void {
    const { wordTicks, isOnRecord, machine, durableIndex } = this.#options
    const course = this.#course
    if (course === undefined || course.isEnding) return
    course.waitedTicks += ticks
    if (course.waitedTicks < wordTicks) return
    if (course.waitedTicks < recordPatienceTicks && !isOnRecord(course.verdict)) return
    // It is read from the storage.
    if (durableIndex() < machine.appliedIndex) return
    course.isEnding = true
    void this.#finish(course)
  }

  async #finish(course: Course): Promise<void> {
    const { storage, onDiscarded, onOver } = this.#options
    const opened = storage()
    if (opened === undefined) return
    const discarded = await this.#discarded(opened, course.verdict)
    if (this.#course !== course) return
    onDiscarded(discarded)
    onOver()
  }

  async #discarded(storage: GroupStorage, { shared }: Verdict): Promise<Discarded<C>> {
    const { machine, durableIndex, logger } = this.#options
    try {
      return await discardedUpTo(machine, storage, durableIndex(), shared)
    } catch (error) {
      logger.error('what a group gives up cannot be read', { cause: messageOf(error) })
      return { ...discardedRange(machine, shared), commands: [] }
    }
  }
}
