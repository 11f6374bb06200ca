import { describe, expect, test } from '@jest/globals'
import { nearest, prefer, seeds, type Discovery, type Preference } from '#framework/discovery'
import { ManualClock, Watch, type PeerId } from '#framework/primitives'
import { RttTracker } from '../../framework/network/rtt/rtt-tracker.js'
import { encodeWhole } from '../../framework/discovery/announcement.js'
import type { Catalog } from '../../framework/discovery/catalog.js'
import { Ranking, type RankingOptions } from '../../framework/discovery/ranking/ranking.js'
import { eventually, within } from '../support/eventually.js'
import { TestNode, TestNodes } from './node.js'
import { departureRecord, entryRecord, identityOf } from './support.js'
import { catalogOf, namesOf, peerNamed, type Described } from './ranking-support.js'

/** A ranking on a clock of its own, with the catalog and the round trips in the hands of the test. */
function rankingOf(
  preference: Preference,
  options: { peers?: Record<string, Described>; maxRttMs?: number } & RankingOptions = {},
) {
  const { peers = {}, maxRttMs = Infinity, ...rankingOptions } = options
  const clock = new ManualClock()
  const catalog = new Watch<Catalog>(catalogOf(peers))
  const rtt = new RttTracker({ clock, peersMax: 100 })
  const counts = { ranked: 0, changed: 0, closed: 0 }
  const ranking = new Ranking({
    catalog,
    rtt,
    preference,
    ...rankingOptions,
    maxRttMs,
    clock,
    onRanked: (changed) => {
      counts.ranked++
      if (changed) counts.changed++
    },
    onClosed: () => counts.closed++,
  })
  const names = 'abcdefgh'.split('')
  return {
    clock,
    catalog,
    rtt,
    counts,
    ranking,
    know: (known: Record<string, Described>) => catalog.set(catalogOf(known)),
    chosen: () => namesOf(ranking.chosen.value, names),
    /** Measures round trips of that length for a minute, so that nothing else is remembered. */
    measure: (name: string, ms: number) => {
      for (let i = 0; i < 60; i++) {
        clock.advance(1_000)
        rtt.note(peerNamed(name), ms)
      }
    },
  }
}

describe('a ranking that stays current', () => {
  test('given peers, then they are ranked at once; when the catalog changes many times, then again once for all of it', () => {
    const { chosen, know, clock, counts, ranking } = rankingOf(prefer({ tags: ['x'], k: 1 }), {
      peers: { a: {} },
    })
    expect(chosen()).toEqual(['a'])
    know({})
    know({ b: {} })
    know({ b: {}, c: { tags: ['x'] } })
    expect(chosen()).toEqual(['a'])
    clock.advance(100)
    expect(chosen()).toEqual(['c'])
    expect(ranking.result.value.ranked).toHaveLength(2)
    expect(counts).toMatchObject({ ranked: 1, changed: 1 })
  })

  test('given candidates that depend on something else, when it changes, then a refresh ranks again at once', () => {
    const refused = new Set<PeerId>()
    const { chosen, ranking, clock, counts } = rankingOf(prefer({ tags: ['x'], k: 1 }), {
      peers: { a: { tags: ['x'] }, b: {} },
      candidates: ({ peer }) => !refused.has(peer),
    })
    expect(chosen()).toEqual(['a'])
    refused.add(peerNamed('a'))
    ranking.refresh()
    expect(chosen()).toEqual(['b'])
    ranking.close()
    refused.clear()
    ranking.refresh()
    expect(chosen()).toEqual(['b'])
    expect([counts.ranked, clock.pendingCount]).toEqual([1, 0])
  })

  test('given a choice that could not be acted on, then the incumbents are those who were told', () => {
    let incumbents = ['b']
    const hysteresis = { marginMs: 50, marginPart: 0 }
    const { chosen, measure, ranking } = rankingOf(nearest(1, { hysteresis }), {
      peers: { a: {}, b: {} },
      incumbents: () => incumbents.map(peerNamed),
    })
    measure('a', 10)
    measure('b', 40)
    ranking.refresh()
    expect(chosen()).toEqual(['b'])
    incumbents = []
    ranking.refresh()
    expect(chosen()).toEqual(['a'])
  })

  test('given that this node counts too, then it is at no distance, which says nothing about those that were never measured', () => {
    const peers = { a: {}, b: {} }
    const { ranking, rtt } = rankingOf(nearest(1), { peers, includesSelf: true })
    rtt.note(peerNamed('a'), 40)
    ranking.refresh()
    expect(namesOf(ranking.chosen.value, ['me', 'a'])).toEqual(['me'])
    expect(ranking.result.value.ranked.map(({ scoreMs }) => scoreMs)).toEqual([0, 40, 40])
    expect(ranking.unmeasured).toEqual([peerNamed('b')])
  })

  test('given thousands of peers, then changes are collected for longer, because ranking them takes longer', () => {
    const { know, clock, counts } = rankingOf(nearest(1))
    const peers = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`peer-${i}`, {}]))
    know(peers)
    clock.advance(299)
    expect(counts.ranked).toBe(0)
    clock.advance(1)
    expect(counts.ranked).toBe(1)
  })

  test('D-20: given a round trip that has become another, then the choice changes without anything else happening; given noise, then nobody is woken', () => {
    const { chosen, measure, clock, counts } = rankingOf(nearest(1), { peers: { a: {}, b: {} } })
    measure('a', 20)
    measure('b', 40)
    clock.advance(60_000)
    expect(chosen()).toEqual(['a'])
    const before = counts.ranked
    measure('a', 21)
    measure('b', 39)
    expect(counts.ranked).toBe(before)
    measure('a', 120)
    clock.advance(10_100)
    expect(chosen()).toEqual(['b'])
    expect(counts.ranked).toBeGreaterThan(before)
  })

  test('given a better peer, when it has been better for long enough, then it is chosen though nothing happens in that moment', () => {
    const { chosen, rtt, clock, know } = rankingOf(nearest(1), { peers: { a: {} } })
    rtt.note(peerNamed('a'), 50)
    rtt.note(peerNamed('b'), 10)
    know({ a: {}, b: {} })
    clock.advance(100)
    expect(chosen()).toEqual(['a'])
    clock.advance(9_999)
    expect(chosen()).toEqual(['a'])
    clock.advance(1)
    expect(chosen()).toEqual(['b'])
  })

  test('given a limit, when a round trip crosses it by a little, then the peer is excluded; when it comes back well below, then it is not', () => {
    const { chosen, measure, clock, ranking } = rankingOf(nearest(1), { peers: { a: {} }, maxRttMs: 100 })
    measure('a', 99)
    expect(chosen()).toEqual(['a'])
    measure('a', 102)
    clock.advance(100)
    expect(chosen()).toEqual([])
    expect(ranking.result.value.ranked[0]?.reasons).toMatchObject([{ because: 'max-rtt', maxRttMs: 100 }])
    measure('a', 80)
    clock.advance(100)
    expect(chosen()).toEqual(['a'])
  })

  test('given a limit, when an estimate expires, then the peer has its chance again', () => {
    const { chosen, measure, clock } = rankingOf(nearest(1), { peers: { a: {} }, maxRttMs: 100 })
    measure('a', 200)
    clock.advance(100)
    expect(chosen()).toEqual([])
    clock.advance(301_000)
    expect(chosen()).toEqual(['a'])
  })

  test('given the same peers in another order, then the result changes and the choice does not', () => {
    const { ranking, rtt, clock, counts } = rankingOf(nearest(2), { peers: { a: {}, b: {} } })
    rtt.note(peerNamed('a'), 10)
    rtt.note(peerNamed('b'), 20)
    clock.advance(100)
    const changes: (readonly PeerId[])[] = []
    ranking.chosen.subscribe((value) => void changes.push(value))
    rtt.note(peerNamed('a'), 30, 'another path')
    clock.advance(100)
    expect(ranking.result.value.chosen).toEqual(['b', 'a'].map(peerNamed))
    expect(changes).toEqual([])
    expect(counts.changed).toBe(0)
  })

  test('given a ranking that is closed, or whose catalog ends, then it follows nothing, and leaves no timer', () => {
    const closed = rankingOf(nearest(1), { peers: { a: {} } })
    closed.know({ b: {} })
    closed.ranking.close()
    closed.ranking.close()
    const ended = rankingOf(nearest(1), { peers: { a: {} } })
    ended.know({ b: {} })
    ended.catalog.end(new Error('discovery has failed'))
    for (const { ranking, counts, clock, rtt, chosen } of [closed, ended]) {
      rtt.note(peerNamed('a'), 1)
      rtt.close()
      expect(clock.pendingCount).toBe(0)
      expect(chosen()).toEqual(['a'])
      expect([ranking.result.ended, ranking.chosen.ended, counts.closed]).toEqual([true, true, 1])
    }
  })
})

/** Two nodes that know each other, and are connected. */
async function pair(nodes: TestNodes, options: { maxRttMs?: number } = {}): Promise<[TestNode, TestNode]> {
  const far = await nodes.add({ tags: ['far'] })
  const node = await nodes.add({ seeds: far.addresses, ...options })
  await within(5_000, Promise.all([node, far].map(({ discovery }) => discovery.when().peers(1).wait())))
  // The first sign of life has been given: the next one is a quarter of a minute away, and what is noted until then stays.
  await eventually(() => node.host.rttMs(far.peerId) !== undefined)
  return [node, far]
}

function standing(discovery: Discovery, peer: PeerId) {
  return discovery.rank().ranked.find((each) => each.peer === peer)
}

/** Further than anything is on loopback, however busy the machine. */
const maxRttMs = 4_000
const tooFarMs = 4_500

describe('rankings of a node', () => {
  test('D-19: given a peer that is further away than maxRttMs, then it stays known, is counted and served, and is only not chosen; when it comes nearer, then it is', async () => {
    await using nodes = new TestNodes()
    const [node, far] = await pair(nodes, { maxRttMs })
    using ranking = node.discovery.ranking(nearest(1))
    expect(ranking.chosen.value).toEqual([far.peerId])
    node.host.rtt.note(far.peerId, tooFarMs, 'a long way round')

    await eventually(() => expect(ranking.chosen.value).toEqual([]))
    expect(standing(node.discovery, far.peerId)).toMatchObject({
      chosen: false,
      reasons: [{ kind: 'excluded', because: 'max-rtt', rttMs: tooFarMs, maxRttMs }],
    })
    expect(node.knows(far.peerId)).toBe(true)
    expect(node.discovery.when().peer(far.peerId).met).toBe(true)
    expect(node.discovery.info(far.peerId)).toMatchObject({ tags: ['far'], rttMs: tooFarMs })
    // It is served as anybody else: it can sync, and what it says is taken in.
    far.discovery.addTags('still-here')
    await within(5_000, far.discovery.syncWith({ peer: node.peerId }))
    await within(5_000, node.discovery.when().tagged('still-here').wait())

    node.host.rtt.note(far.peerId, 20, 'a short cut')
    expect(await within(5_000, ranking.when().chosen().wait())).toEqual([far.peerId])
    expect(node.metric('ranking_changes_total')).toBe(2)
    expect(node.metric('rankings')).toBe(1)
  })

  test('D-18: given a limit, then every count of peers is the same, whoever is too far away', async () => {
    await using nodes = new TestNodes()
    const [node, far] = await pair(nodes, { maxRttMs })
    const unsigned = catalogOf({ unsigned: {} }).peers.values().next().value!
    node.discovery.insert({ ...unsigned, network: node.host.network })
    node.host.rtt.note(far.peerId, tooFarMs, 'a long way round')
    const { catalog } = node.discovery
    expect(catalog.value.size).toBe(2)
    expect([...catalog.value.peers.keys()]).toHaveLength(2)
    expect(node.metric('peers')).toBe(2)
    expect(node.discovery.when().peers(2).met).toBe(true)
    expect(node.discovery.rank().ranked).toHaveLength(2)
    expect(node.discovery.rank().chosen).toEqual([unsigned.peer])
    expect(catalog.value.get(far.peerId)).toBeDefined()
  })

  test('given a peer that departs, then how far away it was is forgotten', async () => {
    await using nodes = new TestNodes()
    const [node, far] = await pair(nodes)
    await far.discovery.close()
    await eventually(() => expect(node.knows(far.peerId)).toBe(false))
    await eventually(() => expect(node.host.rttMs(far.peerId)).toBeUndefined())
  })

  test('D-28: given a departure that is not believed, then how far away the peer is stays known; given one that is, then it does not', async () => {
    await using node = await TestNode.start()
    const now = Date.now()
    const [liar, leaver] = ['liar', 'leaver'].map((name) => identityOf(name).peerId) as [PeerId, PeerId]
    for (const name of ['liar', 'leaver']) {
      expect(node.discovery.feed(encodeWhole(entryRecord(name, { run: now })))).toBe(true)
    }
    node.host.rtt.note(liar, 10)
    node.host.rtt.note(leaver, 20)
    // Somebody repeats what the peer said when an earlier process of it stopped.
    expect(node.discovery.feed(encodeWhole(departureRecord('liar', { run: now - 1_000 })))).toBe(false)
    expect(node.discovery.feed(encodeWhole(departureRecord('leaver', { run: now, beat: now + 1 })))).toBe(
      true,
    )
    await eventually(() => expect(node.host.rttMs(leaver)).toBeUndefined())
    expect(node.host.rttMs(liar)).toBe(10)
  })

  test('given discovery that is closed, then its rankings end; and given too many, then one more is refused by name', async () => {
    await using node = await TestNode.start()
    const open = Array.from({ length: 256 }, () => node.discovery.ranking())
    expect(() => node.discovery.ranking()).toThrow(expect.objectContaining({ code: 'RANKINGS_TOO_MANY' }))
    open[0]!.close()
    expect(node.metric('rankings')).toBe(255)
    const last = node.discovery.ranking()
    await node.discovery.close()
    expect([last.result.ended, open[1]!.chosen.ended]).toEqual([true, true])
    expect(() => node.discovery.ranking()).toThrow(expect.objectContaining({ code: 'DISCOVERY_CLOSED' }))
  })

  test.each([0, -1, NaN])(
    'given %p as maxRttMs, then discovery does not start, and says why',
    async (maxRttMs) => {
      await using host = await TestNode.host()
      const { Discovery } = await import('#framework/discovery')
      await expect(Discovery.start({ host, maxRttMs, bootstrap: [seeds([])] })).rejects.toMatchObject({
        code: 'DISCOVERY_OPTION_INVALID',
        details: { option: 'maxRttMs' },
      })
    },
  )
})
