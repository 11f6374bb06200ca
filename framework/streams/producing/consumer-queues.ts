import type { ConsumerQueue } from './consumer-queue.js'
import { CriteriaJudge } from '../criteria/criteria-judge.js'
import type { DatumCodec } from '../codec/datum-codec.js'
import type { DatumLog } from './datum-log.js'
import { LogQueue } from './log-queue.js'
import { LogRoom } from './log-room.js'
import { OwnQueue } from './own-queue.js'
import type { OverflowPolicy } from '../producer.js'
import { datumBytesMin, type SendQueueLimits } from './send-queue.js'

export interface ConsumerQueuesOptions<T> {
  readonly log: DatumLog<T>
  readonly codec: DatumCodec<T>
  readonly limits: SendQueueLimits
  /** Whether datums are kept until they are acknowledged. */
  readonly isAcknowledged: boolean
}

/** What waits for the consumers of one producer: most of them read its log, and some have queues of their own. */
export class ConsumerQueues<T> {
  readonly #options: ConsumerQueuesOptions<T>
  // Asked for each datum, like all that follows from them: fields, and not members of the options.
  readonly #log: DatumLog<T>
  readonly #overflow: OverflowPolicy
  readonly #judge: CriteriaJudge<T>
  readonly #room: LogRoom
  /** The queues that take a copy of each datum. */
  readonly #own = new Set<OwnQueue<T>>()

  constructor(options: ConsumerQueuesOptions<T>) {
    this.#options = options
    this.#log = options.log
    this.#overflow = options.limits.overflow
    this.#judge = new CriteriaJudge(options.codec)
    this.#room = new LogRoom(options.log)
  }

  /**
   * A queue for one more consumer.
   *
   * @param start The first datum it gets: one that is kept, or the next.
   * @param criteria Which datums it wants; undefined for all.
   */
  add(start: number, criteria: unknown): ConsumerQueue {
    const { log, limits, isAcknowledged } = this.#options
    const options = { log, limits, cursor: log.cursorAt(start), isAcknowledged }
    // A queue in the log has no holes in it.
    if (limits.overflow === 'drop-newest' || criteria !== undefined) {
      const isWanted = criteria === undefined ? undefined : this.#judge.predicateOf(criteria)
      const queue = new OwnQueue({ ...options, isWanted })
      this.#own.add(queue)
      return queue
    }
    const queue = new LogQueue(options)
    this.#room.add(queue)
    return queue
  }

  delete(queue: ConsumerQueue): void {
    if (queue instanceof LogQueue) this.#room.delete(queue)
    if (queue instanceof OwnQueue) this.#own.delete(queue)
  }

  /** Whether a datum can be for none of them although there are some. */
  get areSelective(): boolean {
    return this.#own.size > 0
  }

  /** Whether no queue would refuse a datum of this size. */
  hasRoomFor(byteLength: number): boolean {
    if (this.#overflow !== 'block') return true
    if (!this.#room.hasRoomFor(byteLength)) return false
    if (this.#own.size === 0) return true
    for (const queue of this.#own) if (!queue.hasRoomFor(byteLength)) return false
    return true
  }

  /** Whether every queue would drop a datum, however short, and nothing else keeps it: then it need not be encoded. */
  get areDropping(): boolean {
    if (this.#overflow !== 'drop-newest' || this.#log.isKeeping || this.#own.size === 0) return false
    for (const queue of this.#own) if (queue.isSelective || queue.hasRoomFor(datumBytesMin)) return false
    return true
  }

  /** Goes without a datum in all queues, which count it as dropped. Only while they {@link areDropping}. */
  skip(): void {
    const sequence = this.#log.next
    this.#log.pass()
    for (const queue of this.#own) queue.skip(sequence)
  }

  /**
   * Does what the overflow policy says about queues that have no room for the log's draft.
   *
   * @returns Those whose consumers are to be closed.
   */
  makeRoom(): readonly ConsumerQueue[] {
    const overflow = this.#overflow
    if (overflow === 'block' || overflow === 'drop-newest') return none
    const log = this.#log
    const byteLength = log.draftBytes
    if (overflow === 'drop-oldest') {
      if (!this.#room.hasRoomFor(byteLength)) {
        for (const queue of this.#room.queues) queue.makeRoomFor(byteLength)
      }
      return none
    }
    const isFull = (queue: ConsumerQueue): boolean => !queue.hasRoomFor(byteLength)
    const lagging = this.#room.hasRoomFor(byteLength) ? none : [...this.#room.queues].filter(isFull)
    if (this.#own.size === 0) return lagging
    const draft = { sequence: log.next, bytes: log.draftView }
    return [...lagging, ...[...this.#own].filter((queue) => isFull(queue) && queue.wants(draft))]
  }

  /**
   * Puts the datum that was committed last into queues that take a copy.
   *
   * @returns Whether it is for anybody: for one of those, for one who reads the log, or for one who is to come.
   */
  offer(): boolean {
    const log = this.#log
    let isOffered = log.isKeeping
    if (this.#own.size === 0) return isOffered
    const datum = { sequence: log.next - 1, bytes: log.draftView }
    for (const queue of this.#own) if (queue.offer(datum) !== 'unwanted') isOffered = true
    return isOffered
  }
}

const none: readonly ConsumerQueue[] = []
