import { z } from 'zod'
import { FrameBuilder } from '#framework/network'
import { ZERO_DIGEST, type PeerId } from '#framework/primitives'
import { stream } from '#framework/streams'
import { DatumDecodeError } from '../../framework/streams/codec/datum-codec.js'
import { DatumFrameReader, DatumFrameWriter } from '../../framework/streams/codec/datum-frame.js'
import { Inbox, type FrameSource, type ReceivedFrame } from '../../framework/streams/consuming/inbox.js'
import { ProducerProgress, type Acknowledging } from '../../framework/streams/consuming/producer-progress.js'

/** A stream of which the datums are one number; 255, 254 and 253 on the wire are mistakes of three kinds. */
export const Bytes = stream('received-frames.bytes', z.number())
const codec = {
  id: 'test',
  judge: (datum: number): number => datum,
  encode: (datum: number, target: Buffer, offset: number): number => target.writeUInt8(datum, offset),
  decode: (bytes: Uint8Array, start: number): number => {
    const value = bytes[start]!
    if (value === 255) throw new DatumDecodeError('mismatch', 'too large')
    if (value === 254) throw new Error('a refinement has failed')
    // As of a schema that allows it.
    return value === 253 ? (undefined as never) : value
  },
}

export function emptyInbox(): Inbox<number> {
  return new Inbox({ ...Bytes, codec })
}

export const producerId = ZERO_DIGEST as string as PeerId

/** A frame of these datums as it has arrived, each one byte long. */
export function frameOf(first: number, ...datums: readonly number[]): DatumFrameReader {
  const builder = new FrameBuilder()
  const writer = new DatumFrameWriter(builder)
  for (const [index, datum] of datums.entries()) {
    const offset = writer.reserve(first + index, 1)
    writer.buffer[offset] = datum
  }
  const { bodyBytes } = writer
  const frame = writer.take()
  return new DatumFrameReader(frame.subarray(frame.byteLength - bodyBytes))
}

/** A subscription without a link: what arrives is put into an inbox at once. */
export class FakeSource implements FrameSource {
  readonly progress: ProducerProgress
  isDiscarded = false
  lostCount = 0
  invalidCount = 0
  problem: DatumDecodeError['kind'] | undefined
  readonly #inbox: Inbox<number>

  constructor(
    inbox: Inbox<number>,
    {
      acknowledging = 'never',
      progress,
    }: { acknowledging?: Acknowledging; progress?: ProducerProgress } = {},
  ) {
    this.#inbox = inbox
    this.progress =
      progress ?? new ProducerProgress({ producer: producerId, epoch: 'epoch', first: 0, acknowledging })
  }

  /** Datums arrive, behind as many lost ones as their number says. */
  receive(first: number, ...datums: readonly number[]): ReceivedFrame {
    const reader = frameOf(first, ...datums)
    this.lostCount += this.progress.advanceTo(first)
    const frame = { source: this, reader, lostBefore: this.progress.arrive(reader), receivedAtMs: 0 }
    this.#inbox.put(frame)
    return frame
  }

  onDiscarded(count: number): void {
    this.lostCount += count
  }

  onInvalid({ kind }: DatumDecodeError): void {
    this.invalidCount++
    this.problem = kind
    this.isDiscarded = true
  }
}
