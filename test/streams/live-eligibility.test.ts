import { expect, test } from '@jest/globals'
import type { PeerEntry } from '#framework/discovery'
import { ManualClock, silentLogger } from '#framework/primitives'
import { liveEligibility } from '../../framework/streams/eligibility/live-eligibility.js'
import type { StreamsContext } from '../../framework/streams/streams-context.js'
import { entryNamed } from '../discovery/ranking-support.js'
import { TestIssuer } from './tickets.js'

const issuer = new TestIssuer('one')

function entryWith(name: string, until: number): PeerEntry {
  const { peer } = entryNamed(name)
  return entryNamed(name, { tickets: [issuer.issue(peer, until)] })
}

test('S-11: given tickets that expire together, when what comes of the first is that another is renewed or left, then there is no news of what those were before', () => {
  const clock = new ManualClock()
  const until = clock.now() + 1_000
  const [first, renewed, left] = ['first', 'renewed', 'left'].map((name) => entryWith(name, until))
  const news: PeerEntry[] = []
  using eligibility = liveEligibility({
    requirements: { requireTicket: issuer.validator },
    where: 'consumer',
    what: 'test',
    context: {
      host: { rtt: { ms: () => undefined } },
      clock,
      logger: silentLogger,
    } as unknown as StreamsContext,
    onNews: (entry) => {
      news.push(entry)
      eligibility.follow([{ entry: entryWith('renewed', until + 1_000) }])
    },
  })
  eligibility.follow([first!, renewed!, left!].map((entry) => ({ entry })))
  clock.advance(1_001)
  expect(news).toEqual([first])
  clock.advance(1_000)
  expect(news).toEqual([first, entryWith('renewed', until + 1_000)])
})

test('given many who require nothing of anybody, then there is one eligibility for all of them, which lets everybody in', () => {
  const unconditional = (what: string) =>
    liveEligibility({
      requirements: { maxRttMs: Infinity },
      where: 'consumer',
      what,
      context: {} as StreamsContext,
      onNews: () => {},
    })
  const first = unconditional('first')
  expect(unconditional('second')).toBe(first)
  expect(first.judge(entryNamed('anybody'))).toEqual({ isEligible: true, until: 'never' })
})
