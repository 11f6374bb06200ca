import { Ring, type PeerId } from '#framework/primitives'
import { frameCreditBytes } from '../credit.js'
import type { DatumFrameReader } from '../codec/datum-frame.js'
import { Unacknowledged } from './unacknowledged.js'
import { StreamProtocolError } from '../wire.js'

/**
 * When a datum counts as acknowledged: `never`, because the producer does not ask; `taken`, when the application asks for
 * the one after it; `manual`, when the application says so.
 */
export type Acknowledging = 'never' | 'taken' | 'manual'

export interface ProducerProgressOptions {
  readonly producer: PeerId
  readonly epoch: string
  /** The first datum that the consumer is to get. */
  readonly first: number
  readonly acknowledging: Acknowledging
  /** The same for the life of the producer before, of which there may still be frames. */
  readonly before?: ProducerProgress | undefined
}

/** A frame that was taken completely, and of which not every datum is acknowledged. */
interface TakenFrame {
  readonly end: number
  readonly bodyBytes: number
}

/** What all lives of a producer have in common, because frames of an earlier one may still wait to be taken. */
interface Shared {
  heldBytes: number
  onProgress: (() => void) | undefined
}

/** Each is of a frame that took credit, and credit is bounded; this is only what a ring wants to know. */
const takenFramesMax = 2 ** 31

/**
 * How far a consumer is with one life of a producer: what has arrived, what the application was handed and has
 * acknowledged, and what is lost. Outlives the subscriptions, so that one goes on where the last one had ended. Pure.
 */
export class ProducerProgress {
  readonly producer: PeerId
  readonly epoch: string

  readonly #shared: Shared
  /** Undefined where the application never acknowledges by itself. */
  #unacknowledged: Unacknowledged | undefined
  /** Undefined where the producer does not ask. */
  #takenFrames: Ring<TakenFrame> | undefined
  /** Everything below has arrived or is lost or was not wanted. */
  #expected: number
  /** Behind the last datum that arrived. */
  #arrivedEnd: number
  /** Behind the last datum that was handed out or thrown away. */
  #handedOutEnd: number
  /** Lost datums that no frame has told of yet. */
  #lostAhead = 0
  /** The same of those that were thrown away after they had arrived. */
  #discarded = 0
  #acknowledging: Acknowledging
  #notifyAt = Number.POSITIVE_INFINITY
  /** The first datum that was handed out since the application asked last: it and those after it are not acknowledged. */
  #unsettledFrom: number | undefined

  constructor({ producer, epoch, first, acknowledging, before }: ProducerProgressOptions) {
    this.producer = producer
    this.epoch = epoch
    this.#acknowledging = acknowledging
    this.#shared = before?.giveUp() ?? { heldBytes: 0, onProgress: undefined }
    this.#expected = first
    this.#arrivedEnd = first
    this.#handedOutEnd = first
  }

  /** The number of the next datum to arrive: everything below has arrived, or never will. */
  get expected(): number {
    return this.#expected
  }

  /** Everything below was taken by the application, or never will be. */
  get taken(): number {
    // What is missing behind the last datum that arrived counts as taken together with that.
    return this.#handedOutEnd === this.#arrivedEnd ? this.#expected : this.#handedOutEnd
  }

  /** Everything below was acknowledged by the application, or never will be. */
  get acknowledged(): number {
    return this.#unsettledFrom ?? this.#unacknowledged?.first ?? this.taken
  }

  /** What the frames of this producer take that were not taken and acknowledged yet, in bytes of credit. */
  get heldBytes(): number {
    return this.#shared.heldBytes
  }

  /** Whether there is a subscription that follows this. */
  get isFollowed(): boolean {
    return this.#shared.onProgress !== undefined
  }

  /**
   * The listener is called when something has happened that the producer may be waiting for, until the returned function
   * is called or another one follows.
   */
  follow(listener: () => void): () => void {
    this.#shared.onProgress = listener
    return () => {
      if (this.#shared.onProgress === listener) this.#shared.onProgress = undefined
    }
  }

  /** The listener is also called when everything below the number was taken. */
  set notifyAt(sequence: number) {
    this.#notifyAt = sequence
  }

  /**
   * Nothing below the number will arrive any more.
   *
   * @param lost How many of those that have not arrived are lost; the others were not wanted. Default: all.
   * @returns How many are lost.
   * @throws StreamProtocolError
   */
  advanceTo(sequence: number, lost?: number): number {
    const missing = sequence - this.#expected
    if (missing < 0) throw new StreamProtocolError('sequence numbers do not go back')
    if (lost !== undefined && lost > missing)
      throw new StreamProtocolError('more datums are said to be lost than are missing')
    this.#expected = sequence
    this.#lostAhead += lost ?? missing
    return lost ?? missing
  }

  /**
   * Datums have arrived, just behind what there was.
   *
   * @returns How many are lost just before them.
   */
  arrive(frame: DatumFrameReader): number {
    this.#expected = frame.endSequence
    this.#arrivedEnd = frame.endSequence
    this.#shared.heldBytes += frameCreditBytes(frame.byteLength)
    const lost = this.#lostAhead
    this.#lostAhead = 0
    return lost
  }

  /**
   * The application was handed a datum, the next of those that have arrived.
   *
   * @param next The number of the one after it in the same frame; of the last one, just the next number.
   * @returns Whether it is the first since {@link acknowledgeTaken} that is acknowledged by that.
   */
  handOut(sequence: number, next: number): boolean {
    this.#handedOutEnd = next
    if (next >= this.#notifyAt) this.#shared.onProgress?.()
    if (this.#acknowledging === 'never') return false
    if (this.#acknowledging === 'manual') {
      this.#unacknowledged ??= new Unacknowledged()
      this.#unacknowledged.add(sequence)
      return false
    }
    if (this.#unsettledFrom !== undefined) return false
    this.#unsettledFrom = sequence
    return true
  }

  /** What has arrived and not been handed out was thrown away up to the number: `count` datums. */
  discard(end: number, count: number): void {
    this.#handedOutEnd = end
    this.#discarded += count
  }

  /** How many datums were thrown away since the last call. */
  takeDiscarded(): number {
    const discarded = this.#discarded
    this.#discarded = 0
    return discarded
  }

  /** All of a frame's datums are gone, and so is the memory it took. */
  release(frame: DatumFrameReader): void {
    if (this.#acknowledging === 'never') {
      this.#shared.heldBytes -= frameCreditBytes(frame.byteLength)
    } else {
      this.#takenFrames ??= new Ring(takenFramesMax)
      this.#takenFrames.pushBack({ end: frame.endSequence, bodyBytes: frame.byteLength })
    }
    this.#onAcknowledged()
  }

  /** Acknowledges a datum. */
  acknowledge(sequence: number): void {
    this.#unacknowledged?.remove(sequence)
    this.#onAcknowledged()
  }

  /** The application asks for more: acknowledges everything that it was handed before, unless it does so itself. */
  acknowledgeTaken(): void {
    this.#unsettledFrom = undefined
    this.#onAcknowledged()
  }

  /**
   * The producer has begun another life: nobody wants acknowledgements for this one any more.
   *
   * @returns What the new one takes over.
   */
  giveUp(): Shared {
    this.#acknowledging = 'never'
    this.#unsettledFrom = undefined
    this.#unacknowledged?.clear()
    this.#releaseAcknowledged()
    return this.#shared
  }

  #onAcknowledged(): void {
    this.#releaseAcknowledged()
    this.#shared.onProgress?.()
  }

  /** Frames count as held until they are acknowledged: so the credit bounds what is not. */
  #releaseAcknowledged(): void {
    const takenFrames = this.#takenFrames
    if (takenFrames === undefined) return
    const { acknowledged } = this
    for (
      let frame = takenFrames.peekFront();
      frame !== undefined && frame.end <= acknowledged;
      frame = takenFrames.peekFront()
    ) {
      takenFrames.popFront()
      this.#shared.heldBytes -= frameCreditBytes(frame.bodyBytes)
    }
  }
}
