import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Expiration, PeerEntry, PeerInfo, TicketValidator } from '#framework/discovery'
import { digestOf, encodeUtf8, silentLogger } from '#framework/primitives'
import {
  Eligibility,
  type Judgement,
  type Requirements,
} from '../../framework/streams/eligibility/eligibility.js'
import { recordingLogger } from '../support/recording-logger.js'
import { entryWith } from './peer-entry.js'

const now = 1_000_000
const classes = [digestOf('first class'), digestOf('second class')] as const

const holding = (...tickets: readonly (readonly [ticketClass: number, until: Expiration | 'invalid'])[]) =>
  entryWith({
    tickets: tickets.map(([index, until]) => ({ class: classes[index]!, data: encodeUtf8(String(until)) })),
  })

/** Reads the expiration from the ticket. */
function validatorOf(index: number): TicketValidator {
  return {
    class: classes[index]!,
    signature: digestOf(`reads ${index}`),
    validate: (data) => {
      const text = new TextDecoder().decode(data)
      return text === 'never' || text === 'invalid' ? text : Number(text)
    },
  }
}

interface World {
  rttMs?: number
  now: number
}

function eligibilityOf(requirements: Requirements, world: World = { now }): Eligibility {
  return new Eligibility({
    requirements,
    what: 'test',
    rttMs: () => world.rttMs,
    now: () => world.now,
    logger: silentLogger,
  })
}

function outcome(judgement: Judgement): unknown {
  if (judgement.isEligible) return judgement.until
  return judgement.cause === 'ticket' ? judgement.problem : judgement.cause
}

describe('each requirement', () => {
  test('given none, then every peer qualifies for ever', () => {
    expect(eligibilityOf({}).judge(entryWith())).toEqual({ isEligible: true, until: 'never' })
  })

  test('given several predicates, then all must hold', () => {
    const requirements = {
      require: [(peer: PeerInfo) => peer.tags.includes('a'), (peer: PeerInfo) => peer.tags.includes('b')],
    }
    const judged = (...tags: string[]) => outcome(eligibilityOf(requirements).judge(entryWith({ tags })))
    expect([judged('a', 'b'), judged('a'), judged('b')]).toEqual(['never', 'predicate', 'predicate'])
  })

  test('given a longest round trip, then who is further away does not qualify, and who was never measured does', () => {
    const judged = (rttMs?: number) =>
      outcome(
        eligibilityOf({ maxRttMs: 10 }, { now, ...(rttMs !== undefined && { rttMs }) }).judge(entryWith()),
      )
    expect([judged(), judged(10), judged(10.1)]).toEqual(['never', 'never', 'rtt'])
  })

  test('a predicate is told the round trip', () => {
    const near = eligibilityOf({ require: (peer) => peer.rttBelow(5) }, { now, rttMs: 4 })
    const far = eligibilityOf({ require: (peer) => peer.rttBelow(5) }, { now, rttMs: 6 })
    expect([outcome(near.judge(entryWith())), outcome(far.judge(entryWith()))]).toEqual([
      'never',
      'predicate',
    ])
  })

  test.each<[string, PeerEntry, unknown]>([
    ['none', holding(), 'missing'],
    ['one of another class', holding([1, 'never']), 'missing'],
    ['a false one', holding([0, 'invalid']), 'invalid'],
    ['an old one', holding([0, now - 1]), 'expired'],
    ['one that is good to this very millisecond', holding([0, now]), now],
    ['a false, an old and a good one', holding([0, 'invalid'], [0, now - 1], [0, now + 5]), now + 5],
    ['two good ones', holding([0, now + 5], [0, now + 9]), now + 9],
    ['one for ever', holding([0, 'never'], [0, now + 5]), 'never'],
  ])('given that a ticket is required, when the peer shows %s, then that decides', (_, entry, expected) => {
    expect(outcome(eligibilityOf({ requireTicket: validatorOf(0) }).judge(entry))).toBe(expected)
  })

  test('given two validators, then both must be satisfied, and the first expiration counts', () => {
    const eligibility = eligibilityOf({ requireTicket: [validatorOf(0), validatorOf(1)] })
    const judged = (entry: PeerEntry) => outcome(eligibility.judge(entry))
    expect(judged(holding([0, now + 9], [1, now + 5]))).toBe(now + 5)
    expect(judged(holding([0, now + 9]))).toBe('missing')
    expect(judged(holding([0, now + 9], [1, now - 1]))).toBe('expired')
  })

  test('any tickets and validators: eligible exactly when each validator has a current one, until the earliest of the latest', () => {
    const until = fc.oneof(
      fc.constant<Expiration | 'invalid'>('never'),
      fc.constant<Expiration | 'invalid'>('invalid'),
      fc.integer({ min: now - 3, max: now + 3 }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1), until)), fc.subarray([0, 1]), (tickets, required) => {
        const latest = required.map((index) =>
          Math.max(
            -Infinity,
            ...tickets
              .filter(([each, value]) => each === index && value !== 'invalid')
              .map(([, value]) => (value === 'never' ? Infinity : Number(value))),
          ),
        )
        const isEligible = latest.every((value) => value >= now)
        const judgement = eligibilityOf({ requireTicket: required.map(validatorOf) }).judge(
          holding(...tickets),
        )
        expect(judgement.isEligible).toBe(isEligible)
        const earliest = Math.min(Infinity, ...latest)
        if (judgement.isEligible) expect(judgement.until).toBe(earliest === Infinity ? 'never' : earliest)
      }),
    )
  })
})

describe('what was judged', () => {
  test('is remembered for an entry until there is news, a later entry, or the ticket has expired', () => {
    const world: World = { now }
    let looks = 0
    const validator = validatorOf(0)
    const eligibility = eligibilityOf(
      {
        requireTicket: {
          ...validator,
          validate: (data, entry) => {
            looks++
            return validator.validate(data, entry)
          },
        },
      },
      world,
    )
    const entry = holding([0, now + 5])
    eligibility.judge(entry)
    eligibility.judge(entry)
    expect(looks).toBe(1)
    eligibility.reconsider(entry)
    expect(looks).toBe(2)
    eligibility.judge(holding([0, now + 5]))
    expect(looks).toBe(3)
    world.now += 6
    expect(outcome(eligibility.judge(entry))).toBe('expired')
  })
})

describe('S-20: code of the application that fails', () => {
  test.each<[string, Requirements]>([
    ['a predicate that throws', { require: () => raise() }],
    ['a predicate that answers with a promise', { require: () => Promise.resolve(true) as never }],
    ['a validator that throws', { requireTicket: { ...validatorOf(0), validate: () => raise() } }],
    [
      'a validator that answers with a promise',
      { requireTicket: { ...validatorOf(0), validate: () => Promise.resolve('never') as never } },
    ],
    [
      'a validator that answers with no number',
      { requireTicket: { ...validatorOf(0), validate: () => NaN } },
    ],
  ])('%s has said no, is counted each time, and is logged once in a row', (_, requirements) => {
    const lines: string[] = []
    const eligibility = new Eligibility({
      requirements,
      what: 'producer of stream "x"',
      rttMs: () => undefined,
      now: () => now,
      logger: recordingLogger(lines),
    })
    for (let n = 0; n < 3; n++) expect(eligibility.judge(holding([0, 'never'])).isEligible).toBe(false)
    expect(eligibility.errorCount).toBe(3)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^warn: "require(Ticket)?" of producer of stream "x" failed/)
  })

  test('when it works again in between, then the next failure is logged again', () => {
    const lines: string[] = []
    let isBroken = true
    const eligibility = new Eligibility({
      requirements: { require: () => (isBroken ? raise() : true) },
      what: 'test',
      rttMs: () => undefined,
      now: () => now,
      logger: recordingLogger(lines),
    })
    for (const broken of [true, true, false, true]) {
      isBroken = broken
      eligibility.judge(entryWith())
    }
    expect(lines).toHaveLength(2)
  })
})

function raise(): never {
  throw new Error('broken')
}
