import type { ConsumerQueue } from './consumer-queue.js'
import type { DatumFrameWriter } from '../codec/datum-frame.js'
import { DatumRing } from './datum-ring.js'
import type { OverflowPolicy } from '../producer.js'

/** One encoded datum, which is offered to the queues of all consumers: each of them makes its own copy. */
export interface QueuedDatum {
  readonly sequence: number
  readonly bytes: Uint8Array
}

/** How much may wait for one consumer, and what happens to more. */
export interface SendQueueLimits {
  readonly datumsMax: number
  readonly bytesMax: number
  readonly overflow: OverflowPolicy
}

/** Nothing is encoded to less: a queue without room for so much has room for no datum. */
export const datumBytesMin = 1

/**
 * What became of a datum: `refused` leaves it with the caller, `lagging` drops it and asks for the end of the subscription,
 * `unwanted` does not meet the consumer's criteria.
 */
export type OfferOutcome = 'queued' | 'dropped' | 'refused' | 'lagging' | 'unwanted'

/** How much one frame may take from the queue. */
export interface FrameBudget {
  /** What the consumer has granted. The datum that uses it up is the frame's last. */
  readonly creditBytes: number
  /** How long a frame should be, body only; one datum may be longer. */
  readonly bodyBytesTarget: number
  /** How many datums it may hold. Default: no limit. */
  readonly datumsMax?: number
}

/** What is missing behind the last datum that a consumer was told of. */
export interface Gap {
  /** Everything below is now accounted for. */
  readonly sequence: number
  /** How many are lost; the others did not meet the consumer's criteria. */
  readonly lost: number
}

/**
 * What waits for one consumer: bounded in datums and in bytes, in order, with every loss accounted for. Pure.
 *
 * The consumer is told about each sequence number exactly once: by a datum, or as missing, which is either lost or not
 * wanted. What is missing between two datums shows in the frame that follows; what is missing at the end is
 * {@link takeGap}'s to tell.
 */
export class SendQueue implements ConsumerQueue {
  readonly #limits: SendQueueLimits
  readonly #datums: DatumRing
  /** What was written and is kept until it is acknowledged; undefined when that is not asked for. */
  readonly #unacknowledged: DatumRing | undefined
  #droppedCount = 0
  #unwantedCount = 0
  /** Everything below was offered. */
  #offered: number
  /** The consumer knows about everything below. */
  #told: number
  /** Lost since then, before the oldest datum that waits. */
  #lostAhead = 0
  /** Lost behind the newest datum that waits. */
  #lostBehind = 0
  /** The consumer says that it has acknowledged everything below. */
  #acknowledged: number
  /** Written and given up before it was acknowledged: dropped for a consumer that comes back without it. */
  #givenUpSentCount = 0
  /** Lost before one of these, which the consumer was told of. */
  #givenUpLostCount = 0
  /** Of those lost behind the newest datum that was written, how many the consumer was told of: it may come back without them. */
  #lostTold = 0

  /**
   * @param firstSequence The first sequence number that the consumer is to know about.
   * @param isAcknowledged Whether datums are kept, and count, until they are acknowledged.
   */
  constructor(limits: SendQueueLimits, firstSequence: number, isAcknowledged = false) {
    this.#limits = limits
    if (isAcknowledged) this.#unacknowledged = new DatumRing(limits.datumsMax, limits.bytesMax)
    this.#datums = new DatumRing(limits.datumsMax, limits.bytesMax)
    this.#offered = firstSequence
    this.#told = firstSequence
    this.#acknowledged = firstSequence
  }

  get length(): number {
    return this.#datums.length + (this.#unacknowledged?.length ?? 0)
  }

  get byteLength(): number {
    return this.#datums.byteLength + (this.#unacknowledged?.byteLength ?? 0)
  }

  get unwrittenCount(): number {
    return this.#datums.length
  }

  get unwrittenBytes(): number {
    return this.#datums.byteLength
  }

  get droppedCount(): number {
    return this.#droppedCount
  }

  /** Datums that the consumer did not want. */
  get unwantedCount(): number {
    return this.#unwantedCount
  }

  /** Everything below this sequence number has left the queue, one way or the other. */
  get writtenUpTo(): number {
    return this.#datums.length > 0 ? this.#datums.frontSequence : this.#offered
  }

  /** Whether a datum of this size would be queued as things are. An empty queue has room for any datum. */
  hasRoomFor(byteLength: number): boolean {
    const { datumsMax, bytesMax } = this.#limits
    const { length } = this
    return length === 0 || (length < datumsMax && this.byteLength + byteLength <= bytesMax)
  }

  /** Puts a datum at the end if there is room, and otherwise does what the policy says. */
  offer(datum: QueuedDatum): OfferOutcome {
    const { byteLength } = datum.bytes
    if (!this.hasRoomFor(byteLength)) {
      switch (this.#limits.overflow) {
        case 'block':
          return 'refused'
        case 'disconnect':
          this.skip(datum.sequence)
          return 'lagging'
        case 'drop-newest':
          this.skip(datum.sequence)
          return 'dropped'
        case 'drop-oldest':
          while (!this.hasRoomFor(byteLength)) this.#dropOldest()
      }
    }
    this.#datums.push(datum.sequence, datum.bytes, this.#lostBehind)
    this.#lostBehind = 0
    this.#offered = datum.sequence + 1
    return 'queued'
  }

  /** Goes without a datum, which counts as dropped. */
  skip(sequence: number): void {
    this.#offered = sequence + 1
    this.#lostBehind++
    this.#droppedCount++
  }

  /** Goes without a datum that the consumer does not want. */
  pass(sequence: number): void {
    this.#unwantedCount++
    this.#offered = sequence + 1
  }

  /**
   * Moves datums into an empty frame: as many as it can tell of, at least one if any waits and there is credit.
   *
   * @returns The bytes of the moved datums, without framing; 0 when nothing was moved.
   */
  fill(frame: DatumFrameWriter, budget: FrameBudget): number {
    const { creditBytes, bodyBytesTarget, datumsMax = Infinity } = budget
    const datums = this.#datums
    let moved = 0
    while (datums.length > 0 && frame.bodyBytes < creditBytes && frame.count < datumsMax) {
      const { frontSequence, frontByteLength } = datums
      const lost = this.#lostAhead + datums.frontLostBefore
      // Who comes back may know of some of it already.
      const lostBefore = frame.count === 0 ? Math.min(lost, frontSequence - this.#told) : lost
      if (frame.count > 0) {
        if (!frame.continuesWith(frontSequence, lostBefore)) break
        if (frame.bodyBytes + frame.bytesFor(frontSequence, frontByteLength) > bodyBytesTarget) break
      }
      const offset = frame.reserve(frontSequence, frontByteLength, lostBefore)
      datums.copyFront(frame.buffer, offset)
      this.#unacknowledged?.push(
        frontSequence,
        frame.buffer.subarray(offset, offset + frontByteLength),
        lost + this.#lostTold,
      )
      datums.pop()
      this.#lostAhead = 0
      this.#lostTold = 0
      moved += frontByteLength
    }
    if (frame.count > 0) this.#told = frame.next
    return moved
  }

  /**
   * What is missing behind everything the consumer knows about, when nothing waits that would show it. Once.
   *
   * @param unwantedMin If nothing of it is lost, it is worth telling from so many datums on.
   */
  takeGap(unwantedMin = 1): Gap | undefined {
    if (this.#datums.length > 0) return undefined
    const lost = Math.min(this.#lostAhead + this.#lostBehind, this.#offered - this.#told)
    if (lost === 0 && this.#offered - this.#told < unwantedMin) return undefined
    this.#told = this.#offered
    this.#lostTold += this.#lostAhead + this.#lostBehind
    this.#lostAhead = 0
    this.#lostBehind = 0
    return { sequence: this.#offered, lost }
  }

  get acknowledgedUpTo(): number {
    return this.#acknowledged
  }

  acknowledge(sequence: number): void {
    const ring = this.#unacknowledged
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(sequence, this.writtenUpTo))
    if (sequence >= this.#keptFrom) this.#forgetGivenUp()
    while (ring !== undefined && ring.length > 0 && ring.frontSequence < sequence) ring.pop()
  }

  rewind(sequence: number): void {
    const ring = this.#unacknowledged
    if (ring === undefined) return
    this.#told = Math.max(Math.min(sequence, this.writtenUpTo), this.#acknowledged)
    // Of those given up it may have some. Which, only their numbers would say: it is never told of fewer than are missing.
    const missing = Math.max(0, this.#keptFrom - this.#told)
    const givenUp = Math.min(this.#givenUpSentCount + this.#givenUpLostCount, missing)
    this.#droppedCount += Math.min(this.#givenUpSentCount, missing)
    this.#forgetGivenUp()
    const written = takeAll(ring)
    const waiting = takeAll(this.#datums)
    const again = written.filter((datum) => datum.sequence >= this.#told)
    const lost = this.#lostAhead + this.#lostTold
    if (waiting[0] === undefined) this.#lostBehind += lost
    else waiting[0].lostBefore += lost
    this.#lostAhead = 0
    this.#lostTold = 0
    const first = again[0] ?? waiting[0]
    if (first === undefined) this.#lostBehind += givenUp
    else first.lostBefore += givenUp
    for (const { sequence, bytes, lostBefore } of written) {
      if (sequence < this.#told) ring.push(sequence, bytes, lostBefore)
    }
    for (const { sequence, bytes, lostBefore } of [...again, ...waiting]) {
      this.#datums.push(sequence, bytes, lostBefore)
    }
  }

  clear(): void {
    while (this.#datums.length > 0) this.#dropWaiting()
    this.#datums.clear()
    this.#unacknowledged?.clear()
  }

  /** Gives up what waits and what was not acknowledged, and counts it. */
  abandon(): void {
    this.#droppedCount += this.length
    this.#datums.clear()
    this.#unacknowledged?.clear()
  }

  /** Goes without datums up to a sequence number, which all count as dropped. */
  skipTo(sequence: number): void {
    this.#lostBehind += sequence - this.#offered
    this.#droppedCount += sequence - this.#offered
    this.#offered = sequence
  }

  #dropOldest(): void {
    const written = this.#unacknowledged
    if (written === undefined || written.length === 0) return this.#dropWaiting()
    // The consumer may have it.
    this.#givenUpSentCount++
    this.#givenUpLostCount += written.frontLostBefore
    written.pop()
  }

  /** The number of the oldest datum that is kept, or of the next one. */
  get #keptFrom(): number {
    const ring = this.#unacknowledged
    return ring !== undefined && ring.length > 0 ? ring.frontSequence : this.writtenUpTo
  }

  #forgetGivenUp(): void {
    this.#givenUpSentCount = 0
    this.#givenUpLostCount = 0
  }

  #dropWaiting(): void {
    this.#droppedCount++
    this.#lostAhead += this.#datums.frontLostBefore + 1
    this.#datums.pop()
  }
}

interface KeptDatum {
  readonly sequence: number
  readonly bytes: Uint8Array
  lostBefore: number
}

function takeAll(ring: DatumRing): KeptDatum[] {
  const datums: KeptDatum[] = []
  while (ring.length > 0) {
    const bytes = new Uint8Array(ring.frontByteLength)
    ring.copyFront(bytes, 0)
    datums.push({ sequence: ring.frontSequence, bytes, lostBefore: ring.frontLostBefore })
    ring.pop()
  }
  return datums
}
