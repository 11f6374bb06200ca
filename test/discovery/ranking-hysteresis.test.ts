import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom, type PeerId } from '#framework/primitives'
import { estimateAfter, type RttEstimate } from '../../framework/network/rtt/rtt-estimate.js'
import {
  choose,
  noChoice,
  type ChoiceState,
  type Eligible,
} from '../../framework/discovery/ranking/choice.js'
import { nearest, prefer } from '../../framework/discovery/ranking/preference.js'
import { noRanking, type RankingState } from '../../framework/discovery/ranking/rank.js'
import { namesOf, peerNamed, rankOf, reasonsOf } from './ranking-support.js'

const letters = 'abcdefgh'.split('')
const hysteresis = { marginPart: 0.2, marginMs: 5, holdMs: 10_000 }

/** Peers that may be chosen, by name, with their scores; those in `assumed` were not measured. */
function eligible(scores: Readonly<Record<string, number>>, assumed: readonly string[] = []): Eligible[] {
  return Object.entries(scores)
    .map(([name, scoreMs]) => ({ peer: peerNamed(name), scoreMs, assumed: assumed.includes(name) }))
    .toSorted((a, b) => a.scoreMs - b.scoreMs)
}

function stateOf(...names: readonly string[]): ChoiceState {
  return { ...noChoice, chosen: new Set(names.map(peerNamed)) }
}

function peersOf(...names: readonly string[]): Set<PeerId> {
  return new Set(names.map(peerNamed))
}

describe('who stays', () => {
  test('given nobody chosen, then the best are, at once', () => {
    const { state, dueAtMs } = choose(eligible({ a: 3, b: 2, c: 1 }), 2, noChoice, hysteresis, 0)
    expect(state.chosen).toEqual(peersOf('c', 'b'))
    expect(dueAtMs).toBe(Infinity)
  })

  test('given a chosen one that is gone, then its place is filled at once', () => {
    const { state } = choose(eligible({ b: 50, c: 90 }), 2, stateOf('a', 'b'), hysteresis, 0)
    expect(state.chosen).toEqual(peersOf('b', 'c'))
  })

  test('given a better one within the margin, then the chosen one stays for ever, and says so', () => {
    let state = stateOf('a')
    for (let nowMs = 0; nowMs <= 100_000; nowMs += 1_000) {
      const choice = choose(eligible({ a: 50, b: 41 }), 1, state, hysteresis, nowMs)
      state = choice.state
      expect(choice.dueAtMs).toBe(Infinity)
      expect(choice.reasons).toEqual(
        new Map([[peerNamed('a'), [{ kind: 'kept', against: peerNamed('b'), aheadMs: 9, marginMs: 10 }]]]),
      )
    }
    expect(state.chosen).toEqual(peersOf('a'))
  })

  test('given near ones, then the margin is five milliseconds and not a fifth of nearly nothing', () => {
    const { dueAtMs } = choose(eligible({ a: 5, b: 0.5 }), 1, stateOf('a'), hysteresis, 0)
    expect(dueAtMs).toBe(Infinity)
  })

  test('given one that is better by the margin, then it is chosen when that has lasted, and until then both say so', () => {
    const at = (nowMs: number, state: ChoiceState) =>
      choose(eligible({ a: 50, b: 39 }), 1, state, hysteresis, nowMs)
    const first = at(1_000, stateOf('a'))
    expect(first.state.chosen).toEqual(peersOf('a'))
    expect(first.dueAtMs).toBe(11_000)
    const second = at(10_999, first.state)
    expect(second.state.chosen).toEqual(peersOf('a'))
    expect(second.reasons.get(peerNamed('b'))).toEqual([
      { kind: 'challenging', against: peerNamed('a'), aheadMs: 11, remainingMs: 1 },
    ])
    expect(second.reasons.get(peerNamed('a'))).toMatchObject([{ kind: 'kept' }])
    expect(at(11_000, second.state).state.chosen).toEqual(peersOf('b'))
  })

  test('given one that is better by the margin with a pause, then its time starts over', () => {
    let state = stateOf('a')
    for (const [nowMs, b] of [
      [0, 39],
      [9_000, 45],
      [10_000, 39],
      [19_000, 39],
    ] as const) {
      state = choose(eligible({ a: 50, b }), 1, state, hysteresis, nowMs).state
      expect(state.chosen).toEqual(peersOf('a'))
    }
    expect(choose(eligible({ a: 50, b: 39 }), 1, state, hysteresis, 20_000).state.chosen).toEqual(
      peersOf('b'),
    )
  })

  test('given a chosen one that was only assumed to be near, then one that is measured to be nearer replaces it at once', () => {
    const scores = { a: 50, b: 10 }
    expect(choose(eligible(scores, ['a']), 1, stateOf('a'), hysteresis, 0).state.chosen).toEqual(peersOf('b'))
    expect(choose(eligible(scores, ['a', 'b']), 1, stateOf('a'), hysteresis, 0).state.chosen).toEqual(
      peersOf('a'),
    )
  })

  test('given several that are better, then the best replace the worst', () => {
    const scores = { a: 100, b: 60, c: 20, d: 10, e: 30 }
    const free = { ...hysteresis, holdMs: 0 }
    expect(choose(eligible(scores), 3, stateOf('a', 'b', 'c'), free, 0).state.chosen).toEqual(
      peersOf('c', 'd', 'e'),
    )
  })

  test('given any scores and any choice before, then as many are chosen as can be, and nobody who is better by the margin waits longer than the hold', () => {
    const scoresArb = fc.dictionary(fc.constantFrom(...letters), fc.integer({ min: 0, max: 200 }))
    fc.assert(
      fc.property(scoresArb, fc.subarray(letters), fc.constantFrom(1, 2, 3, Infinity), (scores, names, k) => {
        const all = eligible(scores)
        const first = choose(all, k, stateOf(...names.slice(0, k)), hysteresis, 0)
        expect(first.state.chosen.size).toBe(Math.min(k, all.length))
        const settled = choose(all, k, first.state, hysteresis, 10_000)
        expect(settled.state.chosen.size).toBe(Math.min(k, all.length))
        const again = choose(all, k, settled.state, hysteresis, 20_000)
        expect(again.state.chosen).toEqual(settled.state.chosen)
        expect(again.dueAtMs).toBe(Infinity)
        const worst = Math.max(
          ...all.filter(({ peer }) => again.state.chosen.has(peer)).map(({ scoreMs }) => scoreMs),
        )
        const best = Math.min(
          ...all.filter(({ peer }) => !again.state.chosen.has(peer)).map(({ scoreMs }) => scoreMs),
        )
        expect(worst - best).toBeLessThanOrEqual(Math.max(0.2 * worst, 5))
      }),
    )
  })
})

/** Peers at given distances, measured every second with noise, and ranked each time; tells each change of the choice. */
function simulate(options: {
  seed: string
  seconds: number
  distancesAt: (second: number) => Readonly<Record<string, number>>
  noise: number
  hysteresis?: { marginPart: number; marginMs: number; holdMs: number }
}): { changes: { second: number; chosen: string[] }[] } {
  const random = seededRandom(options.seed)
  const preference = prefer({ k: 2, ...(options.hysteresis && { hysteresis: options.hysteresis }) })
  const estimates = new Map<string, RttEstimate>()
  const changes: { second: number; chosen: string[] }[] = []
  let state: RankingState = noRanking
  for (let second = 0; second < options.seconds; second++) {
    const distances = options.distancesAt(second)
    for (const [name, ms] of Object.entries(distances)) {
      const sample = ms * (1 + options.noise * (2 * random.float() - 1))
      estimates.set(name, estimateAfter(estimates.get(name), sample, second * 1_000))
    }
    const peers = Object.fromEntries(
      [...estimates].map(([name, { smoothedMs }]) => [name, { rttMs: smoothedMs }]),
    )
    const outcome = rankOf(peers, { preference, before: state, nowMs: second * 1_000 })
    state = outcome.state
    const chosen = namesOf(outcome.result.chosen, Object.keys(peers)).toSorted()
    if (chosen.join() !== changes.at(-1)?.chosen.join()) changes.push({ second, chosen })
  }
  return { changes }
}

describe('under noise', () => {
  const equal = () => ({ a: 40, b: 41, c: 42, d: 39, e: 40 })

  test('given peers that are about equally far away and noise of half of that, then the choice settles and stays for an hour', () => {
    for (const seed of ['one', 'two', 'three']) {
      const { changes } = simulate({ seed, seconds: 3_600, distancesAt: equal, noise: 0.5 })
      // The very first measurement is all that is known at first.
      expect(changes.filter(({ second }) => second > 120)).toEqual([])
      expect(changes.length).toBeLessThanOrEqual(3)
    }
  })

  test('given the same without hysteresis, then it does not: the test above can fail', () => {
    const none = { marginPart: 0, marginMs: 0, holdMs: 0 }
    const { changes } = simulate({
      seed: 'one',
      seconds: 3_600,
      distancesAt: equal,
      noise: 0.5,
      hysteresis: none,
    })
    expect(changes.length).toBeGreaterThan(50)
  })

  test('given a chosen peer that becomes much slower for good, then it is replaced within a minute, once', () => {
    const distancesAt = (second: number) => ({ a: second < 300 ? 20 : 200, b: 25, c: 60 })
    const { changes } = simulate({ seed: 'slow', seconds: 1_200, distancesAt, noise: 0.2 })
    expect(changes.map(({ chosen }) => chosen)).toEqual([
      ['a', 'b'],
      ['b', 'c'],
    ])
    expect(changes[1]?.second).toBeGreaterThan(300)
    expect(changes[1]?.second).toBeLessThan(360)
  })
})

describe('over time', () => {
  test('given a ranking that is made again and again, then its reasons tell who is kept and who waits', () => {
    const peers = (b: number) => ({ a: { rttMs: 50 }, b: { rttMs: b } })
    const first = rankOf(peers(60), { preference: nearest(1) })
    const second = rankOf(peers(20), { preference: nearest(1), before: first.state, nowMs: 1_000 })
    expect(second.result.chosen).toEqual([peerNamed('a')])
    expect(reasonsOf(second, 'a')).toMatchObject([
      { kind: 'latency' },
      { kind: 'kept', against: peerNamed('b') },
    ])
    expect(reasonsOf(second, 'b')).toMatchObject([
      { kind: 'latency' },
      { kind: 'challenging', remainingMs: 10_000 },
    ])
    // The chosen one comes first, although another is better.
    expect(second.result.ranked.map(({ peer }) => peer)).toEqual([peerNamed('a'), peerNamed('b')])
    const third = rankOf(peers(20), { preference: nearest(1), before: second.state, nowMs: second.dueAtMs })
    expect(third.result.chosen).toEqual([peerNamed('b')])
  })
})
