import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Identity } from '#framework/network'
import { seededRandom, type PeerId } from '#framework/primitives'
import { multiaddr } from '@multiformats/multiaddr'
import { LOOPBACK_BLOCK, blockOf } from '../../framework/network/address-block.js'
import { Admission, type AdmissionLimits, type Arrival } from '../../framework/network/admission.js'

const [alice, bob, carol] = ['a', 'b', 'c'].map((seed) => Identity.random(seededRandom(seed)).peerId) as [
  PeerId,
  PeerId,
  PeerId,
]
const roomyBlock = { unadmittedMax: 100, connectionsMax: 100 }
const roomy: AdmissionLimits = {
  connectionsMax: 100,
  connectionsPerPeerMax: 10,
  unadmittedMax: 100,
  perBlock: roomyBlock,
  perLoopback: roomyBlock,
}
const inbound = (peer: PeerId, block?: string): Arrival => ({ peer, block, direction: 'inbound' })
const outbound = (peer: PeerId, block?: string): Arrival => ({ peer, block, direction: 'outbound' })

describe('admission', () => {
  test('given a connection that has only opened, does not count its peer', () => {
    const admission = new Admission(roomy)
    expect(admission.enter('1', inbound(alice))).toEqual({ refused: undefined })
    expect(admission.isAdmitted('1')).toBe(false)
    expect(admission.peers.size).toBe(0)
    expect(admission.admit('1')).toBe(true)
    expect([...admission.peers]).toEqual([alice])
  })

  test('given two connections of a peer, keeps the peer until the last admitted one has gone', () => {
    const admission = new Admission(roomy)
    for (const id of ['1', '2', '3']) admission.enter(id, outbound(alice))
    admission.admit('1')
    admission.admit('2')
    admission.leave('1')
    expect(admission.peers.has(alice)).toBe(true)
    admission.leave('2')
    expect(admission.peers.has(alice)).toBe(false)
    expect(admission.connectionsOf(alice)).toEqual(['3'])
  })

  test('given a connection that has gone, or was admitted before, admits nothing', () => {
    const admission = new Admission(roomy)
    admission.enter('1', inbound(alice))
    expect(admission.admit('1')).toBe(true)
    expect(admission.admit('1')).toBe(false)
    admission.leave('1')
    expect(admission.admit('1')).toBe(false)
    admission.leave('1')
    expect(admission.connectionCount).toBe(0)
  })

  test('given as many connections as there may be, refuses one more in either direction', () => {
    const admission = new Admission({ ...roomy, connectionsMax: 2 })
    admission.enter('1', inbound(alice))
    admission.enter('2', outbound(bob))
    expect(admission.isFull).toBe(true)
    expect(admission.enter('3', inbound(carol))).toEqual({ refused: 'capacity' })
    expect(admission.enter('4', outbound(carol))).toEqual({ refused: 'capacity' })
    admission.leave('1')
    expect(admission.enter('5', inbound(carol))).toEqual({ refused: undefined })
  })

  test('given many strangers at the door, refuses more of them, but still dials out', () => {
    const admission = new Admission({ ...roomy, unadmittedMax: 1 })
    admission.enter('1', inbound(alice))
    expect(admission.enter('2', inbound(bob))).toEqual({ refused: 'capacity' })
    expect(admission.enter('3', outbound(bob))).toEqual({ refused: undefined })
    admission.admit('1')
    expect(admission.enter('4', inbound(carol))).toEqual({ refused: undefined })
  })

  test('given one peer with very many connections, lets the oldest go for a new one', () => {
    const admission = new Admission({ ...roomy, connectionsPerPeerMax: 2 })
    admission.enter('1', inbound(alice))
    admission.enter('2', inbound(alice))
    expect(admission.enter('3', inbound(alice))).toEqual({ refused: undefined, evict: '1' })
    expect(admission.enter('4', inbound(bob))).toEqual({ refused: undefined })
  })

  test('given one block of addresses with as many connections as it may have, refuses one more of it, and nobody else', () => {
    const admission = new Admission({ ...roomy, perBlock: { unadmittedMax: 100, connectionsMax: 2 } })
    admission.enter('1', inbound(alice, 'a'))
    admission.admit('1')
    admission.enter('2', inbound(bob, 'a'))
    expect(admission.enter('3', inbound(carol, 'a'))).toEqual({ refused: 'block' })
    expect(admission.knock('a')).toBe('block')
    expect(admission.enter('4', inbound(carol, 'b'))).toEqual({ refused: undefined })
    expect(admission.enter('5', inbound(carol))).toEqual({ refused: undefined })
    // We choose ourselves whom we dial.
    expect(admission.enter('6', outbound(carol, 'a'))).toEqual({ refused: undefined })
    admission.leave('1')
    expect(admission.enter('7', inbound(carol, 'a'))).toEqual({ refused: undefined })
  })

  test('given strangers from one block, they take no more than its share of the door, and make room when admitted or gone', () => {
    const admission = new Admission({ ...roomy, perBlock: { unadmittedMax: 2, connectionsMax: 100 } })
    for (const id of ['1', '2']) admission.enter(id, inbound(alice, 'a'))
    expect(admission.enter('3', inbound(bob, 'a'))).toEqual({ refused: 'block' })
    expect(admission.enter('4', inbound(bob, 'b'))).toEqual({ refused: undefined })
    admission.admit('1')
    expect(admission.enter('5', inbound(bob, 'a'))).toEqual({ refused: undefined })
    admission.leave('2')
    expect(admission.enter('6', inbound(bob, 'a'))).toEqual({ refused: undefined })
    expect(admission.enter('7', inbound(bob, 'a'))).toEqual({ refused: 'block' })
  })

  test('given handshakes under way, counts them in all and by block until they are over', () => {
    const admission = new Admission({
      ...roomy,
      unadmittedMax: 3,
      perBlock: { unadmittedMax: 2, connectionsMax: 100 },
    })
    expect([admission.knock('a'), admission.knock('a'), admission.knock('a')]).toEqual([
      undefined,
      undefined,
      'block',
    ])
    expect([admission.knock('b'), admission.knock('b')]).toEqual([undefined, 'capacity'])
    admission.knocked('a')
    expect(admission.knock('b')).toBeUndefined()
    for (const block of ['a', 'b', 'b']) admission.knocked(block)
    expect([admission.knock('a'), admission.knock('a'), admission.knock('a')]).toEqual([
      undefined,
      undefined,
      'block',
    ])
  })

  test('given this machine, has limits of its own for it', () => {
    const admission = new Admission({
      ...roomy,
      perBlock: { unadmittedMax: 1, connectionsMax: 1 },
      perLoopback: { unadmittedMax: 2, connectionsMax: 2 },
    })
    for (const id of ['1', '2']) {
      expect(admission.enter(id, inbound(alice, LOOPBACK_BLOCK))).toEqual({ refused: undefined })
    }
    expect(admission.enter('3', inbound(alice, LOOPBACK_BLOCK))).toEqual({ refused: 'block' })
  })

  test('given any sequence of events, its peers are those with an admitted connection, and its set is new when it changes', () => {
    const event = fc.record({
      kind: fc.constantFrom('enter', 'admit', 'leave'),
      connection: fc.nat(12),
      peer: fc.constantFrom(alice, bob, carol),
      direction: fc.constantFrom('inbound' as const, 'outbound' as const),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const limits = { ...roomy, connectionsMax: 8, connectionsPerPeerMax: 20, unadmittedMax: 3 }
        const admission = new Admission(limits)
        const model = new Map<string, { peer: PeerId; inbound: boolean; admitted: boolean }>()
        for (const { kind, connection, peer, direction } of events) {
          const id = String(connection)
          const before = admission.peers
          const copy = [...before]
          if (kind === 'enter' && !model.has(id)) {
            const entry = admission.enter(id, { peer, direction, block: undefined })
            const waiting = [...model.values()].filter(({ inbound, admitted }) => inbound && !admitted).length
            const refused = model.size >= 8 || (direction === 'inbound' && waiting >= 3)
            expect(entry.refused).toBe(refused ? 'capacity' : undefined)
            if (!refused) model.set(id, { peer, inbound: direction === 'inbound', admitted: false })
          } else if (kind === 'admit') {
            const known = model.get(id)
            expect(admission.admit(id)).toBe(known !== undefined && !known.admitted)
            if (known) known.admitted = true
          } else if (kind === 'leave') {
            admission.leave(id)
            model.delete(id)
          }
          const peers = new Set(
            [...model.values()].filter(({ admitted }) => admitted).map((each) => each.peer),
          )
          expect(new Set(admission.peers)).toEqual(peers)
          expect(admission.connectionCount).toBe(model.size)
          expect([...before]).toEqual(copy)
        }
      }),
    )
  })
})

describe('the block of an address', () => {
  test.each([
    ['/ip4/192.0.2.77/tcp/1', '192.0.2.0/24'],
    ['/ip4/192.0.2.1/udp/9/quic-v1', '192.0.2.0/24'],
    ['/ip4/192.0.3.1/tcp/1', '192.0.3.0/24'],
    ['/ip4/127.0.0.1/tcp/1', 'loopback'],
    ['/ip4/127.9.9.9/tcp/1', 'loopback'],
    ['/ip6/::1/tcp/1', 'loopback'],
    ['/ip6/::ffff:127.0.0.1/tcp/1', 'loopback'],
    ['/ip6/::ffff:192.0.2.9/tcp/1', '192.0.2.0/24'],
    ['/ip6/::ffff:c000:209/tcp/1', '192.0.2.0/24'],
    ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '2001:db8:1:2::/64'],
    ['/ip6/2001:db8:1:2::9/udp/1/quic-v1', '2001:db8:1:2::/64'],
    ['/ip6/2001:db8::1/tcp/1', '2001:db8:0:0::/64'],
    ['/ip6/::2/tcp/1', '0:0:0:0::/64'],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/1', 'fe80:0:0:0::/64'],
    [
      '/ip4/192.0.2.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA/p2p-circuit',
      '192.0.2.0/24',
    ],
    ['/memory/x', undefined],
    ['/dns4/localhost/tcp/1', undefined],
  ])('of %s is %s', (address, block) => {
    expect(blockOf(multiaddr(address))).toBe(block)
  })
})
