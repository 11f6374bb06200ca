import { describe, expect, test } from '@jest/globals'
import type { BootstrapSource } from '#framework/discovery'
import { CloseReasons, libp2pPeerId, type DialTarget, type Disconnect } from '#framework/network'
import { MosaikError, TaskScope, Watch, nextTurn, seededRandom, type PeerId } from '#framework/primitives'
import { Connector } from '../../framework/discovery/connector.js'
import { DialPlan } from '../../framework/discovery/dial-plan.js'
import { recordingLogger } from '../support/recording-logger.js'
import { NOW, PURGE_AFTER_MS, departureRecord, entryRecord, identityOf, storeOf } from './support.js'

const self = identityOf('me').peerId
const [alice, bob] = ['alice', 'bob'].map((name) => identityOf(name).peerId) as [PeerId, PeerId]
const addressOf = (port: number) => `/ip4/127.0.0.1/udp/${port}/quic-v1`
const lasting = { source: 'seeds', isLasting: true }

function sourceOf(name: string, candidates: BootstrapSource['candidates']): BootstrapSource {
  return { name, candidates }
}

/** A connector on a host of which the test says who answers, on a clock of the test's. */
function connectorOf(sources: readonly BootstrapSource[] = []) {
  const made = storeOf('me')
  const { store, clock, metrics, registry, events } = made
  const connections = new Watch<ReadonlySet<PeerId>>(new Set())
  const listeners = new Set<(disconnect: Disconnect) => void>()
  const booked = new Map<PeerId, readonly string[]>()
  const reachable = new Map<string, PeerId>()
  const dialled: DialTarget[] = []
  const lines: string[] = []
  const connected = (peer: PeerId): void => connections.set(new Set([...connections.value, peer]))
  const disconnected = (disconnect: Disconnect): void => {
    connections.set(new Set([...connections.value].filter((peer) => peer !== disconnect.peer)))
    for (const fn of listeners) fn(disconnect)
  }
  const host = {
    peerId: self,
    addresses: new Watch<readonly string[]>([`${addressOf(1)}/p2p/${libp2pPeerId(self)}`]),
    connections,
    connect: async (target: DialTarget) => {
      dialled.push(target)
      const known = [...(target.addresses ?? []), ...(target.peer ? (booked.get(target.peer) ?? []) : [])]
      const peer = known.map((address) => reachable.get(address)).find((found) => found !== undefined)
      if (peer === undefined) throw new MosaikError('DIAL_FAILED', 'nobody answers')
      connected(peer)
      return peer
    },
    onDisconnected: (fn: (disconnect: Disconnect) => void) => {
      listeners.add(fn)
      return () => void listeners.delete(fn)
    },
    prune: () => Infinity,
    learn: (peer: PeerId, addresses: readonly string[]) => {
      if (addresses.length > 0) booked.set(peer, addresses)
    },
    addressesOf: (peer: PeerId) => booked.get(peer) ?? [],
  }
  const scope = new TaskScope()
  const random = seededRandom('connector')
  const connector = new Connector({
    host,
    store,
    plan: new DialPlan({ meshPeers: 8, reconnect: { jitter: 0 }, random }),
    sources,
    scope,
    clock,
    random,
    metrics,
    logger: recordingLogger(lines),
  })
  scope.spawn('connector', (signal) => connector.run(signal))
  /** Lets time pass in small steps, and everybody do what they have to meanwhile. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      await nextTurn()
      clock.advance(Math.min(50, ms - passed))
    }
    await nextTurn()
  }
  const know = (name: string, port: number): void => {
    store.take(entryRecord(name, { run: NOW }), 'gossip')
    booked.set(identityOf(name).peerId, [addressOf(port)])
  }
  return {
    connector,
    store,
    clock,
    registry,
    events,
    host,
    dialled,
    reachable,
    lines,
    scope,
    connected,
    disconnected,
    listeners,
    pass,
    know,
  }
}

describe('the connector alone', () => {
  test('given a candidate that is down, then it is dialled until it answers, and not any more', async () => {
    const { connector, dialled, reachable, registry, pass, scope } = connectorOf()
    connector.add({ addresses: [addressOf(7)] }, lasting)
    await pass(3_000)
    expect(dialled.length).toBeGreaterThanOrEqual(4)
    expect(connector.candidates).toMatchObject([{ state: 'waiting', lastError: 'nobody answers' }])
    reachable.set(addressOf(7), alice)
    await pass(10_000)
    const count = dialled.length
    await pass(60_000)
    expect(dialled).toHaveLength(count)
    expect(connector.candidates).toMatchObject([{ state: 'connected', peer: alice, failures: 0 }])
    expect(registry.value('mosaik_discovery_dials_total', { result: 'ok' })).toBe(1)
    await scope.close()
  })

  test('D-29: given what cannot be dialled, and too many candidates, then it is said, counted, and left out', async () => {
    const { connector, registry, lines, scope } = connectorOf()
    const dropped = (reason: string) =>
      registry.value('mosaik_discovery_candidates_dropped_total', { source: 'seeds', reason }) ?? 0
    connector.add({ addresses: ['nonsense'] }, lasting)
    expect([dropped('invalid'), connector.candidates]).toEqual([1, []])
    for (let i = 0; i < 257; i++) connector.add({ addresses: [addressOf(1_000 + i)] }, lasting)
    expect(dropped('full')).toBe(1)
    expect(lines).toEqual(['warn: a candidate was dropped: there are too many of its source'])
    await nextTurn()
    expect(registry.value('mosaik_discovery_candidates', { source: 'seeds' })).toBe(256)
    await scope.close()
  })

  test('given an address of our own, and our own peer id, then they are not dialled', async () => {
    const { connector, dialled, pass, scope } = connectorOf()
    connector.add({ addresses: [addressOf(1)] }, lasting)
    connector.add({ peer: self, addresses: [addressOf(2)] }, lasting)
    await pass(5_000)
    expect(dialled).toEqual([])
    expect(connector.candidates.map(({ state }) => state)).toEqual(['self', 'self'])
    await scope.close()
  })

  test('D-5: given a peer id alone, then it is dialled as soon as a source has found its address', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const source = sourceOf('found', async function* () {
      await promise
      yield { peer: alice, addresses: [addressOf(7)] }
    })
    const { connector, dialled, reachable, pass, scope, host } = connectorOf([source])
    reachable.set(addressOf(7), alice)
    connector.add({ peer: alice }, lasting)
    await pass(2_000)
    expect([dialled, connector.candidates[0]?.state]).toEqual([[], 'unlocated'])
    resolve()
    await pass(100)
    expect(host.connections.value).toEqual(new Set([alice]))
    await scope.close()
  })

  test('N-10: given a source that fails again and again, then it is started again with longer and longer pauses, and nothing else ends', async () => {
    let starts = 0
    const source = sourceOf('broken', async function* () {
      starts++
      yield { addresses: [addressOf(7)] }
      throw new Error('out of order')
    })
    const { connector, reachable, lines, pass, scope } = connectorOf([source])
    reachable.set(addressOf(7), alice)
    await pass(20_000)
    expect(starts).toBeGreaterThan(2)
    expect(starts).toBeLessThan(15)
    expect(lines.filter((line) => line.includes('started again'))).toHaveLength(starts)
    expect(connector.candidates).toMatchObject([{ source: 'broken', state: 'connected' }])
    expect(scope.failure).toBeUndefined()
    await scope.close()
  })

  test('given a connection that broke, then its peer is dialled at once, and nothing is said when it answers', async () => {
    const { know, connected, disconnected, dialled, reachable, events, pass, scope } = connectorOf()
    know('alice', 7)
    reachable.set(addressOf(7), alice)
    connected(alice)
    await pass(0)
    disconnected({ peer: alice, reason: CloseReasons.UnexpectedClose, by: 'nobody' })
    await pass(100)
    expect(dialled).toEqual([{ peer: alice }])
    expect(events.map(({ type }) => type)).toEqual(['discovered'])
    await pass(5_000)
    expect(events.map(({ type }) => type)).toEqual(['discovered'])
    await scope.close()
  })

  test('given a peer that does not answer any more, then it is lost within a second, stays a candidate, and is back when it is reached', async () => {
    const { connector, know, connected, disconnected, reachable, events, registry, pass, scope, store } =
      connectorOf()
    know('alice', 7)
    connected(alice)
    connected(bob)
    await pass(0)
    disconnected({ peer: alice, reason: CloseReasons.UnexpectedClose, by: 'nobody' })
    await pass(1_000)
    expect(events.map(({ type }) => type)).toEqual(['discovered', 'departed'])
    expect(events[1]).toMatchObject({ cause: 'lost', peer: alice })
    expect(registry.value('mosaik_discovery_redials_total', { result: 'failed' })).toBe(2)
    expect(connector.candidates).toMatchObject([{ source: 'lost', peer: alice, addresses: [addressOf(7)] }])
    reachable.set(addressOf(7), alice)
    await pass(15_000)
    expect(connector.candidates).toMatchObject([{ state: 'connected' }])
    expect(events.slice(2)).toMatchObject([{ type: 'discovered', entry: { peer: alice } }])
    expect(store.catalog.value.peers.has(alice)).toBe(true)
    await scope.close()
  })

  test.each([
    ['before its connection broke', 0],
    ['while it was looked for', 500],
  ])(
    'D-5: given a peer whose entry has expired %s, then it stays a candidate, and is back when it is reached',
    async (_, afterMs) => {
      const { connector, know, connected, disconnected, reachable, pass, scope, store, host } = connectorOf()
      know('alice', 7)
      connected(alice)
      await pass(PURGE_AFTER_MS - afterMs)
      disconnected({ peer: alice, reason: CloseReasons.UnexpectedClose, by: 'nobody' })
      await pass(2_000)
      expect(store.catalog.value.peers.has(alice)).toBe(false)
      expect(connector.candidates).toMatchObject([{ source: 'lost', peer: alice, state: 'waiting' }])
      reachable.set(addressOf(7), alice)
      await pass(15_000)
      expect(host.connections.value).toEqual(new Set([alice]))
      await scope.close()
    },
  )

  test('given a peer that has said goodbye before its connection broke, then it is no candidate', async () => {
    const { connector, know, connected, disconnected, pass, scope, store } = connectorOf()
    know('alice', 7)
    connected(alice)
    store.take(departureRecord('alice', { run: NOW + 1 }), 'gossip')
    await pass(0)
    disconnected({ peer: alice, reason: CloseReasons.GracefulShutdown, by: 'peer' })
    await pass(2_000)
    expect(connector.candidates).toEqual([])
    await scope.close()
  })

  test.each([
    ['it was ended by us', { reason: CloseReasons.GracefulShutdown, by: 'us' }],
    ['the peer has let us go', { reason: CloseReasons.Pruned, by: 'peer' }],
    ['the peer has ended it in order', { reason: CloseReasons.Success, by: 'peer' }],
  ] as const)('given a connection that is over because %s, then the peer is not lost', async (_, how) => {
    const { know, connected, disconnected, dialled, events, pass, scope } = connectorOf()
    know('alice', 7)
    connected(alice)
    connected(bob)
    await pass(0)
    disconnected({ peer: alice, ...how })
    await pass(5_000)
    expect(events.map(({ type }) => type)).toEqual(['discovered'])
    if (how.reason === CloseReasons.Pruned) expect(dialled).toEqual([])
    await scope.close()
  })

  test('given that it ends, then nothing of it is left: no timer, no listener', async () => {
    const { connector, clock, listeners, pass, scope } = connectorOf([
      sourceOf('endless', async function* (signal) {
        yield { addresses: [addressOf(7)] }
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        })
      }),
    ])
    connector.add({ addresses: [addressOf(8)] }, lasting)
    await pass(500)
    await scope.close()
    expect([clock.pendingCount, listeners.size, scope.failure]).toEqual([0, 0, undefined])
  })
})
