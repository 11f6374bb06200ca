import { FrameBuilder } from '#framework/network'
import { equalBytes } from '#framework/primitives'
import { LogQueue } from '../../framework/streams/producing/log-queue.js'
import { DatumFrameReader, DatumFrameWriter } from '../../framework/streams/codec/datum-frame.js'
import { DatumLog } from '../../framework/streams/producing/datum-log.js'
import { ReplayRetention } from '../../framework/streams/producing/replay-retention.js'
import { SegmentPool } from '../../framework/streams/producing/segment-pool.js'
import type { ConsumerQueue } from '../../framework/streams/producing/consumer-queue.js'
import type { DatumCodec } from '../../framework/streams/codec/datum-codec.js'
import type { LogCursor } from '../../framework/streams/producing/log-segment.js'
import type { FrameBudget, SendQueueLimits } from '../../framework/streams/producing/send-queue.js'
import type { ReplayOptions } from '#framework/streams'

/** Carries bytes as they are. */
export const plainCodec: DatumCodec<Uint8Array> = {
  id: 'plain',
  judge: (datum) => datum,
  encode: (datum, target, offset) => {
    if (datum.byteLength > target.byteLength - offset) return -1
    target.set(datum, offset)
    return offset + datum.byteLength
  },
  decode: (bytes, start, end) => bytes.slice(start, end),
}

export const plenty: FrameBudget = { creditBytes: 1 << 20, bodyBytesTarget: 1 << 16 }

/** Bytes that tell which datum they are of. */
export function datumOf(sequence: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(sequence & 0xff)
}

export interface TestLogOptions {
  readonly replay?: ReplayOptions
  readonly codec?: DatumCodec<Uint8Array>
  readonly datumBytesMax?: number
  readonly poolBytes?: number
}

/** A log with a clock that stands still until it is set. */
export class TestLog {
  nowMs = 0
  readonly pool: SegmentPool
  readonly log: DatumLog<Uint8Array>

  constructor(options: TestLogOptions = {}) {
    const { replay, codec = plainCodec, datumBytesMax = 1 << 20, poolBytes = 1 << 20 } = options
    this.pool = new SegmentPool(poolBytes)
    this.log = new DatumLog({
      codec,
      pool: this.pool,
      datumBytesMax,
      retention: replay && new ReplayRetention(replay),
      now: () => this.nowMs,
    })
  }

  append(length: number): number {
    const sequence = this.log.next
    this.log.draft(datumOf(sequence, length))
    this.log.commit()
    return sequence
  }

  appendAll(count: number, length: number): void {
    for (let i = 0; i < count; i++) this.append(length)
  }

  queue(
    limits: Partial<SendQueueLimits> = {},
    options: { cursor?: LogCursor; isAcknowledged?: boolean } = {},
  ): LogQueue {
    const { cursor = this.log.cursorAtEnd(), isAcknowledged = false } = options
    return new LogQueue({
      log: this.log,
      limits: { datumsMax: 1_000, bytesMax: 1 << 20, overflow: 'block', ...limits },
      cursor,
      isAcknowledged,
    })
  }
}

/** Takes one frame, and says which datums it holds; checks that each has the content it should have. */
export function fill(queue: ConsumerQueue, budget: FrameBudget = plenty): number[] {
  const frame = new DatumFrameWriter(new FrameBuilder())
  const moved = queue.fill(frame, budget)
  if (frame.count === 0) return []
  const reader = new DatumFrameReader(frame.take().subarray(5))
  const sequences: number[] = []
  let bytes = 0
  while (reader.remaining > 0) {
    const { sequence } = reader
    const datum = reader.next()
    bytes += datum.byteLength
    if (!equalBytes(datum, datumOf(sequence, datum.byteLength)))
      throw new Error(`datum ${sequence} is not itself`)
    sequences.push(sequence)
  }
  if (bytes !== moved) throw new Error(`${moved} bytes were said to be moved, and ${bytes} were`)
  return sequences
}

/** Takes frames until there is nothing more. */
export function fillAll(queue: ConsumerQueue, budget?: FrameBudget): number[] {
  const all: number[] = []
  for (let frame = fill(queue, budget); frame.length > 0; frame = fill(queue, budget)) all.push(...frame)
  return all
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}
