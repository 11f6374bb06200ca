import { describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { bytesOf, concatBytes, digestOf, encode, seededRandom, type PeerId } from '#framework/primitives'
import {
  encodeNews,
  encodePassedOn,
  encodeSignOfLife,
  encodeWhole,
} from '../../framework/discovery/announcement.js'
import { RecordIntake } from '../../framework/discovery/record-intake.js'
import type { WantedContent } from '../../framework/discovery/fetch/fetch-plan.js'
import { RecordReader } from '../../framework/discovery/record-reader.js'
import { HEADER_BYTES_MAX, type SignedRecord } from '../../framework/discovery/signed-record.js'
import { NOW, departureRecord, entryRecord, identityOf, network, storeOf } from './support.js'

const neighbour = identityOf('neighbour').peerId

function setup() {
  const random = seededRandom('salt')
  const parts = storeOf('me')
  let doubts = 0
  const lacking: (WantedContent & { from: PeerId })[] = []
  const intake = new RecordIntake({
    store: parts.store,
    reader: new RecordReader(network),
    maxDriftMs: 50_000,
    clock: parts.clock,
    metrics: parts.metrics,
    onDoubt: () => doubts++,
    onLacking: (wanted, from) => lacking.push({ ...wanted, from }),
  })
  return {
    ...parts,
    intake,
    doubts: () => doubts,
    lacking,
    receive: (record: SignedRecord) => intake.receive(encodeNews(record), neighbour),
    receiveBytes: (record: Uint8Array, content?: Uint8Array) =>
      intake.receive(encode({ record, content }), neighbour),
    receivePassedOn: (record: SignedRecord, ageMs: number) =>
      intake.receive(encodePassedOn(record, ageMs, random), neighbour),
    rejected: (reason: string) =>
      parts.registry.value('mosaik_discovery_entries_rejected_total', { reason }) ?? 0,
  }
}

function flipped(bytes: Uint8Array, index: number): Uint8Array {
  const copy = bytes.slice()
  copy[index] = (copy[index] ?? 0) ^ 1
  return copy
}

describe('gossiped records', () => {
  test('given a good record, then it is taken in and passed on', () => {
    const { receive, store } = setup()
    const record = entryRecord('a', { run: NOW })
    expect(receive(record)).toBe('accept')
    expect(store.catalog.value.peers.has(record.peer)).toBe(true)
  })

  test('forged gossip: given a record with a wrong signature, then it is held against who sent it, and counted', () => {
    const { receiveBytes, store, rejected } = setup()
    expect(receiveBytes(flipped(entryRecord('a', { run: NOW }).bytes, 3))).toBe('reject')
    expect(store.catalog.value.size).toBe(0)
    expect(rejected('signature')).toBe(1)
  })

  test('forged departure: given one that the peer has not signed, then the peer stays', () => {
    const { receive, receiveBytes, store } = setup()
    receive(entryRecord('a', { run: NOW }))
    expect(receiveBytes(flipped(departureRecord('a', { run: NOW, update: NOW + 1 }).bytes, 3))).toBe('reject')
    expect(store.catalog.value.size).toBe(1)
  })

  test('replayed gossip: given an older record of a known peer, then it is ignored, and counted', () => {
    const { receive, store, rejected } = setup()
    const old = entryRecord('a', { run: NOW, tags: ['old'] })
    receive(old)
    receive(entryRecord('a', { run: NOW, update: NOW + 1, tags: ['new'] }))
    expect(receive(old)).toBe('ignore')
    expect(rejected('outdated')).toBe(1)
    expect(store.catalog.value.get(old.peer)?.tags).toEqual(['new'])
  })

  test('replayed gossip: given an old record of a peer that was forgotten, then only a sync may bring it back', () => {
    const { receive, store, rejected, doubts } = setup()
    expect(receive(entryRecord('a', { run: NOW - 50_001 }))).toBe('ignore')
    expect(store.catalog.value.size).toBe(0)
    expect(rejected('past')).toBe(1)
    expect(doubts()).toBe(1)
  })

  test('clock skew: given a peer 60 s behind that is known by sync, then its gossip is taken in', () => {
    const { receive, store } = setup()
    store.take(entryRecord('a', { run: NOW - 60_000 }), 'sync')
    expect(receive(entryRecord('a', { run: NOW - 60_000, update: NOW - 59_000, tags: ['t'] }))).toBe('accept')
    expect(store.catalog.value.get(identityOf('a').peerId)?.tags).toEqual(['t'])
  })

  test('malicious far-future timestamp: given a record of the year 2100, then it is ignored, and counted', () => {
    const { receive, store, rejected } = setup()
    expect(receive(entryRecord('a', { run: 4.1e12 }))).toBe('ignore')
    expect(rejected('future')).toBe(1)
    expect(store.catalog.value.size).toBe(0)
    expect(receive(entryRecord('a', { run: NOW }))).toBe('accept')
  })

  test('given the record that we hold already, by sync perhaps, then it is passed on to those who may need it', () => {
    const { receive, store, rejected } = setup()
    const record = entryRecord('a', { run: NOW })
    store.take(record, 'sync')
    expect(receive(record)).toBe('accept')
    expect(rejected('outdated')).toBe(0)
  })

  test('given an oversize record, garbage, or a record of another network, then it is rejected, and counted', () => {
    const { receive, receiveBytes, intake, rejected } = setup()
    expect(receiveBytes(new Uint8Array(HEADER_BYTES_MAX + 1))).toBe('reject')
    expect(intake.receive(new Uint8Array([1, 2, 3]), neighbour)).toBe('reject')
    expect(receive(entryRecord('a', { run: NOW, network: digestOf('foreign') }))).toBe('reject')
    expect([rejected('size'), rejected('malformed'), rejected('signature')]).toEqual([1, 1, 1])
  })

  test('given a kind that only a later version knows, then it is ignored, and nobody is blamed', () => {
    const { receiveBytes, rejected } = setup()
    expect(receiveBytes(concatBytes(new Uint8Array(64), encode(['ticket', bytesOf(network)])))).toBe('ignore')
    expect(rejected('kind')).toBe(1)
  })

  test('given an author who says too much, then the excess is ignored, and others are heard', () => {
    const { receive, rejected } = setup()
    const verdicts = Array.from({ length: 40 }, (_, i) =>
      receive(entryRecord('loud', { run: NOW, update: NOW + i })),
    )
    expect(verdicts.filter((verdict) => verdict === 'accept')).toHaveLength(32)
    expect(rejected('rate')).toBe(8)
    expect(receive(entryRecord('quiet', { run: NOW }))).toBe('accept')
  })

  test('given somebody who forges records in the name of a peer, then the peer itself is still heard', () => {
    const { receive, receiveBytes } = setup()
    const forged = flipped(entryRecord('a', { run: NOW, update: NOW + 1 }).bytes, 3)
    for (let i = 0; i < 100; i++) receiveBytes(forged)
    expect(receive(entryRecord('a', { run: NOW }))).toBe('accept')
  })

  test('given a neighbour that floods, then it is ignored from some point on, whatever it sends', () => {
    const { receiveBytes, intake, rejected } = setup()
    for (let i = 0; i < 2_000; i++) receiveBytes(new Uint8Array([i & 0xff]))
    expect(rejected('rate')).toBeGreaterThan(900)
    expect(intake.receive(encodeNews(entryRecord('a', { run: NOW })), identityOf('another').peerId)).toBe(
      'accept',
    )
  })

  test('given a record that is passed on of a peer whose clock is behind, then it is taken in as old as it is said to be, and passed on', () => {
    const { receivePassedOn, store, doubts, clock } = setup()
    const record = entryRecord('a', { run: NOW - 60_000 })
    expect(receivePassedOn(record, 2_000)).toBe('accept')
    expect(store.state.records.get(record.peer)?.heardAtMs).toBe(clock.monotonic() - 2_000)
    expect(doubts()).toBe(0)
  })

  test('given a record that is passed on and known, then it goes no further, however often it comes', () => {
    const { receive, receivePassedOn, store, rejected } = setup()
    const record = entryRecord('a', { run: NOW })
    receive(record)
    const before = store.state
    expect([receivePassedOn(record, 0), receivePassedOn(record, 0)]).toEqual(['ignore', 'ignore'])
    expect(store.state).toBe(before)
    expect(rejected('rate')).toBe(0)
  })

  test('given a record that is passed on of a peer that has long been silent, then it does not come back', () => {
    const { receivePassedOn, store, rejected } = setup()
    expect(receivePassedOn(entryRecord('a', { run: NOW - 300_000 }), 300_000)).toBe('ignore')
    expect(store.catalog.value.size).toBe(0)
    expect(rejected('stale')).toBe(1)
  })

  test('oversize entry: given a header without content, then it is passed on, and the content is asked for of who has handed it on', () => {
    const { receive, lacking, store, clock } = setup()
    const record = entryRecord('a', { run: NOW, tags: ['x'.repeat(5_000)] })
    expect(receive(record)).toBe('accept')
    expect(store.catalog.value.size).toBe(0)
    expect(lacking).toEqual([
      {
        header: expect.objectContaining({ peer: record.peer, contentDigest: record.contentDigest }),
        heardAtMs: clock.monotonic(),
        via: 'gossip',
        from: neighbour,
      },
    ])
  })

  test('D-11: given a sign of life without content, then the content that is held stays, and nobody is woken', () => {
    const { intake, receive, lacking, store, events } = setup()
    const first = entryRecord('a', { run: NOW, tags: ['x'] })
    receive(first)
    const { value } = store.catalog
    const before = events.length
    const beat = entryRecord('a', { run: NOW, update: NOW, beat: NOW + 1, tags: ['x'] })
    expect(intake.receive(encodeSignOfLife(beat), neighbour)).toBe('accept')
    expect(store.state.records.get(first.peer)?.record).toEqual(beat)
    expect([store.catalog.value === value, events.length - before, lacking.length]).toEqual([true, 0, 0])
  })

  test.each([
    ['of another entry', entryRecord('b', { run: NOW, tags: ['y'] }).content],
    ['that is cut short', entryRecord('a', { run: NOW }).content.subarray(1)],
  ])('given a header with content %s, then it is held against who sent it', (_, content) => {
    const { receiveBytes, rejected, store } = setup()
    expect(receiveBytes(entryRecord('a', { run: NOW }).bytes, content)).toBe('reject')
    expect(rejected('content')).toBe(1)
    expect(store.catalog.value.size).toBe(0)
  })

  test('given headers that would be refused anyway, then nothing is asked for', () => {
    const { intake, lacking, rejected } = setup()
    const ahead = entryRecord('a', { run: NOW + 60_000 })
    expect(intake.receive(encodeSignOfLife(ahead), neighbour)).toBe('ignore')
    expect(intake.receive(encodeSignOfLife(entryRecord('me', { run: NOW - 10 })), neighbour)).toBe('ignore')
    expect(rejected('future')).toBe(1)
    expect(lacking).toEqual([])
  })

  test('given 10 000 forged, replayed and future-dated records, then nothing of them is kept, few are verified, and honest ones are heard', () => {
    const { receive, receiveBytes, intake, store, rejected } = setup()
    const known = entryRecord('known', { run: NOW, update: NOW + 5, tags: ['known'] })
    receive(known)
    const { records } = store.state
    const verify = jest.spyOn(RecordReader.prototype, 'verify')
    const hostile = identityOf('hostile').peerId
    const replayed = encodeNews(entryRecord('known', { run: NOW }))
    const ahead = encodeNews(entryRecord('ahead', { run: NOW + 60_000 }))
    const forged = entryRecord('victim', { run: NOW }).bytes.slice()
    for (let i = 0; i < 10_000; i++) {
      new DataView(forged.buffer).setUint32(0, i)
      intake.receive([replayed, ahead, encode({ record: forged })][i % 3]!, hostile)
    }
    expect(store.state.records).toBe(records)
    expect(verify.mock.calls.length).toBeLessThan(1_024)
    verify.mockRestore()
    expect(rejected('rate')).toBeGreaterThan(8_900)
    expect(receive(entryRecord('victim', { run: NOW }))).toBe('accept')
    expect(receiveBytes(known.bytes)).toBe('accept')
  })

  test('given any bytes, then nothing throws and nothing is accepted', () => {
    const { intake, receiveBytes } = setup()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(receiveBytes(bytes)).not.toBe('accept')
        expect(intake.receive(bytes, neighbour)).not.toBe('accept')
      }),
    )
  })
})

describe('records fed by hand', () => {
  test('given a signed record, then it is taken in; given anything else, then it is refused and counted', () => {
    const { intake, store, rejected } = setup()
    const record = entryRecord('a', { run: NOW })
    expect(intake.feed(encodeWhole(record))).toBe(true)
    expect(intake.feed(encodeWhole(record))).toBe(false)
    expect(intake.feed(encode({ record: flipped(record.bytes, 3), content: record.content }))).toBe(false)
    expect(intake.feed(new Uint8Array())).toBe(false)
    expect([rejected('signature'), rejected('malformed')]).toEqual([1, 1])
    expect(store.catalog.value.size).toBe(1)
  })
})
