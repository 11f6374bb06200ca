import { decode, messageOf, Ring } from '#framework/primitives'
import type { Envelope } from './consumer.js'
import type { DatumFrameReader } from './datum-frame.js'
import type { StreamDefinition } from './definition.js'

/** Whom a received frame came from, and who wants to know what becomes of it. */
export interface FrameSource {
  readonly envelopeHead: Pick<Envelope<unknown>, 'producer' | 'epoch'>
  /** What was received is not to be handed out any more. */
  readonly isDiscarded: boolean
  /** A datum was handed out. */
  onDatumTaken(sequence: number, byteLength: number): void
  /** All of a frame's datums are gone, and so is the memory it took. */
  onFrameTaken(bodyBytes: number): void
  /** Datums were thrown away because the source was discarded: `count` of them, below `sequence`. */
  onDiscarded(count: number, sequence: number): void
  /** A datum is not what the stream's definition says. Discards the source. */
  onInvalid(violation: DatumViolation): void
}

/** Why a received datum cannot be handed out: its bytes are no value, or the value does not satisfy the schema. */
export interface DatumViolation {
  readonly kind: 'undecodable' | 'mismatch'
  readonly message: string
}

interface ReceivedFrame {
  readonly source: FrameSource
  readonly reader: DatumFrameReader
  readonly receivedAtMs: number
  /** Datums missing before the frame's first; told with that one. */
  lostBefore: number
}

/** Frames are bounded by the credit that was granted for them; this is only what a ring wants to know. */
const framesMax = 2 ** 31

/**
 * What a consumer has received and the application has not taken: whole frames, as they arrived, of all producers. A
 * datum is decoded when it is taken, so that what waits costs its bytes and no more.
 */
export class Inbox<T> {
  readonly #schema: StreamDefinition<T>['schema']
  readonly #frames = new Ring<ReceivedFrame>(framesMax)
  #bytes = 0

  constructor(stream: StreamDefinition<T>) {
    this.#schema = stream.schema
  }

  /** Bytes of the frames that wait. */
  get byteLength(): number {
    return this.#bytes
  }

  put(frame: ReceivedFrame): void {
    this.#frames.pushBack(frame)
    this.#bytes += frame.reader.byteLength
  }

  /** The next datum, decoded and validated; undefined when there is none. What is invalid is skipped, and reported. */
  take(): Envelope<T> | undefined {
    for (;;) {
      const frame = this.#frames.peekFront()
      if (frame === undefined) return undefined
      const { source, reader, receivedAtMs } = frame
      if (source.isDiscarded) {
        source.onDiscarded(reader.remaining, reader.first + reader.count)
        this.#pop(frame)
        continue
      }
      const { sequence } = reader
      const bytes = reader.next()
      const opened = this.#open(bytes)
      if ('violation' in opened) {
        source.onInvalid(opened.violation)
        continue
      }
      const { lostBefore } = frame
      frame.lostBefore = 0
      source.onDatumTaken(sequence, bytes.byteLength)
      if (reader.remaining === 0) this.#pop(frame)
      const { producer, epoch } = source.envelopeHead
      return { datum: opened.datum, producer, epoch, sequence, lostBefore, receivedAtMs }
    }
  }

  #open(bytes: Uint8Array): { readonly datum: T } | { readonly violation: DatumViolation } {
    let value
    try {
      value = decode(bytes)
    } catch (error) {
      return { violation: { kind: 'undecodable', message: messageOf(error) } }
    }
    try {
      const result = this.#schema.safeParse(value)
      if (result.success) return { datum: result.data }
      const [issue] = result.error.issues
      return {
        violation: { kind: 'mismatch', message: `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}` },
      }
    } catch (error) {
      // A refinement of the application's that throws, or one that wants to be awaited.
      return { violation: { kind: 'mismatch', message: messageOf(error) } }
    }
  }

  #pop(frame: ReceivedFrame): void {
    this.#frames.popFront()
    this.#bytes -= frame.reader.byteLength
    frame.source.onFrameTaken(frame.reader.byteLength)
  }
}
