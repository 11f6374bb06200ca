import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytesOf, concatBytes, digestOf, encode, hashBytes, type Digest } from '#framework/primitives'
import { encodeContent } from '../../framework/discovery/entry.js'
import { RecordReader } from '../../framework/discovery/record-reader.js'
import {
  CONTENT_BYTES_MAX,
  HEADER_BYTES_MAX,
  compareRecords,
  continued,
  parseRecord,
  signEntry,
  verifyRecord,
  withContent,
  type EntryHeader,
  type SignedHeader,
} from '../../framework/discovery/signed-record.js'
import { contentOf, departureRecord, entryRecord, identityOf, network, offerOf } from './support.js'

const domain = concatBytes(new TextEncoder().encode('mosaik/discovery/record/2\n'), bytesOf(network))

function decodeRecord(bytes: Uint8Array): SignedHeader {
  return verifyRecord(parseRecord(bytes), network)
}

function decodeEntry(bytes: Uint8Array): EntryHeader & SignedHeader {
  const header = decodeRecord(bytes)
  if (header.kind !== 'entry') throw new TypeError('a departure')
  return header
}

/** A record with any body, properly signed by the identity of that name. */
function signed(name: string, body: unknown, prefix = domain): Uint8Array {
  const bytes = encode(body)
  return concatBytes(identityOf(name).sign(concatBytes(prefix, bytes)), bytes)
}

const content = encodeContent(contentOf({ tags: ['x'] }))

interface Body {
  kind: unknown
  peer: Uint8Array
  run: number
  update: number
  beat: number
  content: Uint8Array
  bytes: number
  supersedes: Digest | null
}

/** The body of a header, with what differs. */
function bodyOf(changes: Partial<Body> = {}): unknown[] {
  const body: Body = {
    kind: 'entry',
    peer: bytesOf(identityOf('a').peerId),
    run: 1,
    update: 2,
    beat: 3,
    content: bytesOf(hashBytes(content)),
    bytes: content.length,
    supersedes: null,
    ...changes,
  }
  return Object.values(body)
}

describe('signed records', () => {
  test('given a valid signed entry, when encoded and decoded, then it is equal', () => {
    const record = signEntry(identityOf('a'), {
      network,
      stamp: { run: 1, update: 2, beat: 3 },
      content: encodeContent(contentOf({ tags: ['x'], produces: [offerOf('s')] })),
      supersedes: network,
    })
    expect(withContent(decodeEntry(record.bytes), record.content)).toEqual(record)
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
    const original = signed('a', bodyOf())
    const other = encodeContent(contentOf({ tags: ['y'] }))
    const forged = encode(bodyOf({ content: bytesOf(hashBytes(other)) }))
    expect(() => decodeRecord(concatBytes(original.subarray(0, 64), forged))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
    expect(() => withContent(decodeEntry(original), other)).toThrow(
      expect.objectContaining({ code: 'RECORD_CONTENT' }),
    )
  })

  test('given a record of another network, then decoding fails', () => {
    const { bytes } = entryRecord('a', { network: digestOf('another') })
    expect(() => decodeRecord(bytes)).toThrow(expect.objectContaining({ code: 'RECORD_SIGNATURE' }))
  })

  test('given properly signed content that is none, then it is refused', () => {
    const bad = encode('hello')
    const header = decodeEntry(signed('a', bodyOf({ content: bytesOf(hashBytes(bad)), bytes: bad.length })))
    expect(() => withContent(header, bad)).toThrow(expect.objectContaining({ code: 'RECORD_MALFORMED' }))
  })

  test('given a header of the same content, then the record goes on with the content that is there', () => {
    const first = entryRecord('a', { run: 1, tags: ['x'] })
    const beat = entryRecord('a', { run: 1, update: 1, beat: 5, tags: ['x'] })
    const restarted = entryRecord('a', { run: 9, tags: ['x'] })
    expect(continued(decodeEntry(beat.bytes), first)).toEqual(beat)
    expect(continued(decodeEntry(beat.bytes), first).entry).toBe(first.entry)
    expect(continued(decodeEntry(restarted.bytes), first)).toEqual(restarted)
  })

  test('given an entry without anything special, then its header is short', () => {
    expect(entryRecord('a', { run: 1_700_000_000_000 }).bytes.length).toBeLessThan(180)
  })

  test('given an entry about one peer signed by another, then decoding fails', () => {
    expect(() => decodeRecord(signed('b', bodyOf()))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
  })

  test('given a signature that was made for another purpose, then decoding fails', () => {
    expect(() => decodeRecord(signed('a', bodyOf(), new Uint8Array()))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
  })

  test('given fields that only a later version knows, then they are tolerated', () => {
    expect(decodeRecord(signed('a', [...bodyOf(), 12]))).toMatchObject({
      kind: 'entry',
      stamp: { beat: 3 },
    })
  })

  test.each([
    ['a kind that only a later version knows', bodyOf({ kind: 'ticket' }), 'RECORD_KIND_UNKNOWN'],
    ['no kind', bodyOf({ kind: 7 }), 'RECORD_MALFORMED'],
    ['an entry without content', bodyOf().slice(0, 5), 'RECORD_MALFORMED'],
    ['content that is too long', bodyOf({ bytes: CONTENT_BYTES_MAX + 1 }), 'RECORD_TOO_LARGE'],
    ['an update before the run', bodyOf({ run: 3, update: 2 }), 'RECORD_MALFORMED'],
    ['a beat before the update', bodyOf({ update: 9, beat: 8 }), 'RECORD_MALFORMED'],
    ['a negative time', bodyOf({ run: -1 }), 'RECORD_MALFORMED'],
    ['a fractional time', bodyOf({ beat: 3.5 }), 'RECORD_MALFORMED'],
    [
      'a time that leaves no room to outrank it',
      bodyOf({ beat: Number.MAX_SAFE_INTEGER }),
      'RECORD_MALFORMED',
    ],
    ['a short peer id', bodyOf({ peer: new Uint8Array(31) }), 'RECORD_MALFORMED'],
  ])('given %s, even if properly signed, then it is refused', (_, body, code) => {
    expect(() => decodeRecord(signed('a', body))).toThrow(expect.objectContaining({ code }))
  })

  test('given a record above the size limit, then it is refused before it is read', () => {
    expect(() => parseRecord(new Uint8Array(HEADER_BYTES_MAX + 1))).toThrow(
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
  test('given a header that was verified before, then it is the same object, and not verified again', () => {
    const reader = new RecordReader(network)
    const { bytes } = entryRecord('a')
    expect(reader.verify(reader.parse(bytes.slice()))).toBe(reader.verify(reader.parse(bytes)))
  })

  test('given a good record that was read, when it arrives with another signature, then it is still refused', () => {
    const reader = new RecordReader(network)
    const { bytes } = entryRecord('a')
    reader.verify(reader.parse(bytes))
    const forged = bytes.slice()
    forged[5] = (forged[5] ?? 0) ^ 1
    expect(() => reader.verify(reader.parse(forged))).toThrow(
      expect.objectContaining({ code: 'RECORD_SIGNATURE' }),
    )
  })
})
