import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { NetworkInterfaceInfo } from 'node:os'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Discovery, mdns, type MdnsOptions } from '#framework/discovery'
import type { DialTarget } from '#framework/network'
import {
  ManualClock,
  MetricsRegistry,
  Watch,
  derive,
  digestOf,
  hashBytes,
  seededRandom,
  silentLogger,
  type Logger,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import { linksOf, onLink } from '../../framework/discovery/mdns-links.js'
import { MdnsRecords, type MdnsMessage, type Sighting } from '../../framework/discovery/mdns-records.js'
import { MdnsSchedule } from '../../framework/discovery/mdns-schedule.js'
import { MdnsSightings, type SightingResult } from '../../framework/discovery/mdns-sightings.js'
import { MdnsSocket } from '../../framework/discovery/mdns-socket.js'
import { eventually, within } from '../support/eventually.js'
import { freeUdpPort, whyNoMulticast } from '../support/multicast.js'
import { TestNode } from './node.js'

const networkA = digestOf('mdns tests, a')
const networkB = digestOf('mdns tests, b')
const ADDRESS = '/ip4/192.168.1.7/udp/4001/quic-v1'

function peer(name: string): PeerId {
  return hashBytes(Buffer.from(name)) as string as PeerId
}

const alice = new MdnsRecords(networkA, peer('alice'))
const bob = new MdnsRecords(networkA, peer('bob'))
const mallory = new MdnsRecords(networkB, peer('mallory'))

function sightingsIn(message: MdnsMessage): readonly Sighting[] {
  return message.kind === 'announcement' ? message.sightings : []
}

const anyPort = fc.integer({ min: 1, max: 65_535 })
const anyIp = fc.oneof(
  fc.ipV4().map((ip) => `/ip4/${ip}`),
  fc.ipV6().map((ip) => `/ip6/${ip.toLowerCase()}`),
)
const anyAddress = fc
  .tuple(anyIp, anyPort, fc.boolean())
  .map(([ip, port, quic]) => (quic ? `${ip}/udp/${port}/quic-v1` : `${ip}/tcp/${port}`))

describe('mDNS records', () => {
  test('given any addresses, when they are announced, then a host of the network reads the first eight of them, and the message fits into a frame', () => {
    fc.assert(
      fc.property(fc.array(anyAddress, { minLength: 1, maxLength: 12 }), (addresses) => {
        const { bytes, omittedCount } = alice.announcement(addresses)
        const told = addresses.slice(0, 8)
        expect(sightingsIn(bob.read(bytes))).toEqual([
          { peer: peer('alice'), addresses: told, ttlSeconds: 120 },
        ])
        expect(omittedCount).toBe(addresses.length - told.length)
        expect(bytes.length).toBeLessThan(1_232)
      }),
    )
  })

  test('given an announcement, then its own host knows it again, and a host of another network takes it for unrelated', () => {
    const { bytes } = alice.announcement([ADDRESS])
    expect(alice.read(bytes)).toEqual({ kind: 'own' })
    expect(mallory.read(bytes)).toEqual({ kind: 'unrelated' })
  })

  test('given a query, then others of the network see it, its own host knows it again, and it is unrelated to other networks', () => {
    const query = alice.query()
    expect([alice, bob, mallory].map((records) => records.read(query).kind)).toEqual([
      'own',
      'query',
      'unrelated',
    ])
  })

  test('given a goodbye, then it is read as a sighting that is good for no time', () => {
    expect(sightingsIn(bob.read(alice.goodbye()))).toEqual([
      { peer: peer('alice'), addresses: [], ttlSeconds: 0 },
    ])
  })

  test('given a message, then neither the id nor the name of the network is in it', () => {
    for (const bytes of [alice.query(), alice.announcement([ADDRESS]).bytes, alice.goodbye()]) {
      const text = Buffer.from(bytes).toString('latin1')
      expect(text).toContain(derive(networkA, 'mosaik.mdns').slice(0, 16))
      expect(text).not.toContain('mdns tests')
      expect(text).not.toContain(networkA.slice(0, 8))
    }
  })

  test('given addresses that nobody on a link can use, when they are announced, then they are left out and counted', () => {
    const strange = [
      '/memory/x',
      '/dns4/example.org/tcp/1',
      '/ip4/1.2.3.4/tcp/0',
      '/ip4/1.2.3.4/tcp/70000',
      '',
    ]
    const { bytes, omittedCount } = alice.announcement([...strange, ADDRESS, '/ip4/::1/tcp/1'])
    expect(sightingsIn(bob.read(bytes))[0]?.addresses).toEqual([ADDRESS])
    expect(omittedCount).toBe(strange.length + 1)
  })

  test('given a peer id that is not that of the instance, then the message is malformed', () => {
    const text = Buffer.from(alice.announcement([ADDRESS]).bytes).toString('latin1')
    const forged = text.replace(`peer=${peer('alice')}`, `peer=${peer('bob')}`)
    expect(forged).not.toBe(text)
    const carol = new MdnsRecords(networkA, peer('carol'))
    expect(carol.read(Buffer.from(forged, 'latin1'))).toEqual({ kind: 'malformed' })
  })

  test('given a later version of the record, then it is unrelated, not malformed', () => {
    const text = Buffer.from(alice.announcement([ADDRESS]).bytes).toString('latin1')
    const later = Buffer.from(text.replace('txtvers=1', 'txtvers=2'), 'latin1')
    expect(bob.read(later)).toEqual({ kind: 'unrelated' })
  })

  test('given any bytes, or a message with any of its bytes changed or missing, then reading never throws and yields only well-formed sightings', () => {
    const originals = [alice.query(), alice.announcement([ADDRESS, '/ip6/fd00::7/tcp/4001']).bytes]
    const damaged = fc
      .tuple(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
        fc.nat(),
      )
      .map(([original, changes, cut]) => {
        const bytes = Buffer.from(original)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        return cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes
      })
    const noise = fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => Buffer.concat([bytes, Buffer.from('\x07_mosaik\x04_udp\x05local\0', 'latin1'), bytes]))
    fc.assert(
      fc.property(fc.oneof(damaged, noise, fc.uint8Array({ maxLength: 5_000 })), (bytes) => {
        for (const { peer: id, addresses, ttlSeconds } of sightingsIn(bob.read(bytes))) {
          expect(id).toMatch(/^[0-9a-f]{64}$/)
          expect(addresses.length).toBeLessThanOrEqual(8)
          for (const address of addresses) expect(address).toMatch(/^\/ip[46]\/[0-9a-f.:]+\/(udp|tcp)\/\d+/)
          expect(ttlSeconds).toBeLessThanOrEqual(4_500)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('given a header that promises more records than a message can need, then nothing of it is decoded', () => {
    const bytes = Buffer.from(alice.announcement([ADDRESS]).bytes)
    // A text record that ends beyond the message sends the decoder back to the beginning, as often as the header says.
    const textBytes = ['txtvers=1', `peer=${peer('alice')}`, `a0=${ADDRESS}`].join('-').length + 1
    const lengthAt = bytes.length - textBytes - 2
    expect(bytes.readUInt16BE(lengthAt)).toBe(textBytes)
    bytes.writeUInt16BE(textBytes + 2, lengthAt)
    const kindFor = (recordCount: number): string => {
      bytes.writeUInt16BE(recordCount, 6)
      return bob.read(bytes).kind
    }
    expect([3, 64, 65, 65_535].map(kindFor)).toEqual([
      'announcement',
      'announcement',
      'malformed',
      'malformed',
    ])
  })
})

function info(cidr: string): NetworkInterfaceInfo {
  const [address = ''] = cidr.split('/')
  const common = {
    address,
    netmask: '',
    mac: '',
    cidr,
    internal: address === '::1' || address.startsWith('127.'),
  }
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}

const machine = {
  lo: [info('127.0.0.1/8'), info('::1/128')],
  eth0: [info('192.168.1.7/24'), info('fd00:1::7/64'), info('fe80::7/64')],
  docker0: [info('172.17.0.1/16')],
  v6only: [info('fd00:2::7/64')],
}

describe('mDNS links', () => {
  const [lo, eth0, docker0] = linksOf(machine)
  const own = [
    '/ip4/127.0.0.1/tcp/1',
    '/ip6/::1/tcp/1',
    '/ip4/192.168.1.7/tcp/1',
    '/ip6/fd00:1::7/tcp/1',
    '/ip6/fe80::7/tcp/1',
    '/ip4/172.17.0.1/tcp/1/p2p/12D3KooW',
  ]

  test('given a machine, then each interface with IPv4 is a link, or the one that was named', () => {
    const named = (only?: string): string[] => linksOf(machine, only).map(({ name }) => name)
    expect(named()).toEqual(['lo', 'eth0', 'docker0'])
    expect([named('eth0'), named('127.0.0.1'), named('nothing')]).toEqual([['eth0'], ['lo'], []])
  })

  test('given the addresses of a host, then each network is told those that it can reach, and only this machine the loopback ones', () => {
    expect(onLink(eth0!, own)).toEqual(['/ip4/192.168.1.7/tcp/1', '/ip6/fd00:1::7/tcp/1'])
    expect(onLink(docker0!, own)).toEqual(['/ip4/172.17.0.1/tcp/1'])
    expect(onLink(lo!, own)).toEqual([
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/::1/tcp/1',
      '/ip4/192.168.1.7/tcp/1',
      '/ip6/fd00:1::7/tcp/1',
      '/ip4/172.17.0.1/tcp/1',
    ])
  })

  test('given what a host in a network claims, then addresses of this machine alone, of other networks and disguised ones are not believed', () => {
    const claimed = [
      '/ip4/192.168.1.9/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/::ffff:127.0.0.1/tcp/1',
      '/ip4/172.17.0.1/tcp/1',
      '/ip4/8.8.8.8/tcp/1',
      '/dns4/example.org/tcp/1',
      'nonsense',
    ]
    expect(onLink(eth0!, claimed)).toEqual(['/ip4/192.168.1.9/tcp/1'])
  })

  test('given an interface whose network is everything, then loopback addresses are still not told there', () => {
    const [link] = linksOf({ tun0: [info('10.0.0.1/0')] })
    expect(onLink(link!, own)).toEqual(['/ip4/192.168.1.7/tcp/1', '/ip4/172.17.0.1/tcp/1'])
  })

  test('given the source of a packet, then at most one link hears it, and none when it comes from elsewhere', () => {
    const hearing = (source: string): string[] =>
      linksOf(machine)
        .filter((link) => link.hears(source))
        .map(({ name }) => name)
    expect(['127.0.0.1', '192.168.1.7', '192.168.1.9', '172.17.5.5', '8.8.8.8', ''].map(hearing)).toEqual([
      ['lo'],
      ['eth0'],
      ['eth0'],
      ['docker0'],
      [],
      [],
    ])
  })
})

describe('mDNS schedule', () => {
  function schedule(): MdnsSchedule {
    return new MdnsSchedule({ intervalMs: 60_000, random: seededRandom('schedule') }, 0)
  }

  /** The times of what is sent until a time, in milliseconds. */
  function play(
    subject: MdnsSchedule,
    untilMs: number,
    onStep: (nowMs: number) => void = () => undefined,
  ): { queries: number[]; announcements: number[] } {
    const sent = { queries: [] as number[], announcements: [] as number[] }
    for (let nowMs = 0; nowMs < untilMs; nowMs += 10) {
      onStep(nowMs)
      const { query, announce } = subject.next(nowMs)
      if (query) sent.queries.push(nowMs)
      if (announce) sent.announcements.push(nowMs)
    }
    return sent
  }

  test('given a start, then the first query and announcement come soon but not at once, the announcement twice, and queries ever more rarely', () => {
    const { queries, announcements } = play(schedule(), 300_000)
    expect(queries[0]).toBeGreaterThanOrEqual(20)
    expect(queries[0]).toBeLessThanOrEqual(130)
    expect(announcements).toHaveLength(2)
    expect(announcements[1]! - announcements[0]!).toBe(1_000)
    const pauses = queries.slice(1).map((atMs, index) => atMs - queries[index]!)
    for (const [index, pauseMs] of pauses.entries()) {
      const expectedMs = Math.min(1_000 * 2 ** index, 60_000)
      expect(pauseMs).toBeGreaterThanOrEqual(expectedMs)
      expect(pauseMs).toBeLessThanOrEqual(1.25 * expectedMs + 10)
    }
    expect(queries.length).toBeLessThan(12)
  })

  test('given questions every 10 ms, then there is one answer per second, and the first within 120 ms', () => {
    const subject = schedule()
    play(subject, 5_000)
    const { announcements } = play(subject, 10_000, (nowMs) => subject.onQuery(nowMs))
    const pauses = announcements.slice(1).map((atMs, index) => atMs - announcements[index]!)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000)
    expect(announcements.length).toBeGreaterThanOrEqual(4)
  })

  test('given that others keep asking, when the first minutes are over, then we need not ask', () => {
    const subject = schedule()
    play(subject, 200_000)
    const { queries } = play(subject, 300_000, (nowMs) => {
      if (nowMs % 30_000 === 0) subject.onQuery(nowMs)
    })
    expect(queries).toEqual([])
  })

  test('given a change, then it is announced twice, at least one second after the last time', () => {
    const subject = schedule()
    play(subject, 1_500)
    const { announcements } = play(subject, 20_000, (nowMs) => {
      if (nowMs === 1_500) subject.onChange(nowMs)
    })
    expect(announcements).toHaveLength(2)
    expect(announcements[0]).toBeGreaterThanOrEqual(1_500)
    expect(announcements[1]! - announcements[0]!).toBe(1_000)
  })
})

describe('mDNS sightings', () => {
  function sighting(name: string, addresses: readonly string[] = [ADDRESS], ttlSeconds = 120): Sighting {
    return { peer: peer(name), addresses, ttlSeconds }
  }

  test('given a host that repeats itself, then it is new once, again when its addresses change, on another link, after a goodbye, and when it was forgotten', () => {
    const sightings = new MdnsSightings(0)
    const steps: [SightingResult, string, Sighting, number][] = [
      ['new', 'eth0', sighting('x', ['/a', '/b']), 0],
      ['known', 'eth0', sighting('x', ['/b', '/a']), 100_000],
      ['known', 'eth0', sighting('x', ['/a', '/b']), 219_000],
      ['new', 'eth0', sighting('x', ['/c']), 219_000],
      ['new', 'lo', sighting('x', ['/c']), 219_000],
      ['gone', 'eth0', sighting('x', [], 0), 220_000],
      ['new', 'eth0', sighting('x', ['/c']), 220_000],
      ['new', 'eth0', sighting('x', ['/c']), 341_000],
    ]
    for (const [result, link, seen, nowMs] of steps) expect(sightings.see(link, seen, nowMs)).toBe(result)
  })

  test('given hosts that somebody makes up without end, then what is remembered and what is new per second stay bounded', () => {
    const sightings = new MdnsSightings(0)
    const counts = { new: 0, known: 0, gone: 0, limited: 0 }
    for (let index = 0; index < 10_000; index++) {
      counts[sightings.see('eth0', sighting(`made up ${index}`, [ADDRESS], 1), 10 * index)]++
      expect(sightings.size).toBeLessThanOrEqual(128)
    }
    expect(counts.new).toBeLessThanOrEqual(128 + 100)
    expect(counts.limited).toBe(10_000 - counts.new)
  })
})

const unavailable = await whyNoMulticast()
if (unavailable !== undefined) console.warn(`no multicast on loopback, its tests are skipped: ${unavailable}`)
const describeOverMulticast = unavailable === undefined ? describe : describe.skip

interface FakeHost {
  readonly network: NetworkId
  readonly peerId: PeerId
  readonly addresses: Watch<readonly string[]>
  readonly metrics: MetricsRegistry
}

function fakeHost(name: string, network: NetworkId = networkA): FakeHost {
  return {
    network,
    peerId: peer(name),
    addresses: new Watch<readonly string[]>([`/ip4/127.0.0.1/tcp/${1_000 + name.length}`]),
    metrics: new MetricsRegistry(),
  }
}

/** A source at work, and what it has found. */
class Seeker implements AsyncDisposable {
  readonly found: DialTarget[] = []
  readonly #closing = new AbortController()
  readonly #done: Promise<void>

  constructor(
    readonly host: FakeHost,
    options: Omit<MdnsOptions, 'host'>,
  ) {
    this.#done = this.#read({ interface: '127.0.0.1', ...options })
  }

  received(kind: string): number {
    return this.host.metrics.value('mosaik_discovery_mdns_received_total', { kind }) ?? 0
  }

  sent(kind: string): number {
    return this.host.metrics.value('mosaik_discovery_mdns_sent_total', { kind, result: 'ok' }) ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await within(5_000, this.#done)
  }

  async #read(options: Omit<MdnsOptions, 'host'>): Promise<void> {
    const { signal } = this.#closing
    try {
      for await (const target of mdns({ ...options, host: this.host }).candidates(signal))
        this.found.push(target)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

describeOverMulticast('mDNS over multicast', () => {
  test.concurrent(
    'N-7: given mDNS only and two nodes of one network and one of another, when started, then the first two discover each other and not the third',
    async () => {
      const port = await freeUdpPort()
      await using stack = new AsyncDisposableStack()
      const start = async (network: NetworkId) => {
        const host = stack.use(await TestNode.host({ network }))
        const bootstrap = [mdns({ host, port, interface: '127.0.0.1' })]
        return { host, discovery: stack.use(await Discovery.start({ host, bootstrap })) }
      }
      const [first, second, third] = await Promise.all([start(networkA), start(networkA), start(networkB)])
      await within(
        10_000,
        Promise.all([
          first.discovery.when().peer(second.host.peerId).wait(),
          second.discovery.when().peer(first.host.peerId).wait(),
        ]),
      )
      // The third has asked, and has heard the others.
      const { metrics } = third.host
      await eventually(() => {
        const kind = { kind: 'unrelated' }
        expect(metrics.value('mosaik_discovery_mdns_received_total', kind)).toBeGreaterThan(2)
        const sent = { kind: 'query', result: 'ok' }
        expect(metrics.value('mosaik_discovery_mdns_sent_total', sent)).toBeGreaterThan(1)
      })
      expect(third.discovery.catalog.value.size).toBe(0)
      expect(third.host.connections.value.size).toBe(0)
      expect([first, second].map(({ discovery }) => discovery.catalog.value.size)).toEqual([1, 1])
    },
  )

  test.concurrent(
    'given a host alone, then it announces itself twice, again when its addresses change, and when somebody asks, but not to another network',
    async () => {
      const port = await freeUdpPort()
      await using a = new Seeker(fakeHost('a'), { port })
      await using asker = await MdnsSocket.open({
        port,
        onPacket: () => undefined,
        onFailure: () => undefined,
      })
      await eventually(() => expect(a.sent('announcement')).toBe(2))
      a.host.addresses.set([ADDRESS, '/ip4/127.0.0.1/tcp/7'])
      await eventually(() => expect(a.sent('announcement')).toBe(4))
      await asker.send(bob.query(), '127.0.0.1')
      await eventually(() => expect(a.sent('announcement')).toBe(5))

      await asker.send(mallory.query(), '127.0.0.1')
      await eventually(() => expect(a.received('unrelated')).toBe(1))
      // Nobody there can use any of these, so that there is nothing left to announce.
      a.host.addresses.set(['/ip4/203.0.113.1/tcp/7'])
      await eventually(() => expect(a.sent('goodbye')).toBe(1))
      expect(a.sent('announcement')).toBe(5)
    },
  )

  test.concurrent('given a host whose addresses change, then others are told, each time once', async () => {
    const port = await freeUdpPort()
    await using a = new Seeker(fakeHost('a'), { port })
    await using b = new Seeker(fakeHost('bb'), { port })
    await eventually(() =>
      expect(b.found).toEqual([{ peer: peer('a'), addresses: ['/ip4/127.0.0.1/tcp/1001'] }]),
    )
    await eventually(() =>
      expect(a.found).toEqual([{ peer: peer('bb'), addresses: ['/ip4/127.0.0.1/tcp/1002'] }]),
    )
    a.host.addresses.set(['/ip4/127.0.0.1/tcp/7/p2p/12D3KooW', '/ip4/203.0.113.1/tcp/7'])
    await eventually(() =>
      expect(b.found.slice(1)).toEqual([{ peer: peer('a'), addresses: ['/ip4/127.0.0.1/tcp/7'] }]),
    )
    // Repeated, and not reported again.
    const heard = b.received('announcement')
    await eventually(() => expect(b.received('announcement')).toBeGreaterThan(heard))
    expect(b.found).toHaveLength(2)
  })

  test.concurrent(
    'given a source that ends, then it says goodbye, its socket is gone, and a host that comes back is found again',
    async () => {
      const port = await freeUdpPort()
      {
        await using b = new Seeker(fakeHost('bb'), { port })
        for (const times of [1, 2]) {
          const a = new Seeker(fakeHost('a'), { port })
          await eventually(() => expect(b.found).toHaveLength(times))
          await a[Symbol.asyncDispose]()
          expect(a.sent('goodbye')).toBe(1)
          const gone = { result: 'gone' }
          await eventually(() =>
            expect(b.host.metrics.value('mosaik_discovery_mdns_sightings_total', gone)).toBe(times),
          )
        }
      }
      // Only when nobody has the port can it be had for oneself.
      const socket = createSocket('udp4')
      socket.bind({ port, exclusive: true })
      await once(socket, 'listening')
      socket.close()
    },
  )

  test.concurrent(
    'given a host that claims to be where it cannot be, then only what is on the link is taken for a candidate',
    async () => {
      const port = await freeUdpPort()
      await using a = new Seeker(fakeHost('a'), { port })
      await eventually(() => expect(a.sent('query')).toBeGreaterThan(0))
      await using liar = await MdnsSocket.open({
        port,
        onPacket: () => undefined,
        onFailure: () => undefined,
      })
      await liar.send(alice.announcement(['/ip4/203.0.113.1/tcp/1']).bytes, '127.0.0.1')
      await liar.send(bob.announcement(['/ip4/203.0.113.1/tcp/1', '/ip4/127.0.0.1/tcp/2']).bytes, '127.0.0.1')
      await eventually(() =>
        expect(a.found).toEqual([{ peer: peer('bob'), addresses: ['/ip4/127.0.0.1/tcp/2'] }]),
      )
      const unreachable = { result: 'unreachable' }
      expect(a.host.metrics.value('mosaik_discovery_mdns_sightings_total', unreachable)).toBe(1)
    },
  )

  test('given garbage and more of it than is read, then it is counted, nothing comes of it, and hosts are still found', async () => {
    const port = await freeUdpPort()
    await using a = new Seeker(fakeHost('a'), { port })
    await eventually(() => expect(a.sent('query')).toBeGreaterThan(0))
    await using socket = await MdnsSocket.open({
      port,
      onPacket: () => undefined,
      onFailure: () => undefined,
    })
    const garbage = Buffer.concat([alice.query().subarray(0, 40), Buffer.from('\x07_mosaik')])
    for (let sent = 0; a.received('limited') === 0 && sent < 5_000; sent++) {
      await socket.send(garbage, '127.0.0.1')
      if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await socket.send(Buffer.from('printers say this'), '127.0.0.1')
    await socket.send(Buffer.alloc(5_000), '127.0.0.1')
    await eventually(() => {
      expect(a.received('malformed')).toBeGreaterThan(100)
      expect(a.received('limited')).toBeGreaterThan(0)
      expect(a.received('unrelated')).toBe(1)
      expect(a.received('oversized')).toBe(1)
    })
    expect(a.found).toEqual([])
    await using b = new Seeker(fakeHost('bb'), { port })
    await eventually(() => expect(a.found.map((target) => target.peer)).toEqual([b.host.peerId]))
  })

  test('given a source and nothing else to do, then the process ends', async () => {
    const port = await freeUdpPort()
    const script = `
      import { mdns } from '#framework/discovery'
      import { MetricsRegistry, Watch, digestOf } from '#framework/primitives'
      const host = { network: digestOf('n'), peerId: digestOf('p'), addresses: new Watch(['/ip4/127.0.0.1/tcp/9']), metrics: new MetricsRegistry() }
      const found = mdns({ host, port: ${port}, interface: '127.0.0.1' }).candidates(new AbortController().signal)
      void found.next()
      setTimeout(() => console.log(host.metrics.value('mosaik_discovery_mdns_sent_total', { kind: 'query', result: 'ok' })), 400)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    try {
      expect(await within(10_000, once(child, 'close'))).toEqual([0, null])
    } finally {
      child.kill('SIGKILL')
    }
    expect(output).toBe('1\n')
  })
})

/** Counts what is logged, by level. */
function countingLogger(counts: { warn: number; debug: number }): Logger {
  return { ...silentLogger, warn: () => counts.warn++, debug: () => counts.debug++ }
}

describe('mDNS without multicast', () => {
  test('given a port that cannot be had, then there is one warning, attempts go on, and the source ends when asked to', async () => {
    const port = await freeUdpPort()
    const other = createSocket('udp4')
    other.bind({ port, exclusive: true })
    await once(other, 'listening')
    const counts = { warn: 0, debug: 0 }
    const clock = new ManualClock()
    try {
      await using seeker = new Seeker(fakeHost('a'), { port, clock, logger: countingLogger(counts) })
      await eventually(() => expect(counts).toEqual({ warn: 1, debug: 0 }))
      for (const attempts of [1, 2]) {
        await eventually(() => expect(clock.pendingCount).toBe(1))
        clock.advance(10_000)
        await eventually(() => expect(counts).toEqual({ warn: 1, debug: attempts }))
      }
      expect(seeker.found).toEqual([])
    } finally {
      other.close()
    }
    expect(clock.pendingCount).toBe(0)
  })

  test('given an interface that does not exist, then there is one warning, and the source ends when asked to', async () => {
    const counts = { warn: 0, debug: 0 }
    await using seeker = new Seeker(fakeHost('a'), {
      port: await freeUdpPort(),
      interface: 'no-such-interface',
      logger: countingLogger(counts),
    })
    await eventually(() => expect(counts.warn).toBe(1))
    expect(seeker.found).toEqual([])
  })

  test('given options that cannot be meant, then they are refused by name', () => {
    const host = fakeHost('a')
    for (const options of [{ intervalMs: 999 }, { intervalMs: NaN }, { port: 0 }, { port: 1.5 }]) {
      expect(() => mdns({ host, ...options })).toThrow(
        expect.objectContaining({
          code: 'DISCOVERY_OPTION_INVALID',
          details: expect.objectContaining({ option: Object.keys(options)[0] }),
        }),
      )
    }
  })
})
