import { describe, expect, test } from '@jest/globals'
import { Identity, dialTargetOf, libp2pPeerId } from '#framework/network'
import { seededRandom } from '#framework/primitives'
import { AddressBook } from '../../framework/network/address-book.js'
import {
  inDialOrder,
  parseAddress,
  peerOf,
  transportOf,
  withPeer,
  withoutPeer,
} from '../../framework/network/addresses.js'

const identity = (name: string | number) => Identity.random(seededRandom(name)).peerId
const alice = identity('alice')
const bob = identity('bob')
const self = identity('self')
const roomy = { bookPeersMax: 10, bookAddressesMax: 10, bookTtlMs: 1_000 }

describe('an address', () => {
  test.each([
    ['/ip4/1.2.3.4/udp/5/quic-v1', 'quic'],
    ['/ip6/::1/udp/5/quic-v1', 'quic'],
    ['/dns4/example.org/udp/5/quic-v1', 'quic'],
    ['/ip4/1.2.3.4/tcp/5', 'tcp'],
    ['/dns/example.org/tcp/5', 'tcp'],
    ['/memory/a', 'memory'],
    ['/ip4/1.2.3.4/udp/5', undefined],
    ['/ip4/1.2.3.4/tcp/5/ws', undefined],
    ['/ip4/1.2.3.4/udp/5/quic-v1/webtransport', undefined],
  ])('%s goes over %s, with a peer at its end or not', (text, transport) => {
    expect(transportOf(parseAddress(text))).toBe(transport)
    expect(transportOf(parseAddress(`${text}/p2p/${libp2pPeerId(alice)}`))).toBe(transport)
  })

  test('shows the peer at its end, and can be had with and without', () => {
    const bare = parseAddress('/ip4/1.2.3.4/tcp/5')
    expect(peerOf(bare)).toBeUndefined()
    const full = parseAddress(withPeer(bare, alice))
    expect(peerOf(full)).toBe(alice)
    expect(withoutPeer(full)).toBe('/ip4/1.2.3.4/tcp/5')
    expect(withPeer(full, bob)).toBe(`/ip4/1.2.3.4/tcp/5/p2p/${libp2pPeerId(bob)}`)
  })

  test('that is none is refused, naming it', () => {
    expect(() => parseAddress('127.0.0.1:80')).toThrow(
      expect.objectContaining({ code: 'ADDRESS_INVALID', message: expect.stringContaining('127.0.0.1:80') }),
    )
  })

  test('of several, QUIC is tried before TCP, and this machine after others', () => {
    const shuffled = [
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/127.0.0.1/udp/1/quic-v1',
      '/ip4/10.0.0.1/tcp/1',
      '/ip6/::1/udp/1/quic-v1',
      '/ip4/10.0.0.1/udp/1/quic-v1',
    ]
    expect(inDialOrder(shuffled.map(parseAddress)).map(String)).toEqual([
      '/ip4/10.0.0.1/udp/1/quic-v1',
      '/ip4/127.0.0.1/udp/1/quic-v1',
      '/ip6/::1/udp/1/quic-v1',
      '/ip4/10.0.0.1/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
    ])
  })
})

describe('the address book', () => {
  test('given addresses of a peer, knows them without the peer at their end', () => {
    const book = new AddressBook(self, roomy)
    book.learn(alice, [`/ip4/2.2.2.2/tcp/2/p2p/${libp2pPeerId(alice)}`, '/ip4/1.1.1.1/tcp/1'], 'entry', 0)
    expect(book.of(alice, 0)).toEqual(['/ip4/2.2.2.2/tcp/2', '/ip4/1.1.1.1/tcp/1'])
    expect(book.of(bob, 0)).toEqual([])
  })

  test('N-1: given an address, says who told it and when it worked; where the peer has answered comes first, what others say last', () => {
    const book = new AddressBook(self, roomy)
    book.learn(alice, ['/ip4/3.3.3.3/tcp/3'], 'hint', 1)
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1', '/ip4/2.2.2.2/tcp/2'], 'entry', 2)
    book.worked(alice, '/ip4/2.2.2.2/tcp/2', 3)
    book.worked(alice, '/ip4/4.4.4.4/tcp/4', 4)
    expect(book.entriesOf(alice, 5)).toEqual([
      { address: '/ip4/4.4.4.4/tcp/4', origin: 'hint', toldAtMs: 4, workedAtMs: 4 },
      { address: '/ip4/2.2.2.2/tcp/2', origin: 'entry', toldAtMs: 3, workedAtMs: 3 },
      { address: '/ip4/1.1.1.1/tcp/1', origin: 'entry', toldAtMs: 2 },
      { address: '/ip4/3.3.3.3/tcp/3', origin: 'hint', toldAtMs: 1 },
    ])
  })

  test('N-1: given a later entry of the peer, then what it no longer says is gone, except where it has answered and what others say', () => {
    const book = new AddressBook(self, roomy)
    book.learn(alice, ['/ip4/3.3.3.3/tcp/3'], 'hint', 0)
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1', '/ip4/2.2.2.2/tcp/2'], 'entry', 0)
    book.worked(alice, '/ip4/2.2.2.2/tcp/2', 1)
    book.learn(alice, ['/ip4/5.5.5.5/tcp/5'], 'entry', 2)
    expect(book.of(alice, 2)).toEqual(['/ip4/2.2.2.2/tcp/2', '/ip4/5.5.5.5/tcp/5', '/ip4/3.3.3.3/tcp/3'])
  })

  test('N-1: given an address that nobody repeats and that does not work, then it is good for its time and no longer', () => {
    const book = new AddressBook(self, roomy)
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1', '/ip4/2.2.2.2/tcp/2'], 'entry', 0)
    book.worked(alice, '/ip4/2.2.2.2/tcp/2', 500)
    expect(book.of(alice, 999)).toHaveLength(2)
    expect(book.of(alice, 1_000)).toEqual(['/ip4/2.2.2.2/tcp/2'])
    expect(book.of(alice, 1_500)).toEqual([])
  })

  test('N-1: given addresses said to be our own, then they are not taken in', () => {
    const book = new AddressBook(self, roomy)
    book.learn(self, ['/ip4/1.1.1.1/tcp/1'], 'entry', 0)
    book.worked(self, '/ip4/1.1.1.1/tcp/1', 0)
    expect(book.size).toBe(0)
  })

  test('given addresses that are malformed, of another peer or beyond us, leaves them out', () => {
    const book = new AddressBook(self, roomy)
    const foreign = `/ip4/1.1.1.1/tcp/1/p2p/${libp2pPeerId(bob)}`
    book.learn(alice, ['nonsense', foreign, '/ip4/1.1.1.1/udp/1', '/p2p/x'], 'entry', 0)
    expect(book.of(alice, 0)).toEqual([])
    expect(book.size).toBe(0)
  })

  test('given somebody who makes up addresses of a peer, then those that the peer has signed stay', () => {
    const book = new AddressBook(self, { ...roomy, bookAddressesMax: 2 })
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1'], 'entry', 0)
    book.learn(alice, ['/ip4/6.6.6.6/tcp/6', '/ip4/7.7.7.7/tcp/7', '/ip4/8.8.8.8/tcp/8'], 'hint', 1)
    expect(book.of(alice, 1)).toEqual(['/ip4/1.1.1.1/tcp/1', '/ip4/6.6.6.6/tcp/6'])
  })

  test('given more peers than it has room for, forgets those that only others speak of, and then those used longest ago', () => {
    const book = new AddressBook(self, { ...roomy, bookPeersMax: 2 })
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1'], 'entry', 0)
    book.learn(bob, ['/ip4/1.1.1.1/tcp/1'], 'hint', 0)
    book.learn(identity('carol'), ['/ip4/1.1.1.1/tcp/1'], 'entry', 0)
    expect([book.of(alice, 0), book.of(bob, 0)]).toEqual([['/ip4/1.1.1.1/tcp/1'], []])
    book.worked(alice, '/ip4/1.1.1.1/tcp/1', 0)
    book.learn(bob, ['/ip4/1.1.1.1/tcp/1'], 'hint', 0)
    expect(book.size).toBe(2)
    expect(book.of(identity('carol'), 0)).toEqual([])
    expect(book.of(alice, 0)).not.toEqual([])
  })
})

describe('whom to reach', () => {
  const bob64 = bob.toUpperCase()

  test.each([
    ['/ip4/1.2.3.4/udp/5/quic-v1', { addresses: ['/ip4/1.2.3.4/udp/5/quic-v1'] }],
    [
      `/ip4/1.2.3.4/tcp/5/p2p/${libp2pPeerId(bob)}`,
      { peer: bob, addresses: [`/ip4/1.2.3.4/tcp/5/p2p/${libp2pPeerId(bob)}`] },
    ],
    [bob64, { peer: bob }],
    [libp2pPeerId(bob), { peer: bob }],
    [`/p2p/${libp2pPeerId(bob)}`, { peer: bob }],
  ])('given %s, then it is read', (text, target) => {
    expect(dialTargetOf(text)).toEqual(target)
  })

  test.each(['', 'bob', '127.0.0.1:80', '/ip4/1.2.3.4/udp/5', '/nonsense', `${bob}0`])(
    'given "%s", then it is refused, naming it',
    (text) => {
      expect(() => dialTargetOf(text)).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }))
    },
  )
})
