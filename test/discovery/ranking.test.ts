import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { nearest, prefer } from '../../framework/discovery/ranking/preference.js'
import { namesOf, peerNamed, rankOf, rankedIn, reasonsOf, type Described } from './ranking-support.js'

type Peers = Record<string, Described>

/** The names of all that were ranked, in order. */
function order(peers: Peers, options: Parameters<typeof rankOf>[1] = {}): string[] {
  const { result } = rankOf(peers, options)
  return namesOf(
    result.ranked.map(({ peer }) => peer),
    Object.keys(peers),
  )
}

function chosen(peers: Peers, options: Parameters<typeof rankOf>[1] = {}): string[] {
  return namesOf(rankOf(peers, options).result.chosen, Object.keys(peers))
}

describe('preference', () => {
  test('given measured round trips, then the nearest are chosen, and each says how far away it is', () => {
    const peers = { far: { rttMs: 90 }, near: { rttMs: 3 }, middle: { rttMs: 40 } }
    expect(order(peers)).toEqual(['near', 'middle', 'far'])
    expect(chosen(peers, { preference: nearest(2) })).toEqual(['near', 'middle'])
    const outcome = rankOf(peers, { preference: nearest(2) })
    expect(rankedIn(outcome, 'far')).toMatchObject({ chosen: false, scoreMs: 90, info: { rttMs: 90 } })
    expect(reasonsOf(outcome, 'near')).toEqual([{ kind: 'latency', costMs: 3, basis: 'measured' }])
  })

  test('given preferred tags, then each that a peer lacks counts, and is said', () => {
    const peers = { both: { tags: ['gpu', 'ssd'] }, one: { tags: ['gpu'] }, none: {} }
    const preference = prefer({ tags: ['gpu', 'ssd', 'gpu'], latency: false })
    expect(order(peers, { preference })).toEqual(['both', 'one', 'none'])
    expect(rankedIn(rankOf(peers, { preference }), 'one')).toMatchObject({
      scoreMs: 100,
      reasons: [
        { kind: 'tag', tag: 'gpu', present: true, costMs: 0 },
        { kind: 'tag', tag: 'ssd', present: false, costMs: 100 },
      ],
    })
  })

  test('given our own region and zone as preferred, then peers there come first, and each says where it is', () => {
    const me = { labels: { region: 'eu', zone: 'a' } }
    const peers = {
      here: { labels: { region: 'eu', zone: 'a' } },
      beside: { labels: { region: 'eu', zone: 'b' } },
      away: { labels: { region: 'us', zone: 'a' } },
      nowhere: {},
    }
    const preference = prefer({ region: true, zone: true, latency: false })
    const ordered = order(peers, { me, preference })
    expect(ordered.slice(0, 2)).toEqual(['here', 'beside'])
    const outcome = rankOf(peers, { me, preference })
    expect(rankedIn(outcome, 'away')).toMatchObject({
      scoreMs: 60,
      reasons: [
        { kind: 'region', wanted: 'eu', actual: 'us', same: false, costMs: 50 },
        // A zone of the same name elsewhere is another zone.
        { kind: 'zone', wanted: 'a', actual: 'a', same: false, costMs: 10 },
      ],
    })
    expect(reasonsOf(outcome, 'nowhere')).toMatchObject([{ actual: undefined }, { actual: undefined }])
    expect(rankedIn(outcome, 'here').scoreMs).toBe(0)
  })

  test('given a named region, then it counts whatever ours is; given our own and none of ours, then nothing counts', () => {
    const peers = { eu: { labels: { region: 'eu' } }, us: { labels: { region: 'us' } } }
    expect(order(peers, { preference: prefer({ region: 'us', latency: false }) })).toEqual(['us', 'eu'])
    const own = rankOf(peers, { preference: prefer({ region: true, latency: false }) })
    expect(reasonsOf(own, 'eu')).toEqual([])
  })

  test('given weights, then a property is worth as many milliseconds of round trip as they say', () => {
    const peers = { tagged: { tags: ['gpu'], rttMs: 30 }, near: { rttMs: 1 } }
    expect(order(peers, { preference: prefer({ tags: ['gpu'], weights: { tagMs: 28 } }) })).toEqual([
      'near',
      'tagged',
    ])
    expect(order(peers, { preference: prefer({ tags: ['gpu'], weights: { tagMs: 30 } }) })).toEqual([
      'tagged',
      'near',
    ])
  })

  test.each([
    [{ k: 0 }, 'k'],
    [{ k: 1.5 }, 'k'],
    [{ maxRttMs: 0 }, 'maxRttMs'],
    [{ maxRttMs: NaN }, 'maxRttMs'],
    [{ weights: { tagMs: -1 } }, 'tagMs'],
    [{ hysteresis: { holdMs: Infinity } }, 'holdMs'],
  ])('given %p, then it is refused with its name', (options, field) => {
    expect(() => prefer(options)).toThrow(
      expect.objectContaining({ code: 'PREFERENCE_INVALID', details: expect.objectContaining({ field }) }),
    )
  })
})

describe('what may not be chosen', () => {
  test('given a limit, then who is known to be further away is excluded, and who is unknown passes', () => {
    const peers = { near: { rttMs: 100 }, far: { rttMs: 101 }, unknown: {} }
    const outcome = rankOf(peers, { maxRttMs: 100 })
    expect(order(peers, { maxRttMs: 100 }).at(-1)).toBe('far')
    expect(rankedIn(outcome, 'far')).toMatchObject({
      chosen: false,
      scoreMs: undefined,
      info: { rttMs: 101 },
      reasons: [{ kind: 'excluded', because: 'max-rtt', rttMs: 101, maxRttMs: 100 }],
    })
    expect(outcome.result.chosen).toHaveLength(2)
  })

  test('given a limit of discovery and one of the preference, then the lower one counts', () => {
    const peers = { a: { rttMs: 60 } }
    for (const [own, discovery] of [
      [50, 100],
      [100, 50],
    ] as const) {
      expect(chosen(peers, { preference: prefer({ maxRttMs: own }), maxRttMs: discovery })).toEqual([])
    }
  })

  test('given a peer that was too far away, when it comes just below the limit, then it stays out until it is clearly below', () => {
    const at = (rttMs: number) => ({ peer: { rttMs } })
    const first = rankOf(at(110), { maxRttMs: 100 })
    const second = rankOf(at(95), { maxRttMs: 100, before: first.state })
    const third = rankOf(at(89), { maxRttMs: 100, before: second.state })
    const fourth = rankOf(at(99), { maxRttMs: 100, before: third.state })
    expect([first, second, third, fourth].map(({ result }) => result.chosen.length)).toEqual([0, 0, 1, 1])
  })

  test('given a predicate, then it sees the entry and the round trip, and whom it refuses is excluded', () => {
    const peers = {
      tagged: { tags: ['gpu'], rttMs: 150 },
      near: { tags: ['gpu'], rttMs: 50 },
      plain: { rttMs: 1 },
    }
    const preference = prefer({ require: (info) => info.tags.includes('gpu') && info.rttBelow(100) })
    expect(chosen(peers, { preference })).toEqual(['near'])
    expect(reasonsOf(rankOf(peers, { preference }), 'plain')).toEqual([
      { kind: 'excluded', because: 'require' },
    ])
  })

  test('given predicates that throw, then the peer is excluded with what they said, and the others are ranked', () => {
    const peers = { good: {}, bad: { tags: ['bad'] } }
    const fail = ({ tags }: { tags: readonly string[] }): boolean => {
      if (tags.includes('bad')) throw new Error('no such thing')
      return true
    }
    for (const options of [{ preference: prefer({ require: fail }) }, { candidates: fail }]) {
      expect(chosen(peers, options)).toEqual(['good'])
      expect(reasonsOf(rankOf(peers, options), 'bad')).toEqual([
        { kind: 'excluded', because: 'predicate-failed', message: 'no such thing' },
      ])
    }
  })

  test('given a list of candidates, then only they are ranked, and who is not in the catalog is said to be unknown', () => {
    const peers = { a: { rttMs: 1 }, b: { rttMs: 2 } }
    const candidates = ['b', 'stranger', 'me', 'b'].map(peerNamed)
    const outcome = rankOf(peers, { candidates })
    expect(outcome.result.ranked).toHaveLength(3)
    expect(outcome.result.chosen).toEqual([peerNamed('b')])
    expect(rankedIn(outcome, 'stranger')).toMatchObject({
      info: undefined,
      reasons: [{ because: 'unknown-peer' }],
    })
    expect(reasonsOf(outcome, 'me')).toEqual([{ kind: 'excluded', because: 'self' }])
  })

  test('given a condition on candidates, then the others are not ranked at all', () => {
    const peers = { a: { tags: ['x'] }, b: {} }
    expect(order(peers, { candidates: ({ tags }) => tags.includes('x') })).toEqual(['a'])
  })
})

describe('round trips that were not measured', () => {
  const me = { labels: { region: 'eu', zone: 'a' } }
  const at = (region?: string, zone?: string, rttMs?: number): Described => ({
    labels: { ...(region && { region }), ...(zone && { zone }) },
    ...(rttMs !== undefined && { rttMs }),
  })
  const assumptionOf = (peers: Peers, name: string) =>
    reasonsOf(rankOf(peers, { me }), name).find(({ kind }) => kind === 'latency')

  test('given others that were measured in the same zone, then it is taken to be as far as they are: their median', () => {
    const peers = {
      x: at('us', 'z', 70),
      y: at('us', 'z', 80),
      z: at('us', 'z', 500),
      other: at('us', 'w', 1),
      new: at('us', 'z'),
    }
    expect(assumptionOf(peers, 'new')).toEqual({ kind: 'latency', costMs: 80, basis: 'zone' })
  })

  test('given others only in the same region, then as far as they are; a zone of the same name elsewhere is no help', () => {
    const peers = { x: at('us', 'y', 70), away: at('ap', 'z', 300), new: at('us', 'z') }
    expect(assumptionOf(peers, 'new')).toEqual({ kind: 'latency', costMs: 70, basis: 'region' })
  })

  test('given none measured there, then what is usual within a zone, a region, and between regions', () => {
    const peers = { here: at('eu', 'a'), near: at('eu', 'b'), far: at('us', 'a') }
    expect(['here', 'near', 'far'].map((name) => assumptionOf(peers, name))).toMatchObject([
      { costMs: 2, basis: 'locality' },
      { costMs: 20, basis: 'locality' },
      { costMs: 100, basis: 'locality' },
    ])
  })

  test('given a peer that does not say where it is, then the median of all; given nothing measured at all, then 50 ms', () => {
    expect(assumptionOf({ x: at('us', 'y', 70), new: at() }, 'new')).toMatchObject({
      costMs: 70,
      basis: 'candidates',
    })
    expect(assumptionOf({ new: at() }, 'new')).toMatchObject({ costMs: 50, basis: 'unknown' })
  })

  test('given a ranking, then it tells whose round trip it would need; given one that does not count round trips, then nobody', () => {
    const peers = { known: { rttMs: 1 }, unknown: {}, refused: { tags: ['no'] } }
    const require = ({ tags }: { tags: readonly string[] }): boolean => !tags.includes('no')
    expect(rankOf(peers, { preference: prefer({ require }) }).unmeasured).toEqual([peerNamed('unknown')])
    expect(rankOf(peers, { preference: prefer({ latency: false }) }).unmeasured).toEqual([])
    expect(rankOf(peers, { preference: prefer({ latency: false, maxRttMs: 10 }) }).unmeasured).toHaveLength(2)
  })
})

describe('order', () => {
  const describedArb = fc.record(
    {
      rttMs: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
      tags: fc.subarray(['x', 'y', 'no']),
      labels: fc.record(
        { region: fc.constantFrom('eu', 'us'), zone: fc.constantFrom('a', 'b') },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['tags', 'labels'] },
  )
  const peersArb = fc.dictionary(fc.constantFrom(...'abcdefghijkl'.split('')), describedArb)
  const preferenceArb = fc
    .record({
      k: fc.constantFrom(1, 2, 5, Infinity),
      latency: fc.boolean(),
      tags: fc.subarray(['x', 'y']),
      region: fc.constantFrom(true as const, 'us', undefined),
      zone: fc.constantFrom(true as const, undefined),
    })
    .map((options) => prefer({ ...options, require: ({ tags }) => !tags.includes('no') }))

  test('given any peers in any order, then the ranking is the same, has each of them once, and chooses as many as it can', () => {
    fc.assert(
      fc.property(peersArb, preferenceArb, fc.integer(), (peers, preference, seed) => {
        const options = { preference, maxRttMs: 3, me: { labels: { region: 'eu', zone: 'a' } } }
        const names = Object.keys(peers)
        const ranking = rankOf(peers, options).result
        const [shuffled = []] = fc.sample(fc.shuffledSubarray(names, { minLength: names.length }), {
          seed,
          numRuns: 1,
        })
        const other = rankOf(Object.fromEntries(shuffled.map((name) => [name, peers[name]!])), {
          ...options,
          candidates: shuffled.map(peerNamed),
        }).result
        const plain = ({ ranked }: typeof ranking) =>
          ranked.map(({ peer, chosen: is, scoreMs, reasons }) => ({ peer, is, scoreMs, reasons }))
        expect(plain(other)).toEqual(plain(ranking))
        expect(new Set(ranking.ranked.map(({ peer }) => peer))).toEqual(new Set(names.map(peerNamed)))
        const possible = ranking.ranked.filter(({ scoreMs }) => scoreMs !== undefined)
        expect(ranking.chosen).toHaveLength(Math.min(preference.k, possible.length))
        expect(ranking.ranked.slice(0, possible.length)).toEqual(possible)
      }),
    )
  })

  test('given any peer, then its score is the sum of what counted', () => {
    fc.assert(
      fc.property(peersArb, preferenceArb, (peers, preference) => {
        for (const { scoreMs, reasons } of rankOf(peers, { preference }).result.ranked) {
          if (scoreMs === undefined) continue
          const sum = reasons.reduce((total, reason) => total + ('costMs' in reason ? reason.costMs : 0), 0)
          expect(sum).toBeCloseTo(scoreMs)
        }
      }),
    )
  })

  test('given peers that are equally good, then each node has one order of them, and different nodes have different ones', () => {
    const names = Array.from({ length: 32 }, (_, i) => `peer-${i}`)
    const peers = Object.fromEntries(names.map((name) => [name, {}]))
    const choiceOf = (self: string) => rankOf(peers, { self, preference: nearest(1) }).result.chosen[0]
    const choices = Array.from({ length: 64 }, (_, i) => choiceOf(`node-${i}`))
    expect(choiceOf('node-0')).toBe(choices[0])
    expect(new Set(choices).size).toBeGreaterThan(12)
  })
})
