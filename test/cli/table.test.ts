import { describe, expect, test } from '@jest/globals'
import { listenAddressesOf } from '../../cli/listen-addresses.js'
import { durationText } from '../../cli/peer-report.js'
import { peerTable } from '../../cli/peer-table.js'
import { tableLines, type Column } from '../../cli/table.js'
import type { PeerReport } from '../../cli/peer-report.js'

const columns: readonly Column[] = [
  { title: 'ID', widthMin: 4, rank: 0 },
  { title: 'NAME', widthMin: 4, rank: 1 },
  { title: 'EMPTY', widthMin: 4, rank: 2 },
]

describe('a table', () => {
  test('given room enough, is as wide as its contents, without columns in which nothing stands', () => {
    expect(
      tableLines(columns, [
        ['a', 'one', ''],
        ['bcd', '十一', ''],
      ]),
    ).toEqual(['ID   NAME', 'a    one', 'bcd  十一'])
  })

  test('given a narrow terminal, takes from the widest column, by the width of characters', () => {
    expect(tableLines(columns, [['abcd', '日本語の名前', '']], 12)).toEqual(['ID    NAME', 'abcd  日本…'])
  })

  test('given a terminal too narrow for all columns, leaves out the least important ones', () => {
    expect(tableLines(columns, [['abcdef', 'a name', 'x']], 9)).toEqual(['ID', 'abcdef'])
    // The last one stays as wide as it has to be.
    expect(tableLines(columns, [['abcdef', 'a name', 'x']], 2)).toEqual(['ID', 'abc…'])
  })
})

describe('a table of peers', () => {
  const peer = (id: string, rest: Partial<PeerReport> = {}): PeerReport => ({
    peer: id.repeat(64),
    libp2p: '12D3Koo',
    protocol: '1.0',
    startedAt: 0,
    updatedAt: 0,
    tags: [],
    labels: {},
    produces: [],
    consumes: [],
    groups: [],
    tickets: [],
    serves: [],
    addresses: [],
    ...rest,
  })

  test('given peers of several nodes, is in the order of nodes and replicas, peers without a node last', () => {
    const reports = [
      peer('a', { tags: ['beacon'] }),
      peer('b', { node: 'sensor', replica: 10 }),
      peer('c', { node: 'sensor', replica: 9 }),
      peer('d', { node: 'gate', replica: 0 }),
    ]
    const rows = peerTable(reports, 5_000).slice(1)
    expect(rows.map((row) => row.slice(0, 1))).toEqual(['d', 'c', 'b', 'a'])
  })

  test('given texts of a peer that would move the cursor, prints none of it', () => {
    const evil = peer('a', {
      tags: ['\u001B[2J'],
      labels: { region: '\u202Eeu\nrope' },
      node: 'x\r',
      replica: 0,
    })
    const text = peerTable([evil], 0).join('|')
    for (const character of ['\u001B', '\u202E', '\r', '\n']) expect(text).not.toContain(character)
  })
})

test.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [12_000_000, '3 h 20 min'],
  [90_000_000, '1 d 1 h'],
])('%d ms is %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

test.each([
  ['0', ['/ip4/0.0.0.0/udp/0/quic-v1', '/ip4/0.0.0.0/tcp/0']],
  ['192.0.2.7', ['/ip4/192.0.2.7/udp/4001/quic-v1', '/ip4/192.0.2.7/tcp/4001']],
  ['192.0.2.7:5000', ['/ip4/192.0.2.7/udp/5000/quic-v1', '/ip4/192.0.2.7/tcp/5000']],
  ['::1', ['/ip6/::1/udp/4001/quic-v1', '/ip6/::1/tcp/4001']],
  ['[::]:0', ['/ip6/::/udp/0/quic-v1', '/ip6/::/tcp/0']],
  ['70000', undefined],
  ['example.org:4001', undefined],
  ['[192.0.2.7]:1', undefined],
  ['/ip4/127.0.0.1/tcp/0', undefined],
  ['', undefined],
])('--listen %s', (text, addresses) => {
  expect(listenAddressesOf(text, 4001)).toEqual(addresses)
})
