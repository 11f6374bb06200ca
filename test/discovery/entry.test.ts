import { describe, expect, test } from '@jest/globals'
import { ManualClock, digestOf, encode } from '#framework/primitives'
import {
  compareVersions,
  decodeContent,
  encodeContent,
  normalizeContent,
  type EntryContent,
} from '../../framework/discovery/entry.js'
import { encodeWhole } from '../../framework/discovery/announcement.js'
import { OwnEntry } from '../../framework/discovery/own-entry.js'
import { RecordReader } from '../../framework/discovery/record-reader.js'
import { CONTENT_BYTES_MAX } from '../../framework/discovery/signed-record.js'
import { NOW, contentOf, identityOf, network, offerOf } from './support.js'

function ticketOf(byte: number) {
  return { class: digestOf('jwt'), data: new Uint8Array([byte]) }
}

/** Something of everything that can be removed. */
const old = {
  tags: ['old'],
  produces: [offerOf('old')],
  labels: { region: 'old' },
  groups: [digestOf('old group')],
  tickets: [ticketOf(1)],
}

function ownEntry(content: Partial<EntryContent> = {}) {
  const clock = new ManualClock(NOW)
  const own = new OwnEntry(identityOf('me'), network, contentOf(content), clock.now())
  return { clock, own }
}

describe('content', () => {
  test('given the same content in another order and with repetitions, then it encodes to the same bytes', () => {
    const offers = [offerOf('a'), offerOf('b')]
    const one = contentOf({ tags: ['x', 'y'], produces: offers })
    const other = contentOf({ tags: ['y', 'x', 'y'], produces: [...offers, ...offers].toReversed() })
    expect(encodeContent(one)).toEqual(encodeContent(other))
  })

  test('given content, when encoded and decoded, then it is equal', () => {
    const content = contentOf({
      addresses: ['/ip4/127.0.0.1/udp/1/quic-v1'],
      tags: ['matcher'],
      node: { name: 'trader', replica: 2 },
      produces: [offerOf('orders')],
      consumes: [offerOf('fills')],
      labels: { zone: 'b', region: 'eu' },
      groups: [digestOf('one group'), digestOf('another')],
      tickets: [{ class: digestOf('jwt'), data: new Uint8Array([1, 2, 3]) }],
      serves: ['relay'],
    })
    expect(decodeContent(encodeContent(content))).toEqual(content)
  })

  test('given labels in another order, then they encode to the same bytes', () => {
    const one = contentOf({ labels: { zone: 'b', region: 'eu' } })
    const other = contentOf({ labels: { region: 'eu', zone: 'b' } })
    expect(encodeContent(one)).toEqual(encodeContent(other))
  })

  test('given content without labels, groups, tickets and services, then they take no bytes', () => {
    const text = new TextDecoder().decode(encodeContent(contentOf()))
    for (const field of ['labels', 'groups', 'tickets', 'serves']) expect(text).not.toContain(field)
  })

  test('given fields that only a later version knows, when decoded, then they are ignored', () => {
    const later = encode({
      protocol: '9.0',
      addresses: [],
      tags: ['x'],
      produces: [],
      consumes: [],
      shelves: ['new'],
      node: { name: 'n', replica: 0, zone: 'eu' },
    })
    expect(decodeContent(later)).toEqual(
      contentOf({ protocol: '9.0', tags: ['x'], node: { name: 'n', replica: 0 } }),
    )
  })

  test.each([
    ['no map', encode([1, 2])],
    ['a missing field', encode({ protocol: '1.0', addresses: [], tags: [], produces: [] })],
    [
      'a digest of 31 bytes',
      encode({
        ...contentOf(),
        produces: [{ id: new Uint8Array(31), name: '', fingerprint: new Uint8Array(32) }],
      }),
    ],
    ['garbage', new Uint8Array([0xc1, 0xff])],
  ])('given %s, when decoded, then it throws', (_, bytes) => {
    expect(() => decodeContent(bytes)).toThrow()
  })

  test('given one stream offered with two schemas, then it is refused by name', () => {
    const conflicting = { ...offerOf('orders'), fingerprint: digestOf('another schema') }
    expect(() => normalizeContent({ ...contentOf(), produces: [offerOf('orders'), conflicting] })).toThrow(
      expect.objectContaining({
        code: 'DISCOVERY_ENTRY_INVALID',
        message: expect.stringContaining('orders'),
      }),
    )
  })

  test('given an entry, then nobody who gets it can change it', () => {
    const { own } = ownEntry({ tags: ['x'], produces: [offerOf('a')] })
    expect(Object.isFrozen(own.entry)).toBe(true)
    expect(Object.isFrozen(own.entry.tags)).toBe(true)
    expect(Object.isFrozen(own.entry.produces[0])).toBe(true)
    expect(Object.isFrozen(own.entry.version)).toBe(true)
  })
})

describe('versions of an own entry', () => {
  const changes: [string, (entry: EntryContent) => Partial<EntryContent>][] = [
    ['add_tags', ({ tags }) => ({ tags: [...tags, 'new'] })],
    ['remove_tags', ({ tags }) => ({ tags: tags.slice(1) })],
    ['add_streams', ({ produces }) => ({ produces: [...produces, offerOf('new')] })],
    ['remove_streams', ({ produces }) => ({ produces: produces.slice(1) })],
    ['update_address', () => ({ addresses: ['/ip4/127.0.0.1/tcp/2'] })],
    ['set_labels', ({ labels }) => ({ labels: { ...labels, zone: 'a' } })],
    ['remove_labels', () => ({ labels: {} })],
    ['add_groups', ({ groups }) => ({ groups: [...groups, digestOf('new group')] })],
    ['remove_groups', ({ groups }) => ({ groups: groups.slice(1) })],
    ['add_ticket', ({ tickets }) => ({ tickets: [...tickets, ticketOf(2)] })],
    ['remove_ticket', ({ tickets }) => ({ tickets: tickets.slice(1) })],
    ['set_serves', () => ({ serves: ['relay'] })],
  ]

  test.each(changes)('given an entry, when %s runs, then the version strictly increases', (_, change) => {
    const { own, clock } = ownEntry(old)
    const before = own.entry
    expect(own.change(change(before), clock.now())).toBe(true)
    expect(compareVersions(own.entry.version, before.version)).toBeGreaterThan(0)
    expect(own.entry.version.run).toBe(before.version.run)
  })

  test('given a mixed sequence of changes, then the version increases at every step', () => {
    const { own, clock } = ownEntry(old)
    for (const [, change] of changes) {
      const { version } = own.entry
      own.change(change(own.entry), clock.now())
      expect(compareVersions(own.entry.version, version)).toBeGreaterThan(0)
    }
  })

  test('given e1 and e2 = e1 + tag, then e2 is newer than e1, not vice versa, and e1 is not newer than itself', () => {
    const { own, clock } = ownEntry()
    const e1 = own.entry
    own.change({ tags: ['t'] }, clock.now())
    const e2 = own.entry
    expect(compareVersions(e2.version, e1.version)).toBeGreaterThan(0)
    expect(compareVersions(e1.version, e2.version)).toBeLessThan(0)
    expect(compareVersions(e1.version, e1.version)).toBe(0)
  })

  test('given a change that changes nothing, then there is no new version and no new record', () => {
    const { own, clock } = ownEntry({ tags: ['a', 'b'] })
    const { entry, record } = own
    clock.advance(1_000)
    expect(own.change({ tags: ['b', 'a', 'a'] }, clock.now())).toBe(false)
    expect(own.entry).toBe(entry)
    expect(own.record).toBe(record)
  })

  test('given a clock that is set back, then versions still only grow', () => {
    const { own, clock } = ownEntry()
    const { version } = own.entry
    own.change({ tags: ['x'] }, clock.now() - 3_600_000)
    expect(compareVersions(own.entry.version, version)).toBeGreaterThan(0)
  })

  test('given many changes, when the record is asked for, then it is the last of them', () => {
    const { own, clock } = ownEntry()
    for (let i = 0; i < 10; i++) own.change({ tags: [`tag-${i}`] }, clock.now())
    expect(own.record.entry).toEqual(own.entry)
    expect(own.record.entry.tags).toEqual(['tag-9'])
  })
})

describe('oversize entries', () => {
  const jwts = Array.from({ length: 10 }, (_, i) => ({
    class: digestOf('jwt'),
    data: new Uint8Array(1024).fill(i),
  }))
  const streams = (count: number) => Array.from({ length: count }, (_, i) => offerOf(`stream-${i}`))

  test('oversize entry: given 200 streams and 10 tickets of 1 KiB, then they fit', () => {
    const { own, clock } = ownEntry()
    expect(own.change({ produces: streams(200), tickets: jwts }, clock.now())).toBe(true)
    expect(own.record.entry.produces).toHaveLength(200)
    expect(own.record.entry.tickets).toHaveLength(10)
  })

  test('oversize entry: given 1 000 streams, when they are offered, then the caller is told, and nothing has changed', () => {
    const { own, clock } = ownEntry()
    const { entry } = own
    expect(() => own.change({ produces: streams(1_000) }, clock.now())).toThrow(
      expect.objectContaining({
        code: 'DISCOVERY_ENTRY_TOO_LARGE',
        details: { bytes: expect.any(Number), bytesMax: CONTENT_BYTES_MAX },
      }),
    )
    expect(own.entry).toBe(entry)
  })

  test('given tags that are too large from the start, then making the entry says so', () => {
    expect(() => ownEntry({ tags: ['x'.repeat(CONTENT_BYTES_MAX)] })).toThrow(
      expect.objectContaining({ code: 'DISCOVERY_ENTRY_TOO_LARGE' }),
    )
  })

  test('given an entry that just fits, then its record can be read', () => {
    const empty = encodeContent(contentOf({ tags: ['x'.repeat(40_000)] })).length - 40_000
    const { own } = ownEntry({ tags: ['x'.repeat(CONTENT_BYTES_MAX - empty)] })
    expect(own.record.contentBytes).toBe(CONTENT_BYTES_MAX)
    // Beside a shape of 16 KiB it has to fit into the opening of a stream's link.
    expect(encodeWhole(own.record).length).toBeLessThan((64 - 16 - 1) * 1024)
    const reader = new RecordReader(network)
    const header = reader.verify(reader.parse(own.record.bytes))
    expect(reader.complete(header, own.record.content, undefined)).toEqual(own.record)
  })
})
