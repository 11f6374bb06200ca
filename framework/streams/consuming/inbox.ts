import { messageOf, Ring } from '#framework/primitives'
import { DatumDecodeError } from '../codec/datum-codec.js'
import { FrameMemory } from '../codec/datum-memory.js'
import type { Envelope } from '../consumer.js'
import type { DatumFrameReader } from '../codec/datum-frame.js'
import type { StreamDefinition } from '../definition.js'
import type { ProducerProgress } from './producer-progress.js'

/** The subscription that a received frame came with. */
export interface FrameSource {
  readonly progress: ProducerProgress
  /** What was received is not to be handed out any more. */
  readonly isDiscarded: boolean
  /** Datums were thrown away because the source was discarded: `count` of them, below `sequence`. */
  onDiscarded(count: number, sequence: number): void
  /** A datum is not what the stream's definition says. Discards the source. */
  onInvalid(violation: DatumDecodeError): void
}

/** A frame of datums that waits to be taken, wholly or in part. */
export interface ReceivedFrame {
  readonly source: FrameSource
  readonly reader: DatumFrameReader
  readonly receivedAtMs: number
  /** Datums lost just before the frame's first. */
  readonly lostBefore: number
}

/** What a datum that is handed out looks like. */
export type Present<T, R> = (datum: T, frame: ReceivedFrame, sequence: number, lostBefore: number) => R

/** Frames are bounded by the credit that was granted for them; this is only what a ring wants to know. */
const framesMax = 2 ** 31

/**
 * What a consumer has received and the application has not taken: whole frames, as they arrived, of all producers. A
 * datum is decoded when it is taken, straight from the frame, so that what waits costs its bytes and no more.
 */
export class Inbox<T> {
  readonly #codec: StreamDefinition<T>['codec']
  readonly #frames = new Ring<ReceivedFrame>(framesMax)
  readonly #memory = new FrameMemory()
  /** The producers of which datums were handed out since the last {@link settle}. */
  readonly #unsettled: ProducerProgress[] = []
  /** The frame that is being taken, not in the ring any more. */
  #frame: ReceivedFrame | undefined
  /** Datums lost just before the next one, if that is the frame's first. */
  #lostBefore = 0
  #bytes = 0
  #waitingCount = 0
  #takenCount = 0
  #takenBytes = 0

  constructor(stream: StreamDefinition<T>) {
    this.#codec = stream.codec
  }

  /** Bytes of the frames that wait. */
  get byteLength(): number {
    return this.#bytes
  }

  /** Datums that wait. */
  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Datums that were handed out so far. */
  get takenCount(): number {
    return this.#takenCount
  }

  /** The same in encoded bytes, without framing. */
  get takenBytes(): number {
    return this.#takenBytes
  }

  put(frame: ReceivedFrame): void {
    this.#frames.pushBack(frame)
    this.#bytes += frame.reader.byteLength
    this.#waitingCount += frame.reader.count
  }

  /**
   * The next datum, decoded and validated; undefined when there is none. What is invalid is skipped, and reported.
   *
   * @param present What to make of a datum that may be handed out.
   */
  take<R>(present: Present<T, R>): R | undefined {
    for (;;) {
      const frame = this.#frame ?? this.#nextFrame()
      if (frame === undefined) return undefined
      const { source, reader } = frame
      if (source.isDiscarded) {
        this.#discard(frame)
        continue
      }
      const { sequence } = reader
      reader.advance()
      this.#waitingCount--
      let datum: T
      try {
        datum = this.#codec.decode(reader.bytes, reader.start, reader.end, this.#memory)
        // It would be taken for the end, or for none.
        if (datum === undefined) throw new DatumDecodeError('mismatch', '/: undefined is no datum')
      } catch (error) {
        source.onInvalid(asDecodeError(error))
        continue
      }
      this.#takenCount++
      this.#takenBytes += reader.end - reader.start
      const lostBefore = this.#lostBefore
      this.#lostBefore = 0
      const { progress } = source
      if (progress.handOut(sequence, reader.sequence)) this.#unsettled.push(progress)
      if (reader.remaining === 0) this.#release(frame)
      return present(datum, frame, sequence, lostBefore)
    }
  }

  /** The application asks for more, or says so: it is done with everything that it was handed before. */
  settle(): void {
    if (this.#unsettled.length === 0) return
    for (const progress of this.#unsettled) progress.acknowledgeTaken()
    this.#unsettled.length = 0
  }

  #nextFrame(): ReceivedFrame | undefined {
    const frame = this.#frames.popFront()
    if (frame === undefined) return undefined
    this.#frame = frame
    this.#memory.open(frame.reader.bytes, frame.reader.count)
    this.#lostBefore = frame.lostBefore + frame.source.progress.takeDiscarded()
    return frame
  }

  #discard(frame: ReceivedFrame): void {
    const { source, reader } = frame
    const { remaining, endSequence } = reader
    this.#waitingCount -= remaining
    source.progress.discard(endSequence, remaining + this.#lostBefore)
    source.onDiscarded(remaining, endSequence)
    this.#release(frame)
  }

  #release({ source, reader }: ReceivedFrame): void {
    this.#frame = undefined
    this.#memory.close()
    this.#bytes -= reader.byteLength
    source.progress.release(reader)
  }
}

function asDecodeError(error: unknown): DatumDecodeError {
  return error instanceof DatumDecodeError ? error : new DatumDecodeError('undecodable', messageOf(error))
}

/** The datum alone. */
export function bare<T>(datum: T): T {
  return datum
}

/** The datum with what is known about it. */
export function enveloped<T>(
  datum: T,
  { source, receivedAtMs }: ReceivedFrame,
  sequence: number,
  lostBefore: number,
): Envelope<T> {
  const { producer, epoch } = source.progress
  return { datum, producer, epoch, sequence, lostBefore, receivedAtMs }
}
