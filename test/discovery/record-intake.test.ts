import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytesOf, concatBytes, digestOf, encode, seededRandom } from '#framework/primitives'
import { encodeOwn, encodePassedOn } from '../../framework/discovery/announcement.js'
import { RecordIntake } from '../../framework/discovery/record-intake.js'
import { RecordReader } from '../../framework/discovery/record-reader.js'
import { NOW, departureRecord, entryRecord, identityOf, network, storeOf } from './support.js'

const neighbour = identityOf('neighbour').peerId

function setup() {
  const random = seededRandom('salt')
  const parts = storeOf('me')
  let doubts = 0
  const intake = new RecordIntake({
    store: parts.store,
    reader: new RecordReader(),
    maxDriftMs: 50_000,
    clock: parts.clock,
    metrics: parts.metrics,
    onDoubt: () => doubts++,
  })
  return {
    ...parts,
    intake,
    doubts: () => doubts,
    receive: (record: Uint8Array) => intake.receive(encodeOwn(record), neighbour),
    receivePassedOn: (record: Uint8Array, ageMs: number) =>
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
    const { bytes, peer } = entryRecord('a', { run: NOW })
    expect(receive(bytes)).toBe('accept')
    expect(store.catalog.value.peers.has(peer)).toBe(true)
  })

  test('forged gossip: given a record with a wrong signature, then it is held against who sent it, and counted', () => {
    const { receive, store, rejected } = setup()
    expect(receive(flipped(entryRecord('a', { run: NOW }).bytes, 3))).toBe('reject')
    expect(store.catalog.value.size).toBe(0)
    expect(rejected('signature')).toBe(1)
  })

  test('forged departure: given one that the peer has not signed, then the peer stays', () => {
    const { receive, store } = setup()
    receive(entryRecord('a', { run: NOW }).bytes)
    expect(receive(flipped(departureRecord('a', { run: NOW, update: NOW + 1 }).bytes, 3))).toBe('reject')
    expect(store.catalog.value.size).toBe(1)
  })

  test('replayed gossip: given an older record of a known peer, then it is ignored, and counted', () => {
    const { receive, store, rejected } = setup()
    const old = entryRecord('a', { run: NOW, tags: ['old'] })
    receive(old.bytes)
    receive(entryRecord('a', { run: NOW, update: NOW + 1, tags: ['new'] }).bytes)
    expect(receive(old.bytes)).toBe('ignore')
    expect(rejected('outdated')).toBe(1)
    expect(store.catalog.value.get(old.peer)?.tags).toEqual(['new'])
  })

  test('replayed gossip: given an old record of a peer that was forgotten, then only a sync may bring it back', () => {
    const { receive, store, rejected, doubts } = setup()
    expect(receive(entryRecord('a', { run: NOW - 50_001 }).bytes)).toBe('ignore')
    expect(store.catalog.value.size).toBe(0)
    expect(rejected('past')).toBe(1)
    expect(doubts()).toBe(1)
  })

  test('clock skew: given a peer 60 s behind that is known by sync, then its gossip is taken in', () => {
    const { receive, store } = setup()
    store.take(entryRecord('a', { run: NOW - 60_000 }), 'sync')
    expect(receive(entryRecord('a', { run: NOW - 60_000, update: NOW - 59_000, tags: ['t'] }).bytes)).toBe(
      'accept',
    )
    expect(store.catalog.value.get(identityOf('a').peerId)?.tags).toEqual(['t'])
  })

  test('malicious far-future timestamp: given a record of the year 2100, then it is ignored, and counted', () => {
    const { receive, store, rejected } = setup()
    expect(receive(entryRecord('a', { run: 4.1e12 }).bytes)).toBe('ignore')
    expect(rejected('future')).toBe(1)
    expect(store.catalog.value.size).toBe(0)
    expect(receive(entryRecord('a', { run: NOW }).bytes)).toBe('accept')
  })

  test('given the record that we hold already, by sync perhaps, then it is passed on to those who may need it', () => {
    const { receive, store, rejected } = setup()
    const record = entryRecord('a', { run: NOW })
    store.take(record, 'sync')
    expect(receive(record.bytes)).toBe('accept')
    expect(rejected('outdated')).toBe(0)
  })

  test('given an oversize record, garbage, or a record of another network, then it is rejected, and counted', () => {
    const { receive, rejected } = setup()
    expect(receive(new Uint8Array(16 * 1024 + 1))).toBe('reject')
    expect(receive(new Uint8Array([1, 2, 3]))).toBe('reject')
    expect(receive(entryRecord('a', { run: NOW, network: digestOf('foreign') }).bytes)).toBe('reject')
    expect([rejected('size'), rejected('malformed'), rejected('network')]).toEqual([1, 1, 1])
  })

  test('given a kind that only a later version knows, then it is ignored, and nobody is blamed', () => {
    const { receive, rejected } = setup()
    const body = encode({ kind: 'ticket', network: bytesOf(network) })
    expect(receive(concatBytes(new Uint8Array(64), body))).toBe('ignore')
    expect(rejected('kind')).toBe(1)
  })

  test('given an author who says too much, then the excess is ignored, and others are heard', () => {
    const { receive, rejected } = setup()
    const verdicts = Array.from({ length: 40 }, (_, i) =>
      receive(entryRecord('loud', { run: NOW, update: NOW + i }).bytes),
    )
    expect(verdicts.filter((verdict) => verdict === 'accept')).toHaveLength(32)
    expect(rejected('rate')).toBe(8)
    expect(receive(entryRecord('quiet', { run: NOW }).bytes)).toBe('accept')
  })

  test('given somebody who forges records in the name of a peer, then the peer itself is still heard', () => {
    const { receive } = setup()
    const forged = flipped(entryRecord('a', { run: NOW, update: NOW + 1 }).bytes, 3)
    for (let i = 0; i < 100; i++) receive(forged)
    expect(receive(entryRecord('a', { run: NOW }).bytes)).toBe('accept')
  })

  test('given a neighbour that floods, then it is ignored from some point on, whatever it sends', () => {
    const { receive, intake, rejected } = setup()
    for (let i = 0; i < 2_000; i++) receive(new Uint8Array([i & 0xff]))
    expect(rejected('rate')).toBeGreaterThan(900)
    expect(
      intake.receive(encodeOwn(entryRecord('a', { run: NOW }).bytes), identityOf('another').peerId),
    ).toBe('accept')
  })

  test('given a record that is passed on of a peer whose clock is behind, then it is taken in as old as it is said to be, and passed on', () => {
    const { receivePassedOn, store, doubts, clock } = setup()
    const { bytes, peer } = entryRecord('a', { run: NOW - 60_000 })
    expect(receivePassedOn(bytes, 2_000)).toBe('accept')
    expect(store.state.records.get(peer)?.heardAtMs).toBe(clock.monotonic() - 2_000)
    expect(doubts()).toBe(0)
  })

  test('given a record that is passed on and known, then it goes no further, however often it comes', () => {
    const { receive, receivePassedOn, store, rejected } = setup()
    const { bytes } = entryRecord('a', { run: NOW })
    receive(bytes)
    const before = store.state
    expect([receivePassedOn(bytes, 0), receivePassedOn(bytes, 0)]).toEqual(['ignore', 'ignore'])
    expect(store.state).toBe(before)
    expect(rejected('rate')).toBe(0)
  })

  test('given a record that is passed on of a peer that has long been silent, then it does not come back', () => {
    const { receivePassedOn, store, rejected } = setup()
    expect(receivePassedOn(entryRecord('a', { run: NOW - 300_000 }).bytes, 300_000)).toBe('ignore')
    expect(store.catalog.value.size).toBe(0)
    expect(rejected('stale')).toBe(1)
  })

  test('given any bytes, then nothing throws and nothing is accepted', () => {
    const { intake, receive } = setup()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(receive(bytes)).not.toBe('accept')
        expect(intake.receive(bytes, neighbour)).not.toBe('accept')
      }),
    )
  })
})

describe('records fed by hand', () => {
  test('given a signed record, then it is taken in; given anything else, then it is refused and counted', () => {
    const { intake, store, rejected } = setup()
    const record = entryRecord('a', { run: NOW })
    expect(intake.feed(record.bytes)).toBe(true)
    expect(intake.feed(record.bytes)).toBe(false)
    expect(intake.feed(flipped(record.bytes, 3))).toBe(false)
    expect(intake.feed(new Uint8Array())).toBe(false)
    expect([rejected('signature'), rejected('malformed')]).toEqual([1, 1])
    expect(store.catalog.value.size).toBe(1)
  })
})
