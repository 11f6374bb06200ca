import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CloseReasons } from '../../framework/network/close-reason.js'
import { FRAME_BYTES_TARGET, FrameBuilder } from '../../framework/network/frame-builder.js'
import {
  CLOSE_FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameError,
  FrameKind,
  FrameReader,
  FrameTooLargeError,
  frameOf,
  isWholeFrame,
  type RawFrame,
} from '../../framework/network/frame.js'
import { concatBytes } from '#framework/primitives'

const KIB = 1024
const MIB = 1024 * KIB

/** Everything a reader can be made to hand out. */
function drain(reader: FrameReader): RawFrame[] {
  const frames: RawFrame[] = []
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame)
  return frames
}

function refusal(reader: FrameReader): FrameError {
  try {
    drain(reader)
  } catch (error) {
    if (error instanceof FrameError) return error
    throw error
  }
  throw new Error('the reader refused nothing')
}

function headerOf(length: number, kind: number): Uint8Array {
  return new Uint8Array([length >>> 24, length >>> 16, length >>> 8, length, kind])
}

/** Cuts bytes at the given places, each a number that is folded into the range. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = places.map((place) => place % (bytes.byteLength + 1)).sort((a, b) => a - b)
  return [...sorted, bytes.byteLength].map((end, i) => bytes.slice(sorted[i - 1] ?? 0, end))
}

const kinds = fc.constantFrom(...Object.values(FrameKind))
const frames = fc.array(fc.record({ kind: kinds, body: fc.uint8Array({ maxLength: 300 }) }), {
  maxLength: 20,
})

describe('reading frames', () => {
  test('given any frames in any chunks, when they are read, then the same frames come out', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 40 }), fc.boolean(), (sent, places, pullEarly) => {
        const wire = concatBytes(...sent.map(({ kind, body }) => frameOf(kind, body, MIB)))
        const reader = new FrameReader(MIB)
        const received: RawFrame[] = []
        for (const chunk of cut(wire, places)) {
          reader.push(chunk)
          if (pullEarly) received.push(...drain(reader))
        }
        received.push(...drain(reader))
        expect(received).toEqual(sent)
        expect(reader.midFrame).toBe(false)
      }),
    )
  })

  test('given any garbage, when it is read, then nothing but a reason to close comes of it', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const reader = new FrameReader(KIB)
        try {
          for (const chunk of chunks) {
            reader.push(chunk)
            for (const { kind, body } of drain(reader)) {
              expect(Object.values(FrameKind)).toContain(kind)
              expect(body.byteLength).toBeLessThan(CLOSE_FRAME_BYTES_MAX)
            }
          }
        } catch (error) {
          if (!(error instanceof FrameError)) throw error
          expect([CloseReasons.ProtocolViolation.code, CloseReasons.FrameTooLarge.code]).toContain(
            error.reason.code,
          )
        }
      }),
    )
  })

  test('given a truncated frame, when the bytes stop, then no frame comes out and the reader knows it is inside one', () => {
    const wire = frameOf(FrameKind.bytes, new Uint8Array(100), MIB)
    for (let length = 1; length < wire.byteLength; length++) {
      const reader = new FrameReader(MIB)
      reader.push(wire.subarray(0, length))
      expect(reader.next()).toBeUndefined()
      expect(reader.midFrame).toBe(true)
    }
  })

  test('given frames that lie whole in one chunk, when they are read, then their bodies are views of it', () => {
    const chunk = concatBytes(
      frameOf(FrameKind.bytes, new Uint8Array([1, 2, 3]), MIB),
      frameOf(FrameKind.message, new Uint8Array([4]), MIB),
    )
    const reader = new FrameReader(MIB)
    reader.push(chunk)
    for (const { body } of drain(reader)) expect(body.buffer).toBe(chunk.buffer)
  })

  test('given a chunk that is a Buffer inside a larger one, when it is read, then bodies are plain and at the right place', () => {
    const wire = frameOf(FrameKind.bytes, new Uint8Array([7, 8, 9]), MIB)
    const slab = Buffer.concat([Buffer.from([0xff, 0xff]), wire, Buffer.from([0xff])])
    const reader = new FrameReader(MIB)
    reader.push(slab.subarray(2, 2 + wire.byteLength))
    const body = reader.next()?.body
    expect(body).toEqual(new Uint8Array([7, 8, 9]))
    expect(Buffer.isBuffer(body)).toBe(false)
  })

  test('given a frame across chunks, when it is read, then it is in one buffer of exactly its size', () => {
    const body = Uint8Array.from({ length: 60 * KIB }, (_, i) => i)
    const wire = frameOf(FrameKind.bytes, body, MIB)
    const reader = new FrameReader(MIB)
    for (const chunk of cut(wire, [3, 10_000, 40_000])) reader.push(chunk)
    const frame = reader.next()
    expect(frame?.body).toEqual(body)
    expect(frame?.body.buffer.byteLength).toBe(body.byteLength)
  })

  test('given chunks whose memory may be given back, when they were read, then that of long ones is, unless a frame lies in it', () => {
    const frames = [100, 20_000, 50, 60_000].map((length) =>
      frameOf(FrameKind.bytes, new Uint8Array(length).fill(length), MIB),
    )
    // The third lies whole in the second chunk.
    const chunks = cut(concatBytes(...frames), [60, 20_400, 50_000]).map((chunk) => chunk.slice())
    const reader = new FrameReader(MIB, { chunksReleasable: true })
    const read = chunks.flatMap((chunk) => {
      reader.push(chunk)
      return drain(reader)
    })
    expect(chunks.map(({ byteLength }) => byteLength > 0)).toEqual([true, true, false, false])
    expect(
      read.map(({ body }) => [body.byteLength, body.every((byte) => byte === (body.byteLength & 0xff))]),
    ).toEqual(frames.map(({ byteLength }) => [byteLength - FRAME_HEADER_BYTES, true]))
  })

  test('given a long frame whole in a chunk that may be given back, when it was read, then it has memory of its own and that of the chunk is given back', () => {
    const long = Uint8Array.from({ length: 20_000 }, (_, i) => i)
    const chunk = concatBytes(
      frameOf(FrameKind.bytes, long, MIB),
      frameOf(FrameKind.bytes, new Uint8Array(100), MIB).subarray(0, 50),
    )
    const reader = new FrameReader(MIB, { chunksReleasable: true })
    reader.push(chunk)
    const [frame] = drain(reader)
    expect(frame!.body).toEqual(long)
    expect(frame!.body.buffer.byteLength).toBe(long.byteLength)
    expect(chunk.byteLength).toBe(0)
  })

  test('given a chunk beside which others have theirs, when it was read, then its memory is not given back', () => {
    const wire = frameOf(FrameKind.bytes, new Uint8Array(60 * KIB).fill(1), MIB)
    const memory = new Uint8Array(wire.byteLength + 1)
    memory.set(wire)
    const reader = new FrameReader(MIB, { chunksReleasable: true })
    reader.push(memory.subarray(0, 30 * KIB))
    reader.push(memory.subarray(30 * KIB, wire.byteLength))
    expect(reader.next()!.body.byteLength).toBe(60 * KIB)
    expect(memory.byteLength).toBe(wire.byteLength + 1)
  })

  test('given a chunk that is just a body, when it may belong to others, then the body is a copy', () => {
    const wire = frameOf(FrameKind.bytes, new Uint8Array(1000).fill(1), MIB)
    for (const chunksReleasable of [false, true]) {
      const [header, rest] = cut(wire, [FRAME_HEADER_BYTES]).map((chunk) => chunk.slice())
      const reader = new FrameReader(MIB, { chunksReleasable })
      reader.push(header!)
      reader.push(rest!)
      const body = reader.next()!.body
      expect(body).toEqual(new Uint8Array(1000).fill(1))
      expect(body.buffer === rest!.buffer).toBe(chunksReleasable)
    }
  })

  test('given a frame of 1 MiB in chunks of one byte, when it is read, then its buffer grows a handful of times', () => {
    const body = Uint8Array.from({ length: MIB - 1 }, (_, i) => i * 7)
    const wire = frameOf(FrameKind.bytes, body, MIB)
    const reader = new FrameReader(MIB)
    const sizes = new Set<number>()
    let frame: RawFrame | undefined
    for (let i = 0; i < wire.byteLength; i++) {
      reader.push(wire.subarray(i, i + 1))
      frame = reader.next()
      sizes.add(reader.assemblyBytes)
    }
    expect(Buffer.compare(frame!.body, body)).toBe(0)
    expect(sizes.size).toBeLessThan(8)
  })

  test('given a header that announces more than arrives, when it is read, then no more than 132 KiB or twice what arrived is set aside', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 * KIB }), { maxLength: 12 }), (chunkLengths) => {
        const reader = new FrameReader(MIB)
        reader.push(headerOf(MIB, FrameKind.bytes))
        let arrived = 0
        for (const length of chunkLengths) {
          if (arrived + length >= MIB - 1) break
          reader.push(new Uint8Array(length))
          arrived += length
          expect(reader.next()).toBeUndefined()
          expect(reader.assemblyBytes).toBeLessThanOrEqual(Math.max(132 * KIB, 2 * arrived))
        }
      }),
    )
  })

  test.each([
    ['one byte over the limit', KIB + 1],
    ['2 GiB', 0x8000_0000],
    ['4 GiB', 0xffff_ffff],
  ])(
    'given a header that announces %s, when it is read, then it is refused with 413 and nothing is set aside',
    (_, length) => {
      const reader = new FrameReader(KIB)
      const before = process.memoryUsage().arrayBuffers
      reader.push(headerOf(length, FrameKind.bytes))
      const { reason } = refusal(reader)
      expect(reason).toMatchObject({
        code: 413,
        message: `frame of ${length} bytes is over the limit of ${KIB} bytes`,
      })
      expect(reader.assemblyBytes).toBe(0)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MIB)
    },
  )

  test('given a frame of exactly the limit, when it is read, then it is accepted', () => {
    const reader = new FrameReader(KIB)
    reader.push(frameOf(FrameKind.bytes, new Uint8Array(KIB - 1), KIB))
    expect(reader.next()?.body.byteLength).toBe(KIB - 1)
  })

  test.each([
    ['no kind', headerOf(0, FrameKind.bytes)],
    ['kind 0', headerOf(1, 0)],
    ['kind 6', headerOf(1, 6)],
    ['kind 255', headerOf(1, 255)],
  ])('given a frame with %s, when it is read, then it is refused with 400 at its header', (_, header) => {
    const reader = new FrameReader(KIB)
    reader.push(header)
    expect(refusal(reader).reason.code).toBe(400)
  })

  test('given a refused frame, when more is pushed, then it is ignored and nothing is kept or thrown again', () => {
    const reader = new FrameReader(KIB)
    reader.push(headerOf(1, 99))
    refusal(reader)
    reader.push(frameOf(FrameKind.bytes, new Uint8Array(10), KIB))
    expect(reader.next()).toBeUndefined()
  })

  test('given frames before a refused one, when they are read, then they come out first', () => {
    const reader = new FrameReader(KIB)
    reader.push(
      concatBytes(frameOf(FrameKind.bytes, new Uint8Array([1]), KIB), headerOf(KIB + 1, FrameKind.bytes)),
    )
    expect(reader.next()?.body).toEqual(new Uint8Array([1]))
    expect(refusal(reader).reason.code).toBe(413)
  })

  test('given a limit that is raised between two frames of one chunk, when they are read, then it counts for the second', () => {
    const reader = new FrameReader(8)
    reader.push(
      concatBytes(
        frameOf(FrameKind.accept, new Uint8Array(2), 8),
        frameOf(FrameKind.bytes, new Uint8Array(100), KIB),
      ),
    )
    expect(reader.next()?.kind).toBe(FrameKind.accept)
    reader.frameBytesMax = KIB
    expect(reader.next()?.body.byteLength).toBe(100)
  })

  test('given a tiny limit, when a CLOSE is longer, then it is read all the same, but never beyond 4 KiB', () => {
    const reader = new FrameReader(8)
    reader.push(frameOf(FrameKind.close, new Uint8Array(CLOSE_FRAME_BYTES_MAX - 1), KIB * KIB))
    expect(reader.next()?.kind).toBe(FrameKind.close)
    reader.frameBytesMax = MIB
    reader.push(headerOf(CLOSE_FRAME_BYTES_MAX + 1, FrameKind.close))
    expect(refusal(reader).reason.code).toBe(413)
  })
})

describe('making frames', () => {
  test('given a body over the limit, when a frame is made, then it throws FRAME_TOO_LARGE', () => {
    expect(() => frameOf(FrameKind.message, new Uint8Array(KIB), KIB)).toThrow(
      expect.objectContaining({
        code: 'FRAME_TOO_LARGE',
        details: { frameBytes: KIB + 1, frameBytesMax: KIB },
      }),
    )
  })

  test('given bytes, when they are one whole frame of the kind or not, then isWholeFrame says so', () => {
    const frame = frameOf(FrameKind.bytes, new Uint8Array(3), KIB)
    expect(isWholeFrame(frame, FrameKind.bytes)).toBe(true)
    expect(isWholeFrame(frame, FrameKind.message)).toBe(false)
    expect(isWholeFrame(frame.subarray(0, 7), FrameKind.bytes)).toBe(false)
    expect(isWholeFrame(concatBytes(frame, frame), FrameKind.bytes)).toBe(false)
    expect(isWholeFrame(new Uint8Array(4), FrameKind.bytes)).toBe(false)
  })
})

describe('building BYTES frames', () => {
  /** Reads one frame back, which also proves that it is complete. */
  function bodyOf(frame: Uint8Array): Uint8Array {
    const reader = new FrameReader(8 * MIB)
    reader.push(frame)
    const read = reader.next()
    expect(reader.midFrame).toBe(false)
    expect(read?.kind).toBe(FrameKind.bytes)
    return read!.body
  }

  test('given any pieces in any frames, recycled or not, when they are built, then each frame holds its pieces', () => {
    const piece = fc.uint8Array({ maxLength: 3000 })
    const frame = fc.record({ pieces: fc.array(piece, { maxLength: 60 }), recycle: fc.boolean() })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (plan) => {
        const builder = new FrameBuilder()
        for (const { pieces, recycle } of plan) {
          for (const bytes of pieces) builder.append(bytes)
          const whole = concatBytes(...pieces)
          expect(builder.byteLength).toBe(FRAME_HEADER_BYTES + whole.byteLength)
          expect(builder.isEmpty).toBe(whole.byteLength === 0)
          const taken = builder.take()
          expect(bodyOf(taken)).toEqual(whole)
          if (recycle) builder.recycle(taken)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('given a reserved place, when the frame has grown since, then it can still be written to', () => {
    const builder = new FrameBuilder()
    const place = builder.reserve(2)
    builder.append(new Uint8Array(20_000).fill(9))
    builder.buffer.set([1, 2], place)
    const body = bodyOf(builder.take())
    expect(body.subarray(0, 3)).toEqual(new Uint8Array([1, 2, 9]))
    expect(body.byteLength).toBe(20_002)
  })

  test('given a frame that was taken and not recycled, when the next is built, then the first is untouched', () => {
    const builder = new FrameBuilder()
    builder.append(new Uint8Array([1, 1, 1]))
    const first = builder.take()
    builder.append(new Uint8Array([2, 2, 2]))
    builder.take()
    expect(bodyOf(first)).toEqual(new Uint8Array([1, 1, 1]))
  })

  test('given full frames that are recycled, when many are built, then two buffers serve for all', () => {
    const builder = new FrameBuilder()
    const piece = new Uint8Array(1000)
    const buffers = new Set<ArrayBufferLike>()
    for (let i = 0; i < 100; i++) {
      while (builder.byteLength + piece.byteLength <= FRAME_BYTES_TARGET) builder.append(piece)
      const frame = builder.take()
      buffers.add(frame.buffer)
      builder.recycle(frame)
    }
    // The buffers that the first frame grew through are not among them: only taken frames are counted.
    expect(buffers.size).toBeLessThanOrEqual(2)
    expect(Math.max(...[...buffers].map((buffer) => buffer.byteLength))).toBe(FRAME_BYTES_TARGET)
  })

  test('given full frames whose buffers never come back, when they are built, then they are allocated at once and in full', () => {
    const builder = new FrameBuilder()
    builder.append(new Uint8Array(FRAME_BYTES_TARGET - FRAME_HEADER_BYTES))
    builder.take()
    builder.append(new Uint8Array(1))
    expect(builder.buffer.byteLength).toBe(FRAME_BYTES_TARGET)
  })

  test('given a link that has gone quiet, when small frames follow a full one, then little memory is held', () => {
    const builder = new FrameBuilder()
    builder.append(new Uint8Array(60 * KIB))
    builder.recycle(builder.take())
    for (let i = 0; i < 3; i++) {
      builder.append(new Uint8Array(10))
      builder.recycle(builder.take())
    }
    expect(builder.buffer.byteLength).toBe(4 * KIB)
  })

  test('given one oversized piece, when it is appended, then the frame has a buffer of its size that is not kept', () => {
    const builder = new FrameBuilder()
    builder.append(new Uint8Array(300 * KIB))
    const frame = builder.take()
    expect(frame.buffer.byteLength).toBe(300 * KIB + FRAME_HEADER_BYTES)
    builder.recycle(frame)
    builder.append(new Uint8Array(1))
    expect(builder.buffer.byteLength).toBe(4 * KIB)
  })

  test('given many small pieces far beyond 64 KiB, when they are appended, then the buffer grows a handful of times', () => {
    const builder = new FrameBuilder()
    const sizes = new Set<number>()
    for (let i = 0; i < 10_000; i++) {
      builder.append(new Uint8Array(100))
      sizes.add(builder.buffer.byteLength)
    }
    expect(sizes.size).toBeLessThan(12)
    expect(bodyOf(builder.take()).byteLength).toBe(1_000_000)
  })

  test('given a piece that does not fit the limit, when it is appended, then it throws and the frame is as it was', () => {
    const builder = new FrameBuilder({ frameBytesMax: 100 })
    builder.append(new Uint8Array(90).fill(1))
    expect(builder.fits(9)).toBe(true)
    expect(builder.fits(10)).toBe(false)
    expect(() => builder.append(new Uint8Array(10))).toThrow(FrameTooLargeError)
    builder.append(new Uint8Array(9).fill(2))
    expect(bodyOf(builder.take()).byteLength).toBe(99)
  })

  test('given nothing, when a frame is taken, then it is a complete empty one', () => {
    expect(bodyOf(new FrameBuilder().take()).byteLength).toBe(0)
  })
})
