import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { NetworkKey } from '#framework/network'
import { bytesOf, concatBytes, derive, digestOf, encode, seededRandom } from '#framework/primitives'
import { inScope } from '../../framework/discovery/dht/address-scope.js'
import {
  EPOCH_MS,
  epochAt,
  epochSeeds,
  slotKey,
  slotRoot,
  slotSeeds,
} from '../../framework/discovery/dht/slot-keys.js'
import {
  RECORD_BYTES_MAX,
  SlotCodec,
  fitAddresses,
  type SlotRecord,
} from '../../framework/discovery/dht/slot-record.js'
import { NOW, identityOf } from './support.js'

const root = digestOf('my-app')
const seeds = slotSeeds(root)
const codecs = seeds.map((seed) => new SlotCodec(slotKey(seed).peerId, root))
const random = seededRandom('records')
const alice = identityOf('alice')
const ADDRESS = '/ip4/93.184.216.34/udp/4001/quic-v1'

function sealed(addresses: readonly string[] = [ADDRESS], codec = codecs[0]!): Uint8Array {
  return codec.seal(alice, { startedAtMs: NOW - 1, publishedAtMs: NOW, addresses }, random)
}

describe('slot keys', () => {
  test.each([
    [
      0,
      'e03989181c8f0a8f6d7dd41c2780886a44dce46ee9419d91d2c2b99851afd811',
      'dee1df16650162b9da5c06f27f9c724a96263de540a123a6f50b2e59fbb4408a',
    ],
    [
      1,
      '130d2e82fc3b7c75a9c7d712d8ab36542c61ea20eface7141cd5427b70166e38',
      'cdf2e3bd868248e0e2c919a1a07f787b6da06616f0cd1e7efefe5698f9a2a909',
    ],
    [
      2,
      'c5e6ac4276d2e356e5416c1f2b62a5a307fe94a4119b4e697486d13abf913dfe',
      '48be0407b9acbdfb5fd069f57e0c60fa94099f07833d0ba2815b9622d8d9ff08',
    ],
    [
      15,
      'ebf8e85f5b9d437bfb21e1096412decee2a48b4a5ecca47155e9cc82bdbd4bac',
      'eebfdd3cd570359751cc476003d18a068cf6db864b136d3a8cac415a6b2a84d3',
    ],
  ])(
    'D-25: given the root "my-app", then slot %i has the seed and the public key of the specification',
    (slot, seed, publicKey) => {
      expect(seeds).toHaveLength(16)
      expect(seeds[slot]).toBe(seed)
      expect(slotKey(seeds[slot]!).peerId).toBe(publicKey)
    },
  )

  test('D-9: given the name of a closed network, then its slots are not found without the secret', () => {
    const open = slotRoot(new NetworkKey(root))
    const closed = slotRoot(new NetworkKey(root, 'a secret of enough bytes'))
    const other = slotRoot(new NetworkKey(root, 'another secret of enough'))
    const all = [open, closed, other].flatMap((each) => [...slotSeeds(each), ...epochSeeds(each, 1)])
    expect(new Set(all).size).toBe(3 * (16 + 8))
    expect(slotRoot(new NetworkKey(root, 'a secret of enough bytes'))).toBe(closed)
  })

  test('given an epoch, then its slots are those of no other, and it lasts an hour', () => {
    const first = epochAt(NOW)
    expect(epochAt(NOW + EPOCH_MS)).toBe(first + 1)
    expect(epochAt(first * EPOCH_MS + EPOCH_MS - 1)).toBe(first)
    const all = [...epochSeeds(root, first), ...epochSeeds(root, first + 1), ...seeds]
    expect(new Set(all).size).toBe(8 + 8 + 16)
  })
})

describe('slot records', () => {
  test('given a record, when a member reads it, then it is as it was written', () => {
    expect(codecs[0]!.open(sealed(), 'public')).toEqual({
      peer: alice.peerId,
      startedAtMs: NOW - 1,
      publishedAtMs: NOW,
      addresses: [ADDRESS],
    })
  })

  test('given a record, when any of its bytes is changed, then it is none', () => {
    const bytes = sealed()
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice()
      changed[i]! ^= 1
      expect(codecs[0]!.open(changed, 'all')).toBeUndefined()
    }
  })

  test('given a record, when it is copied to another slot or another network, then it is none there', () => {
    expect(codecs[1]!.open(sealed(), 'all')).toBeUndefined()
    const stranger = new SlotCodec(slotKey(seeds[0]!).peerId, digestOf('another'))
    expect(stranger.open(sealed(), 'all')).toBeUndefined()
  })

  test('D-9: given a member, when it writes a record of somebody else, then it is none', () => {
    const mallory = identityOf('mallory')
    const forger = Object.create(mallory, {
      peerId: { value: alice.peerId },
      sign: { value: (bytes: Uint8Array) => mallory.sign(bytes) },
    }) as typeof mallory
    const forged = codecs[0]!.seal(forger, { startedAtMs: NOW, publishedAtMs: NOW, addresses: [] }, random)
    expect(codecs[0]!.open(forged, 'all')).toBeUndefined()
    const own = codecs[0]!.seal(mallory, { startedAtMs: NOW, publishedAtMs: NOW, addresses: [] }, random)
    expect(codecs[0]!.open(own, 'all')?.peer).toBe(mallory.peerId)
  })

  test('given a member, when it seals what is no record, then it is none', () => {
    const key = bytesOf(derive(root, 'mosaik/discovery/dht/seal'))
    const peer = bytesOf(alice.peerId)
    const good = { peer, started: 1, published: 2, addresses: [] }
    const seal = (body: unknown): Uint8Array => {
      const bytes = encode(body)
      const domain = new TextEncoder().encode('mosaik/discovery/dht/1\n')
      const signature = alice.sign(concatBytes(domain, bytesOf(slotKey(seeds[0]!).peerId), bytes))
      const cipher = createCipheriv('aes-256-gcm', key, new Uint8Array(12))
      const sealedBytes = concatBytes(cipher.update(concatBytes(signature, bytes)), cipher.final())
      return concatBytes(new Uint8Array(12), sealedBytes, cipher.getAuthTag())
    }
    expect(codecs[0]!.open(seal(good), 'all')?.peer).toBe(alice.peerId)
    const bad = [
      [],
      { ...good, peer: 'me' },
      { ...good, peer: peer.slice(1) },
      { ...good, started: -1 },
      { ...good, published: 1.5 },
      { ...good, addresses: [1] },
    ]
    for (const body of bad) expect(codecs[0]!.open(seal(body), 'all')).toBeUndefined()
  })

  test('given any bytes, when they are read, then they are no record, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_200 }), (bytes) => {
        expect(codecs[0]!.open(bytes, 'all')).toBeUndefined()
      }),
    )
  })

  test('D-23: given a host with any number of addresses, then what is published fits, and is the beginning of them', () => {
    const anyAddress = fc
      .tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }))
      .map(([ip, port]) => `/ip4/${ip}/udp/${port}/quic-v1`)
    fc.assert(
      fc.property(fc.array(anyAddress, { maxLength: 60, size: 'max' }), (addresses) => {
        const fitting = fitAddresses(addresses)
        expect(fitting).toEqual(addresses.slice(0, fitting.length))
        expect(fitting.length).toBeGreaterThanOrEqual(Math.min(addresses.length, 20))
        expect(sealed(fitting).length).toBeLessThanOrEqual(RECORD_BYTES_MAX)
      }),
    )
  })

  test('D-8: given a record with addresses outside of the scope, when it is read, then they are left out', () => {
    const bytes = sealed([ADDRESS, '/ip4/192.168.1.1/tcp/80', '/ip4/127.0.0.1/tcp/22', 'nonsense'])
    const addresses = (scope: 'public' | 'private' | 'all'): SlotRecord['addresses'] | undefined =>
      codecs[0]!.open(bytes, scope)?.addresses
    expect(addresses('public')).toEqual([ADDRESS])
    expect(addresses('private')).toEqual([ADDRESS, '/ip4/192.168.1.1/tcp/80'])
    expect(addresses('all')).toEqual([ADDRESS, '/ip4/192.168.1.1/tcp/80', '/ip4/127.0.0.1/tcp/22'])
  })
})

describe('address scope', () => {
  const relay = `${ADDRESS}/p2p/12D3KooWGjMCwe2p6qrKjNGyLL8LtPc3pZP1oM9yX3aTkqvU6u4B/p2p-circuit`

  test.each([
    [ADDRESS, 'public'],
    [`${ADDRESS}/p2p/12D3KooWGjMCwe2p6qrKjNGyLL8LtPc3pZP1oM9yX3aTkqvU6u4B`, 'public'],
    [relay, 'public'],
    ['/ip6/2606:4700::1111/tcp/4001', 'public'],
    ['/dns4/seed.example.org/udp/4001/quic-v1', 'public'],
    ['/ip4/10.1.2.3/tcp/4001', 'private'],
    ['/ip4/100.64.0.1/tcp/4001', 'private'],
    ['/ip4/172.31.255.255/tcp/4001', 'private'],
    ['/ip6/fd00::1/udp/4001/quic-v1', 'private'],
    ['/ip6/::ffff:10.1.1.1/tcp/1', 'private'],
    ['/ip6/::ffff:127.0.0.1/tcp/1', 'all'],
    ['/ip4/127.0.0.1/tcp/4001', 'all'],
    ['/ip4/169.254.169.254/tcp/80', 'all'],
    ['/ip4/0.0.0.0/tcp/4001', 'all'],
    ['/ip4/224.0.0.251/udp/5353/quic-v1', 'all'],
    ['/ip6/::1/tcp/4001', 'all'],
    ['/ip6/fe80::1/tcp/4001', 'all'],
    ['/dns/localhost/tcp/80', 'all'],
    ['/dns4/printer.local/tcp/80', 'all'],
    ['/memory/x', undefined],
    ['/ip4/93.184.216.34/tcp/4001/ws', undefined],
    ['/ip4/1.2.3/tcp/4001', undefined],
    [`/dns4/${'x'.repeat(30)}.org/udp/1/quic-v1/webtransport`, undefined],
    ['', undefined],
  ] as const)('D-8: given %s, then the narrowest scope that has it is %s', (address, narrowest) => {
    const having = (['public', 'private', 'all'] as const).filter(
      (scope) => inScope([address], scope).length > 0,
    )
    expect(having[0]).toBe(narrowest)
  })

  test('given addresses of all kinds, then direct public ones come first, and each comes once', () => {
    const given = [
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/10.0.0.1/tcp/1',
      relay,
      ADDRESS,
      `${ADDRESS}/p2p/${'1'.repeat(52)}`,
    ]
    expect(inScope(given, 'all')).toEqual([ADDRESS, relay, '/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1'])
  })
})
