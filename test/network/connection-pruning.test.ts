import { describe, expect, test } from '@jest/globals'
import { CloseReasons, defaultLimits, type Disconnect, type Host } from '#framework/network'
import type { PeerId } from '#framework/primitives'
import { choosePruned } from '../../framework/network/connection-pruning.js'
import { eventually } from '../support/eventually.js'
import { echo, peerCount, protocol, startHost } from './hosts.js'

const limits = { connectionsHigh: 4, connectionsLow: 2, pruneGraceMs: 100 }
const peers = Array.from({ length: 6 }, (_, i) => String(i).repeat(64) as PeerId)
const use = (index: number, more: { usedAtMs?: number; isIdle?: boolean } = {}) => ({
  peer: peers[index]!,
  usedAtMs: index,
  isIdle: true,
  ...more,
})
const nobody: ReadonlySet<PeerId> = new Set()

describe('which connections are let go', () => {
  test('given no more than the high mark, then none', () => {
    expect(
      choosePruned(
        [0, 1, 2, 3].map((i) => use(i)),
        nobody,
        limits,
        1_000,
      ),
    ).toEqual({
      peers: [],
      atMs: Infinity,
    })
  })

  test('given more, then the idle ones, used longest ago first, until the low mark', () => {
    const uses = [3, 1, 0, 2, 4, 5].map((i) => use(i))
    expect(choosePruned(uses, nobody, limits, 1_000).peers).toEqual(peers.slice(0, 4))
  })

  test('given connections that are in use, that are to be kept, or that are new, then not those, and it is decided again later', () => {
    const uses = [use(0, { isIdle: false }), use(1), use(2, { usedAtMs: 950 }), use(3), use(4), use(5)]
    const keep = new Set([peers[1]!, peers[3]!, peers[4]!])
    expect(choosePruned(uses, keep, limits, 1_000)).toEqual({ peers: [peers[5]], atMs: 1_100 })
  })
})

describe('a host with more connections than it needs', () => {
  test('given idle connections above the high mark, then it lets go of the oldest, tells them why, and keeps those that are used', async () => {
    const served = protocol('used')
    await using server = await startHost({ limits: { ...limits, connectionsHigh: 2, pruneGraceMs: 0 } })
    echo(server, served)
    await using stack = new AsyncDisposableStack()
    const clients: Host[] = []
    const ends: Disconnect[] = []
    for (let i = 0; i < 6; i++) {
      const client = stack.use(await startHost())
      client.onDisconnected((end) => ends.push(end))
      await client.connect({ addresses: server.addresses.value })
      await eventually(() => peerCount(server) === i + 1)
      clients.push(client)
    }
    await clients[0]!.open({ peer: server.peerId }, served)
    // While gossip opens its streams a connection is in use: the host is asked again, and lets go of nobody twice.
    await eventually(() => {
      server.prune(new Set([clients[1]!.peerId]))
      return peerCount(server) === 2
    })
    expect(server.connections.value).toEqual(new Set([clients[0]!.peerId, clients[1]!.peerId]))
    await eventually(() => expect(ends).toHaveLength(4))
    for (const { peer, by, reason } of ends) {
      expect([peer, by, reason.code]).toEqual([server.peerId, 'peer', CloseReasons.Pruned.code])
    }
    expect(server.metrics.value('mosaik_connections_pruned_total')).toBe(4)
    expect(server.prune(new Set())).toBe(Infinity)
    expect(peerCount(server)).toBe(2)
  })

  test('given connections that gossip counts on, then they are kept', async () => {
    await using server = await startHost({ limits: { ...limits, pruneGraceMs: 0 } })
    const topic = server.gossip('topic', { validate: () => 'accept', messageBytesMax: 1024 })
    await using stack = new AsyncDisposableStack()
    for (let i = 0; i < 5; i++) {
      const client = stack.use(await startHost())
      client.gossip('topic', { validate: () => 'accept', messageBytesMax: 1024 })
      await client.connect({ addresses: server.addresses.value })
    }
    await eventually(() => topic.neighbours.value.size === 5)
    expect(server.prune(new Set())).toBeLessThan(Infinity)
    expect(server.metrics.value('mosaik_connections_pruned_total') ?? 0).toBe(0)
  })

  test('given the defaults, then the low mark is below the high one, and that is below the limit', () => {
    const { connectionsLow, connectionsHigh, connectionsMax } = defaultLimits
    expect([connectionsLow, connectionsHigh, connectionsMax]).toEqual([128, 160, 1024])
  })
})

describe('the end of the last connection with a peer', () => {
  test('given a connection that is ended by one side, then both sides know who ended it', async () => {
    await using one = await startHost()
    const other = await startHost()
    const ends: Disconnect[] = []
    const theirs: Disconnect[] = []
    one.onDisconnected((end) => ends.push(end))
    other.onDisconnected((end) => theirs.push(end))
    await one.connect({ addresses: other.addresses.value })
    await eventually(() => peerCount(other) === 1)
    await one.disconnect(other.peerId, CloseReasons.Success)
    await eventually(() => ends.length === 1 && theirs.length === 1)
    expect([ends[0]?.by, theirs[0]?.by]).toEqual(['us', 'peer'])
    expect(theirs[0]?.reason.code).toBe(CloseReasons.Success.code)

    await one.connect({ addresses: other.addresses.value })
    await other.close()
    await eventually(() => ends.length === 2)
    expect(ends[1]).toMatchObject({ peer: other.peerId, by: 'peer', reason: { code: 204 } })
  })
})
