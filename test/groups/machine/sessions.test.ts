import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { openSubmissionsMax, Sessions, sessionsMax } from '../../../framework/groups/machine/sessions.js'
import { sessionId } from './entries.js'

const session = sessionId(1)

function applied(sessions: Sessions<string>, id: string, sequence: number, settledBelow = 1): string {
  const { verdict } = sessions.judge({ session: id, sequence, settledBelow })
  if (verdict === 'apply')
    sessions.settle(id, { sequence, term: 1, firstIndex: sequence, results: [`result ${sequence}`] })
  return verdict
}

function opened(): Sessions<string> {
  const sessions = new Sessions<string>()
  sessions.open(session)
  return sessions
}

describe('the submissions of a session', () => {
  test('W-S11: one that is submitted again is not applied again, and has the outcome that it had', () => {
    const sessions = opened()
    expect(applied(sessions, session, 1)).toBe('apply')
    expect(sessions.judge({ session, sequence: 1, settledBelow: 1 })).toEqual({
      verdict: 'repeated',
      outcome: { sequence: 1, term: 1, firstIndex: 1, results: ['result 1'] },
    })
  })

  test('are applied in their order: one that comes too early is not applied, and is when it is its turn', () => {
    const sessions = opened()
    expect(applied(sessions, session, 2)).toBe('early')
    expect(applied(sessions, session, 1)).toBe('apply')
    expect(applied(sessions, session, 2)).toBe('apply')
  })

  test('whose outcomes the client has are forgotten, and are not applied again all the same', () => {
    const sessions = opened()
    for (const sequence of [1, 2, 3]) applied(sessions, session, sequence)
    applied(sessions, session, 4, 3)
    expect(sessions.judge({ session, sequence: 2, settledBelow: 3 })).toEqual({
      verdict: 'repeated',
      outcome: undefined,
    })
    expect(sessions.outcomeOf(session, 3)).toBeDefined()
  })

  test('are no more than so many whose outcomes are still wanted', () => {
    const sessions = opened()
    for (let sequence = 1; sequence <= openSubmissionsMax; sequence++) {
      expect(applied(sessions, session, sequence)).toBe('apply')
    }
    expect(applied(sessions, session, openSubmissionsMax + 1)).toBe('early')
    expect(applied(sessions, session, openSubmissionsMax + 1, 2)).toBe('apply')
  })

  test('of a session that was never opened, or that is forgotten, are not applied', () => {
    const sessions = new Sessions<string>()
    expect(applied(sessions, session, 1)).toBe('unknown-session')
  })

  test('opening a session again changes nothing', () => {
    const sessions = opened()
    applied(sessions, session, 1)
    sessions.open(session)
    expect(sessions.lastOf(session)).toBe(1)
  })
})

test('given more sessions than are remembered, then the one that was used least recently is forgotten', () => {
  const sessions = new Sessions<string>()
  for (let id = 0; id < sessionsMax; id++) sessions.open(sessionId(id))
  applied(sessions, sessionId(0), 1)
  sessions.open(sessionId(sessionsMax))
  expect(sessions.size).toBe(sessionsMax)
  expect(sessions.lastOf(sessionId(0))).toBe(1)
  expect(sessions.lastOf(sessionId(1))).toBeUndefined()
})

test('property: however submissions are repeated and mixed up, each is applied once, in order, and a restored table goes on alike', () => {
  const steps = fc.array(fc.record({ id: fc.nat(2), sequence: fc.integer({ min: 1, max: 8 }) }), {
    maxLength: 80,
  })
  fc.assert(
    fc.property(steps, fc.nat(80), (some, restoredAt) => {
      let sessions = new Sessions<string>()
      for (const id of [0, 1, 2]) sessions.open(sessionId(id))
      const order = new Map<number, number[]>([0, 1, 2].map((id) => [id, []]))
      some.forEach(({ id, sequence }, place) => {
        if (place === restoredAt) {
          const kept = [...sessions.kept()]
          sessions = new Sessions()
          for (const each of kept) sessions.restore(each)
          expect([...sessions.kept()]).toEqual(kept)
        }
        if (applied(sessions, sessionId(id), sequence) === 'apply') order.get(id)!.push(sequence)
      })
      for (const sequences of order.values()) {
        expect(sequences).toEqual(Array.from({ length: sequences.length }, (_, index) => index + 1))
      }
    }),
  )
})
