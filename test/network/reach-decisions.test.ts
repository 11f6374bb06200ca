import { describe, expect, test } from '@jest/globals'
import { ManualClock, seededRandom, type PeerId } from '#framework/primitives'
import { parseAddress, transportOf, withPeer } from '../../framework/network/addresses.js'
import { endpointOf, neighbourhoodOf, scopeOf } from '../../framework/network/reach/address-scope.js'
import { InterfaceWatch } from '../../framework/network/reach/interface-watch.js'
import { ObservedAddresses } from '../../framework/network/reach/observed-addresses.js'
import {
  mappedEndpoint,
  tcpAddressesOf,
  worthDialling,
} from '../../framework/network/reach/punch-addresses.js'
import { probedAddresses } from '../../framework/network/reach/probe-server.js'
import { ReachabilityVerdict } from '../../framework/network/reach/reachability.js'
import { planOf } from '../../framework/network/reach/reach-options.js'
import {
  publishableAddresses,
  relayedAddress,
  splitRelayed,
} from '../../framework/network/relay/relay-address.js'
import { ReservationPlan } from '../../framework/network/relay/reservation-plan.js'
import { Identity } from '#framework/network'

const peers = Array.from({ length: 4 }, (_, i) => Identity.random(seededRandom(i + 1)).peerId)
const [alice, bob, carol, dave] = peers as [PeerId, PeerId, PeerId, PeerId]
const MINUTE = 60_000

describe('the scope of addresses', () => {
  test.each([
    ['127.0.0.1', 'machine'],
    ['::1', 'machine'],
    ['10.1.2.3', 'site'],
    ['172.31.0.1', 'site'],
    ['172.32.0.1', 'world'],
    ['192.168.0.1', 'site'],
    ['100.64.0.1', 'site'],
    ['169.254.1.1', 'site'],
    ['224.0.0.251', 'site'],
    ['255.255.255.255', 'site'],
    ['fd00::1', 'site'],
    ['fe80::1', 'site'],
    ['203.0.113.7', 'world'],
    ['2001:db8::7', 'world'],
  ] as const)('given %s, it is %s', (ip, scope) => {
    expect(scopeOf(ip)).toBe(scope)
  })

  test('given a multiaddr without a literal IP address and port, there is no endpoint', () => {
    expect(endpointOf(parseAddress('/ip4/192.0.2.1/tcp/4001'))).toEqual({ ip: '192.0.2.1', port: 4001 })
    expect(endpointOf(parseAddress('/dns4/node.example/tcp/4001'))).toBeUndefined()
    expect(endpointOf(parseAddress('/memory/here'))).toBeUndefined()
  })

  test('given addresses in one /24 or one /48, they are neighbours, others are not', () => {
    expect(neighbourhoodOf('192.0.2.1')).toBe(neighbourhoodOf('192.0.2.254'))
    expect(neighbourhoodOf('192.0.2.1')).not.toBe(neighbourhoodOf('192.0.3.1'))
    expect(neighbourhoodOf('2001:db8:1:1::1')).toBe(neighbourhoodOf('2001:0db8:0001:ffff::2'))
    expect(neighbourhoodOf('2001:db8:1::1')).not.toBe(neighbourhoodOf('2001:db8:2::1'))
  })
})

describe('observed addresses', () => {
  const listening = ['/ip4/192.168.1.2/udp/4001/quic-v1', '/ip4/192.168.1.2/tcp/4001', '/ip4/127.0.0.1/tcp/9']
  const ours = '203.0.113.10'
  const seen = (by: PeerId, byIp: string, ip = ours) => ({ connection: `${by} ${byIp} ${ip}`, by, byIp, ip })
  const address = `/ip4/${ours}/udp/4001/quic-v1`

  test('given an IP address at which a peer sees us, the candidates are that address with the ports of the listeners that others can reach', () => {
    expect(new ObservedAddresses().candidates(ours, listening)).toEqual([address, `/ip4/${ours}/tcp/4001`])
    expect(new ObservedAddresses().candidates('2001:db8::1', listening)).toEqual([])
  })

  test('N-1: given a single peer that says where it sees us and that it has dialled us there, then that address is not ours, and with another witness elsewhere it is', () => {
    const observed = new ObservedAddresses()
    observed.note(seen(alice, '198.51.100.1'))
    observed.confirmed(address, 0)
    expect(observed.ours(0)).toEqual([])
    // The same peer from another place, and another peer in the same hands, are the same witness.
    observed.note(seen(alice, '192.0.2.1'))
    expect(observed.ours(0)).toEqual([])
    const alone = new ObservedAddresses()
    alone.note(seen(alice, '198.51.100.1'))
    alone.note(seen(bob, '198.51.100.2'))
    alone.confirmed(address, 0)
    expect(alone.ours(0)).toEqual([])

    observed.note(seen(bob, '203.0.113.99'))
    expect(observed.ours(0)).toEqual([address])
  })

  test('given two witnesses and nobody who has dialled, then nothing is ours: an outgoing connection shows no way in', () => {
    const observed = new ObservedAddresses()
    observed.note(seen(alice, '198.51.100.1'))
    observed.note(seen(bob, '192.0.2.1'))
    expect(observed.ours(0)).toEqual([])
  })

  test('given an address that is ours, when its confirmation is too old, or refuted, or a witness has been gone for long, then it is not ours any more', () => {
    const make = (): ObservedAddresses => {
      const observed = new ObservedAddresses()
      observed.note(seen(alice, '198.51.100.1'))
      observed.note(seen(bob, '192.0.2.1'))
      observed.confirmed(address, 0)
      expect(observed.ours(0)).toEqual([address])
      return observed
    }
    const stale = make()
    expect(stale.ours(30 * MINUTE - 1)).toEqual([address])
    expect(stale.ours(30 * MINUTE)).toEqual([])
    const refuted = make()
    refuted.refuted(address)
    expect(refuted.ours(0)).toEqual([])
    const left = make()
    left.ended(seen(bob, '192.0.2.1').connection, 0)
    expect(left.ours(10 * MINUTE - 1)).toEqual([address])
    expect(left.ours(10 * MINUTE)).toEqual([])
    const moved = make()
    moved.clear()
    expect(moved.ours(0)).toEqual([])
  })

  test('given more observations than are kept, the oldest go', () => {
    const observed = new ObservedAddresses()
    for (let i = 0; i < 500; i++) observed.note(seen(alice, '198.51.100.1', `203.0.${i >> 8}.${i & 255}`))
    expect(observed.size).toBe(128)
  })
})

describe('the addresses at which a peer is dialled back', () => {
  const seenAt = '/ip4/203.0.113.10/udp/51234/quic-v1'

  test('given a peer that names its own address, and those of others, then it is dialled at its own one only', () => {
    const own = ['/ip4/203.0.113.10/udp/4001/quic-v1', '/ip4/203.0.113.10/tcp/4001']
    const others = [
      '/ip4/203.0.113.11/tcp/4001',
      '/ip4/127.0.0.1/tcp/22',
      '/dns4/victim.example/tcp/80',
      '/ip4/203.0.113.10/tcp/0',
      'nonsense',
    ]
    expect(probedAddresses(seenAt, [...own, ...others])).toEqual(own)
  })

  test('given a peer on this machine, or one that is connected at a name, then it is dialled nowhere', () => {
    expect(probedAddresses('/ip4/127.0.0.1/tcp/4001', ['/ip4/127.0.0.1/tcp/22'])).toEqual([])
    expect(probedAddresses('/dns4/a.example/tcp/4001', ['/dns4/a.example/tcp/4001'])).toEqual([])
  })
})

describe('the verdict on reachability', () => {
  test('given a peer that could not dial us, it is private; given one that could, public', () => {
    const verdict = new ReachabilityVerdict()
    expect(verdict.value.status).toBe('unknown')
    verdict.unreached(alice, ['/ip4/203.0.113.1/tcp/1'], true)
    expect(verdict.value).toMatchObject({ status: 'private', reason: expect.stringContaining('203.0.113.1') })
    verdict.reached('/ip4/203.0.113.1/tcp/1')
    expect(verdict.value.status).toBe('public')
  })

  test('given a public node, when one peer fails to dial it, it stays public until another one fails too', () => {
    const verdict = new ReachabilityVerdict()
    verdict.reached('/ip4/203.0.113.1/tcp/1')
    verdict.unreached(alice, ['x'], true)
    verdict.unreached(alice, ['x'], true)
    expect(verdict.value.status).toBe('public')
    verdict.unreached(bob, ['x'], true)
    expect(verdict.value.status).toBe('private')
  })

  test('given a public node that only one peer can ask about, when that fails twice in a row, it is private', () => {
    const verdict = new ReachabilityVerdict()
    verdict.reached('/ip4/203.0.113.1/tcp/1')
    verdict.unreached(alice, ['x'], false)
    verdict.reached('/ip4/203.0.113.1/tcp/1')
    verdict.unreached(alice, ['x'], false)
    expect(verdict.value.status).toBe('public')
    verdict.unreached(alice, ['x'], false)
    expect(verdict.value.status).toBe('private')
  })

  test('N-11: given what was known of the reachability, when it has become void, then it is unknown again, and asked for sooner', () => {
    const verdict = new ReachabilityVerdict()
    verdict.reached('/ip4/203.0.113.1/tcp/1')
    const { againMs } = verdict
    verdict.reset('the uplink is lost')
    expect(verdict.value).toEqual({ status: 'unknown', reason: 'the uplink is lost' })
    expect(verdict.againMs).toBeLessThan(againMs)
  })

  test('N-11: given a watch on the interfaces, when their addresses change, it says so within seven seconds, and nothing when they do not', () => {
    const clock = new ManualClock()
    let addresses = 'one'
    let changes = 0
    using watch = new InterfaceWatch(
      clock,
      () => changes++,
      () => addresses,
    )
    clock.advance(60_000)
    expect(changes).toBe(0)
    addresses = 'two'
    clock.advance(7_000)
    expect(changes).toBe(1)
    watch[Symbol.dispose]()
    expect(clock.pendingCount).toBe(0)
  })
})

describe('the plan of reservations', () => {
  const targets = [alice, bob, carol].map((peer) => ({ peer, addresses: [`/ip4/192.0.2.1/tcp/1`] }))
  const plan = (): ReservationPlan => {
    const made = new ReservationPlan(seededRandom(1))
    made.setTargets(targets)
    made.want(true)
    return made
  }

  test('given relays, two are asked in the order given, and no more once both have granted a place', () => {
    const made = plan()
    expect(made.due(0)?.peer).toBe(alice)
    expect(made.granted(alice, ['a'], 30_000, 0)).toBe(true)
    expect(made.due(0)?.peer).toBe(bob)
    made.granted(bob, ['b'], 30_000, 0)
    expect(made.due(0)).toBeUndefined()
    expect(made.held.map(({ addresses }) => addresses)).toEqual([['a'], ['b']])
    expect(made.nextAt).toBe(20_000)
  })

  test('given a place, it is renewed when a third of its life is left', () => {
    const made = plan()
    made.granted(alice, ['a'], 30_000, 0)
    made.granted(bob, ['b'], 60_000, 0)
    expect(made.due(19_999)).toBeUndefined()
    expect(made.due(20_000)?.peer).toBe(alice)
    made.granted(alice, ['a'], 30_000, 20_000)
    expect(made.due(20_000)).toBeUndefined()
  })

  test('given a relay that is lost, the next one takes its place at once, and it is asked again later each time', () => {
    const made = plan()
    made.granted(alice, ['a'], 30_000, 0)
    made.granted(bob, ['b'], 30_000, 0)
    made.lost(alice, 100)
    expect(made.due(100)?.peer).toBe(carol)
    made.lost(carol, 100)
    expect(made.due(100)).toBeUndefined()
    const first = made.nextAt!
    expect(first).toBeGreaterThan(100)
    const again = made.due(first)!.peer
    made.lost(again, first)
    made.lost(made.due(first + 1_500)!.peer, first + 1_500)
    expect(made.nextAt! - (first + 1_500)).toBeGreaterThan(0)
  })

  test('given that relays are not needed any more, nothing is held, and nobody is asked', () => {
    const made = plan()
    made.granted(alice, ['a'], 30_000, 0)
    made.want(false)
    expect(made.held).toEqual([])
    expect(made.due(0)).toBeUndefined()
    expect(made.nextAt).toBeUndefined()
    expect(made.granted(bob, ['b'], 30_000, 0)).toBe(false)
  })

  test('given other relays, what is held at one that is not among them is let go', () => {
    const made = plan()
    made.granted(alice, ['a'], 30_000, 0)
    made.setTargets([targets[1]!])
    expect(made.held).toEqual([])
    expect(made.isHeld(alice)).toBe(false)
  })
})

describe('addresses over relays', () => {
  const relayed = relayedAddress('/ip4/203.0.113.1/udp/4001/quic-v1', alice)

  test('given a relayed address, it is taken apart, and is of the relay transport', () => {
    expect(splitRelayed(parseAddress(relayed))).toEqual({
      relay: alice,
      relayAddress: '/ip4/203.0.113.1/udp/4001/quic-v1',
      peer: undefined,
    })
    expect(transportOf(parseAddress(relayed))).toBe('relay')
  })

  test('given an address over two relays, or over one without a name, it is refused', () => {
    const twice = `${relayed}/p2p-circuit`
    expect(() => splitRelayed(parseAddress(twice))).toThrow(/more than one relay/)
    expect(() => splitRelayed(parseAddress('/ip4/203.0.113.1/tcp/4001/p2p-circuit'))).toThrow(
      /does not name the relay/,
    )
  })

  test('N-1: given a relay that names addresses of somebody else as its own, only those of the host where it is are published', () => {
    const named = [
      '/ip4/203.0.113.1/tcp/4001',
      '/ip4/192.0.2.66/tcp/4001',
      '/ip4/203.0.113.1/udp/1/webrtc-direct',
    ].map((text) => parseAddress(text).bytes)
    const connection = {
      peer: alice,
      address: '/ip4/203.0.113.1/udp/4001/quic-v1',
      direction: 'outbound',
    } as const
    expect(publishableAddresses(connection, [...named, new Uint8Array([255, 255])])).toEqual([
      relayed,
      relayedAddress('/ip4/203.0.113.1/tcp/4001', alice),
    ])
    // The port that an inbound connection comes from is nobody's listener.
    const inbound = { ...connection, direction: 'inbound' } as const
    expect(publishableAddresses(inbound, named)).toEqual([relayedAddress('/ip4/203.0.113.1/tcp/4001', alice)])
  })

  test.each([
    ['names no peer', { via: ['/ip4/203.0.113.1/tcp/4001'] }],
    ['is behind a relay', { via: [withPeer(parseAddress(relayed), dave)] }],
    ['allows nothing', { serve: { circuitsMax: 0 } }],
    ['is no number', { serve: { circuitBytesMax: Number.NaN } }],
  ])('given options for a relay that %s, they are refused', (_, options) => {
    expect(() => planOf(options)).toThrow(expect.objectContaining({ code: 'RELAY_INVALID' }))
  })
})

describe('addresses before a hole is punched', () => {
  const own = ['/ip4/192.168.1.2/tcp/4001', '/ip4/127.0.0.1/tcp/4001']

  test('given what a peer behind a relay names, public addresses are dialled, and those of a site only from within it', () => {
    const named = [
      '/ip4/203.0.113.9/udp/4001/quic-v1',
      '/ip4/192.168.1.7/tcp/4001',
      '/ip4/192.168.2.7/tcp/4001',
      '/ip4/127.0.0.1/tcp/4001',
      relayedAddress('/ip4/203.0.113.1/tcp/4001', carol),
      `${relayedAddress('/ip4/203.0.113.1/tcp/4001', carol).replace('/p2p-circuit', '')}`,
      'nonsense',
    ]
    expect(worthDialling(dave, named, own).map(String)).toEqual([
      '/ip4/203.0.113.9/udp/4001/quic-v1',
      '/ip4/192.168.1.7/tcp/4001',
    ])
  })

  test('given a mapped address, only a public TCP one is connected to', () => {
    expect(mappedEndpoint('/ip4/203.0.113.9/tcp/51000')).toEqual({ ip: '203.0.113.9', port: 51_000 })
    for (const bad of [
      undefined,
      '/ip4/192.168.1.1/tcp/22',
      '/ip4/127.0.0.1/tcp/22',
      '/ip4/203.0.113.9/udp/1/quic-v1',
      'x',
    ]) {
      expect(mappedEndpoint(bad)).toBeUndefined()
    }
  })

  test('given a relay that is known by a QUIC address, its TCP port is taken to be the same', () => {
    expect(tcpAddressesOf('/ip4/203.0.113.1/udp/4001/quic-v1', ['/ip4/203.0.113.1/tcp/4001'])).toEqual([
      '/ip4/203.0.113.1/tcp/4001',
    ])
    expect(tcpAddressesOf(undefined, ['/ip4/10.0.0.1/tcp/4001', '/dns4/relay.example/tcp/1'])).toEqual([])
  })
})
