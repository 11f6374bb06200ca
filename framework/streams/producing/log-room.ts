import type { DatumLog } from './datum-log.js'
import type { LogQueue } from './log-queue.js'

/**
 * Whether all consumers that read the producer's log have room for one more datum. It is asked before every datum, so it
 * keeps how far the log may grow for the answer to be yes in any case: queues only ever get more room by themselves.
 */
export class LogRoom {
  readonly #log: DatumLog<unknown>
  readonly #queues = new Set<LogQueue>()
  #sequenceLimit = 0
  #payloadLimit = 0

  constructor(log: DatumLog<unknown>) {
    this.#log = log
  }

  /** The queues that are asked. */
  get queues(): ReadonlySet<LogQueue> {
    return this.#queues
  }

  add(queue: LogQueue): void {
    this.#queues.add(queue)
    this.#sequenceLimit = 0
  }

  delete(queue: LogQueue): void {
    this.#queues.delete(queue)
  }

  hasRoomFor(byteLength: number): boolean {
    const { next, payload } = this.#log
    if (next < this.#sequenceLimit && payload + byteLength <= this.#payloadLimit) return true
    this.#sequenceLimit = Infinity
    this.#payloadLimit = Infinity
    let hasRoom = true
    for (const queue of this.#queues) {
      if (!queue.hasRoomFor(byteLength)) hasRoom = false
      this.#sequenceLimit = Math.min(this.#sequenceLimit, queue.sequenceLimit)
      this.#payloadLimit = Math.min(this.#payloadLimit, queue.payloadLimit)
    }
    return hasRoom
  }
}
