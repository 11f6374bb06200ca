import { describe, expect, test } from '@jest/globals'
import { Identity, libp2pPeerId } from '#framework/network'
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
const roomy = { bookPeersMax: 10, bookAddressesMax: 10 }

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
  test('given addresses of a peer, knows them without the peer at their end, the latest first', () => {
    const book = new AddressBook(roomy)
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1'])
    book.learn(alice, [`/ip4/2.2.2.2/tcp/2/p2p/${libp2pPeerId(alice)}`, '/ip4/1.1.1.1/tcp/1'])
    expect(book.of(alice)).toEqual(['/ip4/2.2.2.2/tcp/2', '/ip4/1.1.1.1/tcp/1'])
    book.worked(alice, '/ip4/1.1.1.1/tcp/1')
    expect(book.of(alice)).toEqual(['/ip4/1.1.1.1/tcp/1', '/ip4/2.2.2.2/tcp/2'])
    expect(book.of(bob)).toEqual([])
  })

  test('given addresses that are malformed, of another peer or beyond us, leaves them out', () => {
    const book = new AddressBook(roomy)
    book.learn(alice, [
      'nonsense',
      `/ip4/1.1.1.1/tcp/1/p2p/${libp2pPeerId(bob)}`,
      '/ip4/1.1.1.1/udp/1',
      '/p2p/x',
    ])
    expect(book.of(alice)).toEqual([])
    expect(book.size).toBe(0)
  })

  test('given more than it has room for, forgets the addresses used longest ago, and the peers', () => {
    const book = new AddressBook({ bookPeersMax: 2, bookAddressesMax: 2 })
    book.learn(alice, ['/ip4/1.1.1.1/tcp/1', '/ip4/2.2.2.2/tcp/2', '/ip4/3.3.3.3/tcp/3'])
    expect(book.of(alice)).toHaveLength(2)
    book.learn(bob, ['/ip4/1.1.1.1/tcp/1'])
    book.worked(alice, '/ip4/1.1.1.1/tcp/1')
    book.learn(identity('carol'), ['/ip4/1.1.1.1/tcp/1'])
    expect(book.size).toBe(2)
    expect(book.of(bob)).toEqual([])
    expect(book.of(alice)).not.toEqual([])
  })
})
