import { describe, expect, test } from '@jest/globals'
import { CloseReasons } from '#framework/network'
import { isPlaceKeptAfter, startSequence } from '../../framework/streams/producing/place-rules.js'

describe('the place of a consumer', () => {
  test.each([
    ['UnexpectedClose', true, true],
    ['Timeout', true, true],
    ['Cancelled', false, true],
    ['GracefulShutdown', false, true],
    ['NotAllowed', false, false],
    ['SchemaMismatch', false, false],
    ['ProtocolViolation', false, false],
    ['TooSlow', false, false],
  ] as const)(
    'given an end with %s, then it is kept: %s, and of a durable one: %s',
    (name, isKept, ofDurable) => {
      expect(isPlaceKeptAfter(CloseReasons[name], false)).toBe(isKept)
      expect(isPlaceKeptAfter(CloseReasons[name], true)).toBe(ofDurable)
    },
  )
})

describe('where a consumer begins', () => {
  const log = { oldest: 10, next: 20 }
  const epoch = 'now'
  const resumeAt = (sequence: number, of = epoch) => ({ resume: { epoch: of, sequence } })
  const place = { acknowledgedUpTo: 13, writtenUpTo: 16 }

  test.each([
    ['with the newest when it says nothing', {}, undefined, 20],
    ['with the oldest that is kept, when it asks for that', { start: 'oldest' }, undefined, 10],
    ['where it was', resumeAt(15), undefined, 15],
    ['with the oldest that is kept, when it was before that', resumeAt(5), undefined, 10],
    ['with the newest, when it claims to be further', resumeAt(25), undefined, 20],
    ['as a stranger, when it was with an earlier life of the producer', resumeAt(15, 'then'), undefined, 20],
    ['behind what it has acknowledged', {}, place, 13],
    ['where it was, when it got more than it has acknowledged', resumeAt(15), place, 15],
    ['no further than what it was sent', resumeAt(18), place, 16],
  ] as const)('%s', (_, request, kept, sequence) => {
    expect(startSequence({ request, epoch, place: kept, log })).toBe(sequence)
  })
})
