import { describe, expect, test } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { LabNode } from './lab-node.js'
import { NetLab, labUnavailable } from './net-lab.js'

const unavailable = labUnavailable()
/** At the same time, because they mostly wait. */
const lab = unavailable === undefined ? test.concurrent : test.concurrent.skip
/** After those, and by itself: a hole is found by two who connect at the same moment, for which both need their turn. */
const labAlone = unavailable === undefined ? test : test.skip
const suite = unavailable === undefined ? 'behind NATs' : `behind NATs (skipped: ${unavailable})`

/** Two neighbourhoods of the public segment. */
const BEACON = '203.0.113.1'
const OTHER_BEACON = '198.51.100.1'
/** A probe that fails takes three seconds, and finding out that a peer is gone four. */
const SLOW = { timeoutMs: 20_000 }
const TIMEOUT_MS = 60_000 * Number(process.env.TIME_FACTOR ?? 1)

interface CatalogEntry {
  readonly peer: string
  readonly addresses: readonly string[]
}

/** A relay at a public address, and where to find it. */
async function startRelay(
  stack: AsyncDisposableStack,
  net: NetLab,
  name: string,
  ip: string,
  seeds?: readonly string[],
) {
  const node = stack.use(
    await LabNode.start(net.host(name, ip), {
      relay: { serve: true },
      ...(seeds !== undefined && { seeds }),
    }),
  )
  const { addresses } = await node.info()
  return { node, addresses: addresses.filter((address) => address.startsWith(`/ip4/${ip}/`)) }
}

function startTwoRelays(stack: AsyncDisposableStack, net: NetLab) {
  return Promise.all([
    startRelay(stack, net, 'beacon', BEACON),
    startRelay(stack, net, 'other', OTHER_BEACON),
  ])
}

function relayedAmong(addresses: readonly string[]): string[] {
  return addresses.filter((address) => address.includes('/p2p-circuit/'))
}

async function statusOf(node: LabNode): Promise<string> {
  return (await node.info()).reachability.status
}

describe(suite, () => {
  labAlone(
    'N-1: given two nodes behind NATs of their own that know only a beacon, when they have started, then they find each other, talk over a relay at first and directly soon, and nobody publishes an address that is not its own',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const beacon = await startRelay(stack, net, 'beacon', BEACON, [])
      const other = await startRelay(stack, net, 'other', OTHER_BEACON, beacon.addresses)
      const [a, b] = await Promise.all(
        [net.site('a', 1, '203.0.113.10', 'cone'), net.site('b', 2, '203.0.113.20', 'cone')].map((ns) =>
          LabNode.start(ns, { relay: { via: 'auto' }, seeds: beacon.addresses }),
        ),
      )
      stack.use(a!)
      stack.use(b!)

      await eventually(async () => expect(await statusOf(a!)).toBe('private'), SLOW)
      await eventually(async () => expect(await statusOf(b!)).toBe('private'), SLOW)
      expect(await statusOf(beacon.node)).toBe('public')
      expect(await statusOf(other.node)).toBe('public')

      await eventually(async () => {
        const catalog = await a!.ask<CatalogEntry[]>('catalog')
        const entry = catalog.find(({ peer }) => peer === b!.peer)
        expect(relayedAmong(entry?.addresses ?? [])).not.toHaveLength(0)
      }, SLOW)
      expect(await a!.echo(b!.peer, 'hello')).toMatchObject({ value: 'hello' })
      await eventually(async () => expect(await a!.path(b!.peer)).toBe('tcp'), SLOW)
      expect(await b!.echo(a!.peer, 'and back')).toEqual({ value: 'and back', transport: 'tcp' })

      const hostsOf = new Map([
        [beacon.node.peer, [BEACON, '127.0.0.1']],
        [other.node.peer, [OTHER_BEACON, '127.0.0.1']],
        [a!.peer, ['192.168.1.2', '127.0.0.1']],
        [b!.peer, ['192.168.2.2', '127.0.0.1']],
      ])
      const relays = [BEACON, OTHER_BEACON]
      const published = await beacon.node.ask<CatalogEntry[]>('catalog')
      expect(published.map(({ peer }) => peer).toSorted()).toEqual(
        [other.node.peer, a!.peer, b!.peer].toSorted(),
      )
      for (const { peer, addresses } of published) {
        const hosts = addresses.map((address) => [address.split('/')[2], address.includes('/p2p-circuit')])
        for (const [host, isRelayed] of hosts)
          expect(isRelayed === true ? relays : hostsOf.get(peer)).toContain(host)
      }
    },
    TIMEOUT_MS,
  )

  lab(
    'given a peer whose NAT maps every connection to another port, when a node behind a NAT calls it, then no hole is found and the relay carries their links',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const beacon = await startRelay(stack, net, 'beacon', BEACON)
      const via = beacon.addresses
      const a = stack.use(
        await LabNode.start(net.site('a', 1, '203.0.113.10', 'symmetric'), { relay: { via } }),
      )
      const b = stack.use(await LabNode.start(net.site('b', 2, '203.0.113.20', 'cone')))
      await b.connect({ addresses: via })
      await eventually(async () => expect(relayedAmong((await a.info()).addresses)).not.toHaveLength(0))

      await b.connect({ addresses: relayedAmong((await a.info()).addresses) })
      const failed = { name: 'mosaik_hole_punches_total', labels: { result: 'failed' } }
      await eventually(async () => expect(await a.ask('metric', failed)).toBe(1), SLOW)
      expect(await b.echo(a.peer, 'over the relay')).toEqual({ value: 'over the relay', transport: 'relay' })
    },
    TIMEOUT_MS,
  )

  lab(
    'given a node with places at two relays, when one of them loses its power, then the node publishes the other one only, and a public peer that calls there is dialled back',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const [first, second] = await startTwoRelays(stack, net)
      const via = [first.addresses[0]!, second.addresses[0]!]
      const hidden = stack.use(
        await LabNode.start(net.site('a', 1, '203.0.113.10', 'cone'), { relay: { via } }),
      )
      await eventually(async () => {
        const relayed = relayedAmong((await hidden.info()).addresses)
        for (const relay of [BEACON, OTHER_BEACON])
          expect(relayed.some((address) => address.startsWith(`/ip4/${relay}/`))).toBe(true)
      })
      await first.node.kill()
      await eventually(async () => {
        const relayed = relayedAmong((await hidden.info()).addresses)
        expect(relayed).not.toHaveLength(0)
        for (const address of relayed) expect(address).toMatch(`/ip4/${OTHER_BEACON}/`)
      }, SLOW)

      const open = stack.use(await LabNode.start(net.host('open', '192.0.2.1')))
      await open.connect({ addresses: relayedAmong((await hidden.info()).addresses) })
      await eventually(async () => expect(await open.path(hidden.peer)).toBe('quic'))
      expect(await open.echo(hidden.peer, 'hello')).toEqual({ value: 'hello', transport: 'quic' })
    },
    TIMEOUT_MS,
  )

  lab(
    'given a relayed connection whose first attempt to become direct has failed, when what was in the way is gone, then a later attempt makes it direct',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const beacon = await startRelay(stack, net, 'beacon', BEACON)
      const router = '203.0.113.10'
      const hidden = stack.use(
        await LabNode.start(net.site('a', 1, router, 'cone'), { relay: { via: beacon.addresses } }),
      )
      await eventually(async () => expect(relayedAmong((await hidden.info()).addresses)).not.toHaveLength(0))

      const cable = net.host('open', '192.0.2.1')
      net.block(cable, router)
      const open = stack.use(await LabNode.start(cable))
      await open.connect({ addresses: relayedAmong((await hidden.info()).addresses) })
      const failed = { name: 'mosaik_hole_punches_total', labels: { result: 'failed' } }
      await eventually(async () => expect(await hidden.ask('metric', failed)).toBe(1), SLOW)
      expect(await open.path(hidden.peer)).toBe('relay')

      net.unblock(cable)
      await eventually(async () => expect(await open.path(hidden.peer)).toBe('quic'), SLOW)
    },
    TIMEOUT_MS,
  )

  lab(
    'N-11: given a public node, when it loses its uplink, then its reachability is unknown, and public again when the uplink is back',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const beacon = await startRelay(stack, net, 'beacon', BEACON)
      const cable = net.host('open', '192.0.2.1')
      const open = stack.use(await LabNode.start(cable))
      await open.connect({ addresses: beacon.addresses })
      await eventually(async () => expect(await statusOf(open)).toBe('public'), SLOW)
      net.unplug(cable)
      await eventually(async () => expect(await statusOf(open)).toBe('unknown'), SLOW)
      net.plugIn(cable)
      await open.connect({ addresses: beacon.addresses })
      await eventually(async () => expect(await statusOf(open)).toBe('public'), SLOW)
    },
    TIMEOUT_MS,
  )

  labAlone(
    'N-1: given a node whose router forwards its port, when one beacon has dialled it there, then that address is not published yet; when a second one elsewhere sees it too, then it is, and the places at relays are let go',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const [first, second] = await startTwoRelays(stack, net)
      const node = stack.use(
        await LabNode.start(net.site('a', 1, '203.0.113.10', 'cone', 4001), {
          relay: { via: first.addresses },
        }),
      )
      await eventually(async () => expect(await statusOf(node)).toBe('public'), SLOW)
      const { addresses } = await node.info()
      expect(addresses.some((address) => address.includes('203.0.113.10'))).toBe(false)
      expect(relayedAmong(addresses)).not.toHaveLength(0)

      await node.connect({ addresses: second.addresses })
      await eventually(async () => {
        const published = (await node.info()).addresses
        expect(published.some((address) => address.startsWith('/ip4/203.0.113.10/'))).toBe(true)
        expect(relayedAmong(published)).toEqual([])
      }, SLOW)
    },
    TIMEOUT_MS,
  )
})
