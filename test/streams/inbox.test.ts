import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { z } from 'zod'
import { FrameBuilder } from '#framework/network'
import { stream } from '#framework/streams'
import { DatumFrameReader, DatumFrameWriter } from '../../framework/streams/codec/datum-frame.js'
import { bare, enveloped, Inbox } from '../../framework/streams/consuming/inbox.js'
import { ProducerProgress } from '../../framework/streams/consuming/producer-progress.js'
import { emptyInbox, FakeSource, producerId } from './received-frames.js'

function takeAll(inbox: Inbox<number>): number[] {
  const datums: number[] = []
  for (let datum = inbox.take(bare); datum !== undefined; datum = inbox.take(bare)) datums.push(datum)
  return datums
}

test('datums come out in the order in which they arrived, and are counted', () => {
  const inbox = emptyInbox()
  const [one, other] = [new FakeSource(inbox), new FakeSource(inbox)]
  one.receive(0, 1, 2)
  other.receive(0, 3)
  one.receive(2, 4)
  expect(inbox).toMatchObject({ waitingCount: 4, takenCount: 0 })
  expect(takeAll(inbox)).toEqual([1, 2, 3, 4])
  expect(inbox).toMatchObject({ waitingCount: 0, takenCount: 4, takenBytes: 4, byteLength: 0 })
})

test('an envelope says where its datum is from and what was lost just before it', () => {
  const inbox = emptyInbox()
  const source = new FakeSource(inbox)
  source.receive(2, 7, 8)
  source.progress.advanceTo(9)
  source.receive(10, 9)
  const envelopes = [1, 2, 3].map(() => inbox.take(enveloped))
  expect(envelopes).toEqual([
    { datum: 7, producer: producerId, epoch: 'epoch', sequence: 2, lostBefore: 2, receivedAtMs: 0 },
    { datum: 8, producer: producerId, epoch: 'epoch', sequence: 3, lostBefore: 0, receivedAtMs: 0 },
    { datum: 9, producer: producerId, epoch: 'epoch', sequence: 10, lostBefore: 6, receivedAtMs: 0 },
  ])
})

describe('S-7: given a datum that is invalid', () => {
  test.each([
    [255, 'mismatch'],
    [254, 'undecodable'],
    // It would be taken for the end of the stream.
    [253, 'mismatch'],
  ])('(%i) then it is not handed out, and its source is told', (datum, problem) => {
    const inbox = emptyInbox()
    const source = new FakeSource(inbox)
    source.receive(0, datum)
    expect(takeAll(inbox)).toEqual([])
    expect(source).toMatchObject({ invalidCount: 1, problem, lostCount: 0 })
    expect(inbox).toMatchObject({ waitingCount: 0, byteLength: 0, takenCount: 0 })
  })

  test('then what arrived behind it by the same subscription is thrown away and counted, and that of others is not', () => {
    const inbox = emptyInbox()
    const [bad, good] = [new FakeSource(inbox), new FakeSource(inbox)]
    bad.receive(0, 1, 255, 3)
    good.receive(0, 4)
    bad.receive(3, 5, 6)
    expect(takeAll(inbox)).toEqual([1, 4])
    expect(bad).toMatchObject({ invalidCount: 1, lostCount: 3 })
    expect(bad.progress.taken).toBe(5)
    expect(bad.progress.heldBytes).toBe(0)
    expect(inbox).toMatchObject({ waitingCount: 0, byteLength: 0, takenCount: 2 })
  })

  test('then the first datum of the next subscription tells of what was thrown away', () => {
    const inbox = emptyInbox()
    const bad = new FakeSource(inbox)
    bad.receive(2, 255, 3)
    const next = new FakeSource(inbox, { progress: bad.progress })
    next.receive(5, 6)
    // Two before the invalid one, one behind it, and one that never arrived.
    expect(inbox.take(enveloped)).toMatchObject({ datum: 6, sequence: 5, lostBefore: 4 })
  })
})

test('given a producer that asks for acknowledgements, when the application asks for more, then what it was handed before is acknowledged', () => {
  const inbox = emptyInbox()
  const source = new FakeSource(inbox, { acknowledging: 'taken' })
  source.receive(0, 1, 2, 3)
  inbox.settle()
  inbox.take(bare)
  inbox.take(bare)
  expect(source.progress.acknowledged).toBe(0)
  inbox.settle()
  expect(source.progress.acknowledged).toBe(2)
  inbox.take(bare)
  expect(source.progress.acknowledged).toBe(2)
})

test('property: what was sent is taken, lost, invalid or waits, and envelopes tell exactly what was lost before them', () => {
  const frame = fc.record({
    source: fc.nat(1),
    missing: fc.nat(2),
    datums: fc.array(
      fc.oneof({ weight: 9, arbitrary: fc.nat(9) }, { weight: 1, arbitrary: fc.constant(255) }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    take: fc.nat(8),
  })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), (frames) => {
      const inbox = emptyInbox()
      const progresses = ['a', 'b'].map(
        (epoch) => new ProducerProgress({ producer: producerId, epoch, first: 0, acknowledging: 'never' }),
      )
      const all: FakeSource[] = progresses.map((progress) => new FakeSource(inbox, { progress }))
      const current = [...all]
      const told = new Map(progresses.map(({ epoch }) => [epoch, { taken: 0, lost: 0 }]))
      const invalidOf = (epoch: string): number =>
        all.reduce((sum, each) => sum + (each.progress.epoch === epoch ? each.invalidCount : 0), 0)
      for (const { source: index, missing, datums, take } of frames) {
        const progress = progresses[index]!
        // As after an end: what was thrown away is not undone by another subscription.
        if (current[index]!.isDiscarded) all.push((current[index] = new FakeSource(inbox, { progress })))
        current[index]!.receive(progress.expected + missing, ...datums)
        for (let count = 0; count < take; count++) {
          const envelope = inbox.take(enveloped)
          if (envelope === undefined) break
          const { epoch, sequence, lostBefore } = envelope
          const before = told.get(epoch)!
          before.lost += lostBefore
          expect(sequence).toBe(before.taken + before.lost + invalidOf(epoch))
          before.taken++
        }
      }
      const sent = progresses.reduce((sum, { expected }) => sum + expected, 0)
      const count = (of: 'lostCount' | 'invalidCount'): number => all.reduce((sum, each) => sum + each[of], 0)
      expect(inbox.takenCount + count('lostCount') + count('invalidCount') + inbox.waitingCount).toBe(sent)
    }),
  )
})

describe('given long byte strings in frames of their own memory', () => {
  const Blob = stream('inbox.blob', z.instanceof(Uint8Array))
  const long = 60 * 1024
  const short = 5 * 1024

  /** What an application gets of one frame of such lengths, and the frame's memory. */
  function received(...lengths: readonly number[]): { datums: Uint8Array[]; memory: ArrayBufferLike } {
    const inbox = new Inbox(Blob)
    const target = Buffer.alloc(2 * long)
    const writer = new DatumFrameWriter(new FrameBuilder({ frameBytesMax: 1 << 20 }))
    for (const [sequence, length] of lengths.entries()) {
      const body = target.subarray(0, Blob.codec.encode(new Uint8Array(length), target, 0))
      const offset = writer.reserve(sequence, body.byteLength)
      writer.buffer.set(body, offset)
    }
    const { bodyBytes } = writer
    const reader = new DatumFrameReader(Uint8Array.from(writer.take().subarray(-bodyBytes)))
    const progress = new ProducerProgress({
      producer: producerId,
      epoch: 'epoch',
      first: 0,
      acknowledging: 'never',
    })
    const source = { progress, isDiscarded: false, onDiscarded: () => {}, onInvalid: () => {} }
    inbox.put({ source, reader, lostBefore: progress.arrive(reader), receivedAtMs: 0 })
    return { datums: lengths.map(() => inbox.take(bare)!), memory: reader.bytes.buffer }
  }

  test('when there is one alone, then it stays in the memory of its frame', () => {
    const { datums, memory } = received(long)
    expect(datums[0]?.buffer).toBe(memory)
  })

  test('when there are two, then neither has the memory of which the other is read', () => {
    const { datums, memory } = received(long, short)
    expect(datums.map(({ byteLength }) => byteLength)).toEqual([long, short])
    for (const { buffer } of datums) expect(buffer).not.toBe(memory)
  })
})
