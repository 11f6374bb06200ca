import { expect, test } from '@jest/globals'
import { head, minimal, parse } from './support.js'

test('given the least that a manifest can say, defaults are filled in', () => {
  const { manifest, problems } = parse(minimal)
  expect(problems).toEqual([])
  expect(manifest).toEqual({
    network: 'orders',
    seeds: [],
    nodes: [{ name: 'trader', use: ['./trader.ts'], replicas: 1, tags: [], config: {} }],
  })
})

test('given everything that a manifest can say, it is read in the order of the file', () => {
  const { manifest, problems } = parse(`
# Three kinds of nodes.
mosaik: 1
network: order book/eu
listen: 0.0.0.0
seeds: [/dns/seed.example/udp/4001/quic-v1, /ip6/::1/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN]
nodes:
  trader:
    use: [./trader.ts, ../shared/audit.ts#Audit]
    replicas: 2
    tags: [trader, eu, trader]
    listen: 4001-4004
    config:
      symbols: [ACME, "007"]
      limits: { max: 1.5e3, mask: 0x1F, none: ~, open: true, word: yes }
  matcher: { use: /opt/matcher.js, listen: 5000 }
  book-2: { use: ./book.ts, listen: [/ip4/0.0.0.0/udp/0/quic-v1, /memory/book] }
  console: { use: ./console.ts, listen: /ip4/127.0.0.1/tcp/6000 }
`)
  expect(problems).toEqual([])
  expect(manifest).toEqual({
    network: 'order book/eu',
    listen: '0.0.0.0',
    seeds: [
      '/dns/seed.example/udp/4001/quic-v1',
      '/ip6/::1/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
    ],
    nodes: [
      {
        name: 'trader',
        use: ['./trader.ts', '../shared/audit.ts#Audit'],
        replicas: 2,
        tags: ['trader', 'eu'],
        listen: { port: 4001 },
        config: {
          symbols: ['ACME', '007'],
          limits: { max: 1500, mask: 31, none: null, open: true, word: 'yes' },
        },
      },
      {
        name: 'matcher',
        use: ['/opt/matcher.js'],
        replicas: 1,
        tags: [],
        config: {},
        listen: { port: 5000 },
      },
      {
        name: 'book-2',
        use: ['./book.ts'],
        replicas: 1,
        tags: [],
        config: {},
        listen: { addresses: ['/ip4/0.0.0.0/udp/0/quic-v1', '/memory/book'] },
      },
      {
        name: 'console',
        use: ['./console.ts'],
        replicas: 1,
        tags: [],
        config: {},
        listen: { addresses: ['/ip4/127.0.0.1/tcp/6000'] },
      },
    ],
  })
})

test('given a byte order mark and Windows line breaks, the manifest reads the same and columns do not shift', () => {
  const windows = `\uFEFF${minimal}`.replaceAll('\n', '\r\n')
  expect(parse(windows).manifest).toEqual(parse(minimal).manifest)
  expect(parse(`\uFEFFmosaic: 1\r\n`).problems).toContainEqual(
    expect.objectContaining({ code: 'MANIFEST_UNKNOWN_KEY', line: 1, column: 1, endLine: 1, endColumn: 7 }),
  )
})

test('given a document between its marks, with a closing bracket at the left edge, it is read', () => {
  const { manifest } = parse(`---\n${minimal}seeds: [\n  /dns/a/tcp/1,\n]\n...\n`)
  expect(manifest?.seeds).toEqual(['/dns/a/tcp/1'])
})

test('given the directive of YAML 1.1, the words of YAML 1.2 still hold', () => {
  const { manifest } = parse(
    `%YAML 1.1\n---\n${head}  trader: { use: ./trader.ts, config: { norway: no, at: 12:30 } }\n`,
  )
  expect(manifest?.nodes[0]?.config).toEqual({ norway: 'no', at: '12:30' })
})

test('given anchors, aliases and merges, shared parts are written once and own keys win', () => {
  const { manifest, problems } = parse(`${head}
  trader: &trader
    use: ./trader.ts
    replicas: 2
    config: &limits { max: 5, min: 1 }
  eu: { <<: *trader, replicas: 3 }
  us: { <<: [{ use: ./us.ts }, *trader] }
  audit: { use: ./audit.ts, config: { <<: *limits, max: 9, "<<": plain, all: *limits } }
`)
  expect(problems).toEqual([])
  expect(manifest?.nodes.map(({ name, use, replicas }) => [name, use[0], replicas])).toEqual([
    ['trader', './trader.ts', 2],
    ['eu', './trader.ts', 3],
    ['us', './us.ts', 2],
    ['audit', './audit.ts', 1],
  ])
  expect(manifest?.nodes[3]?.config).toEqual({ max: 9, min: 1, '<<': 'plain', all: { max: 5, min: 1 } })
})

test('given an anchor whose name the parser only warns about, it is read', () => {
  const { manifest } = parse(`${head}  a: { use: ./a.ts, config: { x: &y: 1, z: *y: } }\n`)
  expect(manifest?.nodes[0]?.config).toEqual({ x: 1, z: 1 })
})

test('given a value of several lines, its problem ends where its text does', () => {
  const { problems } = parse(minimal.replace('orders', '|\n  order\n  book\n\n# below'))
  expect(problems).toEqual([
    expect.objectContaining({ code: 'MANIFEST_NAME_INVALID', line: 2, column: 10, endLine: 4, endColumn: 7 }),
  ])
})

test('given a name that objects inherit, it names a node like any other', () => {
  const { manifest } = parse(
    `${head}  constructor: { use: ./a.ts, config: { toString: 1, hasOwnProperty: 2 } }\n`,
  )
  expect(manifest?.nodes[0]).toMatchObject({
    name: 'constructor',
    config: { toString: 1, hasOwnProperty: 2 },
  })
})

test('given files that are there, nothing is said about them', () => {
  expect(parse(minimal, { files: ['trader.ts'] }).problems).toEqual([])
})

test('given configuration as deep as is allowed, it is read, and one level more is refused', () => {
  const nested = (levels: number) =>
    `${head}  a: { use: ./a.ts, config: { deep: ${'['.repeat(levels)}${']'.repeat(levels)} } }\n`
  expect(parse(nested(60)).problems).toEqual([])
  expect(parse(nested(61)).problems.map(({ code }) => code)).toEqual(['MANIFEST_TOO_COMPLEX'])
})

test('given aliases that add their depth, what is too deep is refused', () => {
  const levels = Array.from(
    { length: 21 },
    (_, level) => `    l${level + 1}: &l${level + 1} [[[*l${level}]]]`,
  )
  const { problems } = parse(
    `${head}  a:\n   use: ./a.ts\n   config:\n    l0: &l0 end\n${levels.join('\n')}\n`,
  )
  expect(problems.map(({ code, message }) => [code, message])).toEqual([
    ['MANIFEST_TOO_COMPLEX', 'with its aliases followed, this is nested deeper than 64 levels'],
  ])
})

test('given a file in which everything is wrong, the first thousand problems are enough', () => {
  const keys = Array.from({ length: 5000 }, (_, index) => `key${index}: 1`).join('\n')
  const { problems } = parse(`${minimal}${keys}\n`)
  expect(problems).toHaveLength(1000)
  expect(problems.at(-1)).toMatchObject({ message: 'unknown key "key999"', line: 1004 })
})
