import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytesOf, concatBytes, encode } from '#framework/primitives'
import { encodeContent } from '../../framework/discovery/entry.js'
import { RecordReader } from '../../framework/discovery/record-reader.js'
import {
  RECORD_BYTES_MAX,
  compareRecords,
  decodeRecord,
  parseRecord,
  signEntry,
} from '../../framework/discovery/signed-record.js'
import { contentOf, departureRecord, entryRecord, identityOf, network, offerOf } from './support.js'

const domain = new TextEncoder().encode('mosaik/discovery/record/1\n')

/** A record with any body, properly signed by the identity of that name. */
function signed(name: string, body: unknown, prefix = domain): Uint8Array {
  const bytes = encode(body)
  return concatBytes(identityOf(name).sign(concatBytes(prefix, bytes)), bytes)
}

const body = {
  kind: 'entry',
  network: bytesOf(network),
  peer: bytesOf(identityOf('a').peerId),
  run: 1,
  update: 2,
  beat: 3,
  content: encodeContent(contentOf({ tags: ['x'] })),
}

describe('signed records', () => {
  test('given a valid signed entry, when encoded and decoded, then it is equal', () => {
    const record = signEntry(identityOf('a'), {
      network,
      stamp: { run: 1, update: 2, beat: 3 },
      content: encodeContent(contentOf({ tags: ['x'], produces: [offerOf('s')] })),
      supersedes: network,
    })
    expect(decodeRecord(record.bytes)).toEqual(record)
  })

  test('given a departure, when encoded and decoded, then it is equal', () => {
    const record = departureRecord('a', { run: 5, update: 9 })
    expect(decodeRecord(record.bytes)).toEqual(record)
  })

  test.each([
    ['the last signature byte is flipped', 63],
    ['the first byte of the body is flipped', 64],
    ['the last byte of the body is flipped', -1],
  ])('given a signed entry, when %s, then decoding fails', (_, position) => {
    const bytes = entryRecord('a', { tags: ['x'] }).bytes.slice()
    const index = position < 0 ? bytes.length + position : position
    bytes[index] = (bytes[index] ?? 0) ^ 1
    expect(() => decodeRecord(bytes)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^RECORD_(SIGNATURE|MALFORMED)$/) }),
    )
  })

  test('given a signed entry, when its tags are replaced but the signature kept, then decoding fails', () => {
    const original = signed('a', body)
    const forged = encode({ ...body, content: encodeContent(contentOf({ tags: ['y'] })) })
    expect(() => decodeRecord(concatBytes(original.subarray(0, 64), forged))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
  })

  test('given an entry about one peer signed by another, then decoding fails', () => {
    expect(() => decodeRecord(signed('b', body))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
  })

  test('given a signature that was made for another purpose, then decoding fails', () => {
    expect(() => decodeRecord(signed('a', body, new Uint8Array()))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
  })

  test('given fields that only a later version knows, then they are tolerated', () => {
    expect(decodeRecord(signed('a', { ...body, expires: 12 }))).toMatchObject({
      kind: 'entry',
      stamp: { beat: 3 },
    })
  })

  test.each([
    ['a kind that only a later version knows', { ...body, kind: 'ticket' }, 'RECORD_KIND_UNKNOWN'],
    ['no kind', { ...body, kind: 7 }, 'RECORD_MALFORMED'],
    ['an entry without content', { ...body, content: undefined }, 'RECORD_MALFORMED'],
    ['content that is none', { ...body, content: encode('hello') }, 'RECORD_MALFORMED'],
    ['an update before the run', { ...body, run: 3, update: 2 }, 'RECORD_MALFORMED'],
    ['a beat before the update', { ...body, update: 9, beat: 8 }, 'RECORD_MALFORMED'],
    ['a negative time', { ...body, run: -1 }, 'RECORD_MALFORMED'],
    ['a fractional time', { ...body, beat: 3.5 }, 'RECORD_MALFORMED'],
    [
      'a time that leaves no room to outrank it',
      { ...body, beat: Number.MAX_SAFE_INTEGER },
      'RECORD_MALFORMED',
    ],
    ['a short peer id', { ...body, peer: new Uint8Array(31) }, 'RECORD_MALFORMED'],
  ])('given %s, even if properly signed, then it is refused', (_, content, code) => {
    expect(() => decodeRecord(signed('a', content))).toThrow(expect.objectContaining({ code }))
  })

  test('given a record above the size limit, then it is refused before it is read', () => {
    expect(() => parseRecord(new Uint8Array(RECORD_BYTES_MAX + 1))).toThrow(
      expect.objectContaining({ code: 'RECORD_TOO_LARGE' }),
    )
  })

  test('given any bytes at all, then reading them gives a record error and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => decodeRecord(bytes)).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^RECORD_/) }),
        )
      }),
    )
  })

  test('given a record inside a large buffer, then keeping the record does not keep the buffer', () => {
    const { bytes } = entryRecord('a')
    const buffer = new Uint8Array(100_000)
    buffer.set(bytes, 50_000)
    const record = decodeRecord(buffer.subarray(50_000, 50_000 + bytes.length))
    expect(record.bytes.buffer.byteLength).toBe(bytes.length)
  })

  test('given any two records of a peer, then one of them is the later one, whoever compares', () => {
    const time = fc.integer({ min: 0, max: 2 })
    const record = fc.tuple(time, time, time, fc.boolean()).map(([run, update, beat, departs]) => {
      const stamp = { run, update: run + update, beat: run + update + beat }
      return departs ? departureRecord('a', stamp) : entryRecord('a', stamp)
    })
    fc.assert(
      fc.property(record, record, (a, b) => {
        expect(Math.sign(compareRecords(a, b))).toBe(-Math.sign(compareRecords(b, a)) + 0)
        expect(compareRecords(a, b) === 0).toBe(a.digest === b.digest)
      }),
      { numRuns: 50 },
    )
  })
})

describe('record reader', () => {
  test('given a record that was verified before, then it is the same object, and not verified again', () => {
    const reader = new RecordReader()
    const { bytes } = entryRecord('a')
    expect(reader.read(bytes.slice())).toBe(reader.read(bytes))
  })

  test('given a good record that was read, when it arrives with another signature, then it is still refused', () => {
    const reader = new RecordReader()
    const { bytes } = entryRecord('a')
    reader.read(bytes)
    const forged = bytes.slice()
    forged[5] = (forged[5] ?? 0) ^ 1
    expect(() => reader.read(forged)).toThrow(expect.objectContaining({ code: 'RECORD_SIGNATURE' }))
  })
})
