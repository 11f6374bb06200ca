import { describe, expect, test } from '@jest/globals'
import { Discovery, seeds, type DiscoveryOptions } from '#framework/discovery'
import { Host, Identity, defaultLimits } from '#framework/network'
import type { PeerId } from '#framework/primitives'
import { Child } from '../network/child.js'
import { eventually, within } from '../support/eventually.js'
import { UdpGate } from '../support/udp-gate.js'
import { TestNodes, type TestNode } from './node.js'
import { network } from './support.js'

/** QUIC that notices within a second that nobody is there. */
const quickly = {
  quic: { ...defaultLimits.quic, idleTimeoutMs: 600, keepAliveIntervalMs: 150 },
  quicDialTimeoutMs: 500,
}

function departuresOf({ events }: TestNode, peer: PeerId): string[] {
  return events.flatMap((event) => (event.type === 'departed' && event.peer === peer ? event.cause : []))
}

function discoveriesOf({ events }: TestNode, peer: PeerId): number {
  return events.filter((event) => event.type === 'discovered' && event.entry.peer === peer).length
}

// Most of all this is waiting, which all of them do at the same time.
describe('a node that is killed', () => {
  test.concurrent.each([
    ['QUIC', '/ip4/127.0.0.1/udp/0/quic-v1'],
    ['TCP', '/ip4/127.0.0.1/tcp/0'],
  ])(
    'over %s: given a process that is killed, then those linked to it see it depart within 5 s, and it is back when it starts again',
    async (_, listen) => {
      await using nodes = new TestNodes()
      const first = await nodes.add({ listen: [listen] })
      const second = await nodes.add({ listen: [listen], seeds: first.addresses })
      const both = [first, second]
      const addresses = both.flatMap((node) => node.addresses).join(',')
      await using child = new Child('member', listen, addresses, 'the killed')
      const { peer } = await child.line<{ peer: PeerId }>()
      const others = both.map(({ host }) => host)
      await eventually(
        () =>
          both.every(({ discovery }) => discovery.catalog.value.peers.has(peer)) &&
          others.every(({ connections }) => connections.value.has(peer)),
        { timeoutMs: 15_000 },
      )

      child.kill('SIGKILL')
      await within(5_000, Promise.all(both.map(({ discovery }) => discovery.when().peer(peer).not().wait())))
      for (const node of both) {
        await eventually(() => expect(departuresOf(node, peer)).toEqual(['lost']))
        expect(node.metric('peers_departed_total', { cause: 'lost' })).toBe(1)
        expect(node.discovery.candidates).toContainEqual(expect.objectContaining({ source: 'lost', peer }))
      }

      await using again = new Child('member', listen, addresses, 'the killed')
      await again.line()
      await within(10_000, Promise.all(both.map(({ discovery }) => discovery.when().peer(peer).wait())))
    },
    40_000,
  )

  test.concurrent(
    'given a host that is closed without a goodbye, then it is lost, and the one that stopped in order is not',
    async () => {
      await using nodes = new TestNodes()
      const first = await nodes.add()
      const rude = await nodes.add({ seeds: first.addresses })
      const polite = await nodes.add({ seeds: first.addresses })
      await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(2).wait())))
      await rude.vanish()
      await polite.discovery.close()
      await polite.host.close()
      await within(4_000, first.discovery.when().peers(1).not().wait())
      await eventually(() => expect(departuresOf(first, rude.peerId)).toEqual(['lost']))
      expect(departuresOf(first, polite.peerId)).toEqual(['graceful'])
    },
  )
})

/** A node that others only reach through a gate, except those that are told its real address. */
class GatedNode implements AsyncDisposable {
  private constructor(
    readonly node: { readonly host: Host; readonly discovery: Discovery },
    readonly gate: UdpGate,
  ) {}

  static async start(
    options: Partial<DiscoveryOptions> & {
      seeds?: readonly string[]
    } = {},
  ): Promise<GatedNode> {
    const host = await Host.start({
      network,
      listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
      limits: quickly,
    })
    const gate = await UdpGate.before(host.addresses.value[0] ?? '')
    const discovery = await Discovery.start({ ...options, host, bootstrap: [seeds(options.seeds ?? [])] })
    discovery.update(() => ({ addresses: [gate.address] }))
    return new GatedNode({ host, discovery }, gate)
  }

  get peer(): PeerId {
    return this.node.host.peerId
  }

  get discovery(): Discovery {
    return this.node.discovery
  }

  get host(): Host {
    return this.node.host
  }

  knows(other: GatedNode): boolean {
    return this.discovery.catalog.value.peers.has(other.peer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close()
    await this.host.close()
    await this.gate[Symbol.asyncDispose]()
  }
}

describe('a network that is cut in two', () => {
  test.concurrent(
    'D-5: partition and heal, 2 nodes: given two that were cut off from each other for longer than entries live, when the cut is mended, then they find each other, though nobody tells them',
    async () => {
      const options = {
        purgeAfterMs: 2_000,
        announceIntervalMs: 400,
        reconnect: { initialMs: 200, maxMs: 1_000 },
      }
      await using one = await GatedNode.start(options)
      await using other = await GatedNode.start(options)
      // Half a second is little where everybody starts.
      await eventually(async () => void (await one.host.connect({ addresses: [other.gate.address] })))
      await within(5_000, Promise.all([one, other].map(({ discovery }) => discovery.when().peers(1).wait())))

      one.gate.isOpen = other.gate.isOpen = false
      await eventually(() => !one.knows(other) && !other.knows(one), { timeoutMs: 5_000 })
      // Long enough for either to have forgotten even what the other had said.
      await eventually(() => one.discovery.candidates.some(({ failures }) => failures >= 3), {
        timeoutMs: 20_000,
      })
      expect(one.host.connections.value.size).toBe(0)

      one.gate.isOpen = other.gate.isOpen = true
      await within(5_000, Promise.all([one, other].map(({ discovery }) => discovery.when().peers(1).wait())))
    },
  )

  test.concurrent(
    'D-5: partition and heal, N nodes: given two halves that were cut off from each other, then each keeps its own and loses the other, and when the cut is mended all know all',
    async () => {
      const options = { announceIntervalMs: 1_000, reconnect: { initialMs: 200, maxMs: 1_000 } }
      const halves: GatedNode[][] = []
      await using stack = new AsyncDisposableStack()
      for (let half = 0; half < 2; half++) {
        const first = stack.use(await GatedNode.start(options))
        const direct = [...first.host.addresses.value]
        const rest = [
          stack.use(await GatedNode.start({ ...options, seeds: direct })),
          stack.use(await GatedNode.start({ ...options, seeds: direct })),
        ]
        // Each pair of a half is connected without a gate.
        await eventually(
          async () => void (await rest[1]!.host.connect({ addresses: [...rest[0]!.host.addresses.value] })),
        )
        halves.push([first, ...rest])
      }
      const all = halves.flat()
      halves[0]![0]!.discovery.dial([halves[1]![0]!.gate.address])
      await within(15_000, Promise.all(all.map(({ discovery }) => discovery.when().peers(5).wait())))

      for (const { gate } of all) gate.isOpen = false
      await eventually(() => all.every(({ host }) => host.connections.value.size === 2), {
        timeoutMs: 10_000,
      })
      // Those with a link across have seen it break; nobody has lost anyone of its own half.
      for (const half of halves) {
        for (const node of half) expect(half.every((peer) => peer === node || node.knows(peer))).toBe(true)
      }
      await eventually(() => halves.every(([first], i) => !first!.knows(halves[1 - i]![0]!)), {
        timeoutMs: 5_000,
      })

      for (const { gate } of all) gate.isOpen = true
      await within(15_000, Promise.all(all.map(({ discovery }) => discovery.when().peers(5).wait())))
    },
  )

  test.concurrent(
    'given a peer that only we cannot reach, then we lose it, and it is back with its next sign of life, and does not flap',
    async () => {
      const options = { announceIntervalMs: 3_000, announceJitter: 0, reconnect: { initialMs: 500 } }
      await using between = await GatedNode.start(options)
      const direct = [...between.host.addresses.value]
      await using us = await GatedNode.start({ ...options, seeds: direct })
      await using far = await GatedNode.start({ ...options, seeds: direct })
      const events: string[] = []
      void (async () => {
        for await (const event of us.discovery.events()) {
          if (event.type === 'departed' && event.peer === far.peer) events.push(event.cause)
          if (event.type === 'discovered' && event.entry.peer === far.peer) events.push('discovered')
        }
      })()
      await eventually(() => us.host.connections.value.has(far.peer), { timeoutMs: 10_000 })
      expect(events).toEqual(['discovered'])

      far.gate.isOpen = us.gate.isOpen = false
      await eventually(() => expect(events.slice(0, 3)).toEqual(['discovered', 'lost', 'discovered']), {
        timeoutMs: 15_000,
      })
      // The dials that fail from here on are no news.
      await eventually(
        () => (us.host.metrics.value('mosaik_discovery_dials_total', { result: 'failed' }) ?? 0) >= 1,
        { timeoutMs: 10_000 },
      )
      expect(events).toHaveLength(3)
      expect(us.host.connections.value.has(far.peer)).toBe(false)
    },
    40_000,
  )
})

describe('a seed that comes and goes', () => {
  test.concurrent(
    'given a seed that starts again on another port with the same identity, then it finds the others by what it has been told before, and they it',
    async () => {
      await using nodes = new TestNodes()
      const identity = Identity.random()
      const seed = await nodes.add({ identity })
      const other = await nodes.add({ seeds: seed.addresses })
      await within(5_000, Promise.all([seed, other].map(({ discovery }) => discovery.when().peers(1).wait())))
      await seed.vanish()
      await within(6_000, other.discovery.when().peers(1).not().wait())
      const again = await nodes.add({ identity, seeds: other.addresses })
      expect(again.addresses).not.toEqual(seed.addresses)
      await within(
        5_000,
        Promise.all([again, other].map(({ discovery }) => discovery.when().peers(1).wait())),
      )
      expect(discoveriesOf(other, identity.peerId)).toBe(2)
    },
  )
})
