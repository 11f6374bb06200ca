import { describe, expect, test } from '@jest/globals'
import { digestOf, encodeUtf8 } from '#framework/primitives'
import {
  compareExpirations,
  isExpired,
  remainingMs,
  ticketIdOf,
  ticketsOf,
  validateTicket,
  validateTickets,
  type Expiration,
  type PeerEntry,
  type Ticket,
  type TicketValidator,
} from '#framework/discovery'
import { OwnEntry } from '../../framework/discovery/own-entry.js'
import { NOW, contentOf, identityOf, network } from './support.js'

const jwt = digestOf('mosaik.test.jwt')
const other = digestOf('another class')

function ticketOf(text: string, ticketClass = jwt): Ticket {
  return { class: ticketClass, data: encodeUtf8(text) }
}

function entryWith(...tickets: readonly Ticket[]): PeerEntry {
  return new OwnEntry(identityOf('me'), network, contentOf({ tickets }), NOW).entry
}

/** Reads the expiration from the ticket's text; refuses what is no number and not `never`. */
function validatorOf(ticketClass = jwt): TicketValidator {
  return {
    class: ticketClass,
    signature: digestOf('reads the text'),
    validate: (data) => {
      const text = new TextDecoder().decode(data)
      if (text === 'throw') throw new Error('a validator that fails')
      if (text === 'never') return 'never'
      return Number(text) > 0 ? Number(text) : 'invalid'
    },
  }
}

describe('tickets of an entry', () => {
  test('given the vector of the specification, then the id of a ticket is derived from class and data', () => {
    expect(ticketIdOf(ticketOf('credential-data'))).toBe(
      '778dd60adb7ce64a655ce27b09e25f7203bff1300f1b2c26c4068b5418c69f1a',
    )
  })

  test('given tickets in any order and twice, then the entry has each once, in the order of their ids', () => {
    const tickets = [ticketOf('a'), ticketOf('b'), ticketOf('c', other), ticketOf('a')]
    const { tickets: held } = entryWith(...tickets)
    expect(held).toEqual(entryWith(...tickets.toReversed()).tickets)
    expect(held.map(ticketIdOf)).toEqual(held.map(ticketIdOf).toSorted())
    expect(held).toHaveLength(3)
  })

  test('given tickets of two classes, then those of one are found', () => {
    const entry = entryWith(ticketOf('a'), ticketOf('b', other))
    expect(ticketsOf(entry, other)).toEqual([ticketOf('b', other)])
    expect(ticketsOf(entry, digestOf('no class'))).toEqual([])
  })

  test('given data that its owner changes afterwards, then the entry keeps what it was given', () => {
    const ticket = ticketOf('a')
    const entry = entryWith(ticket)
    ticket.data.fill(0)
    expect(entry.tickets).toEqual([ticketOf('a')])
  })
})

describe('validating tickets', () => {
  test.each<[string, string[], Expiration | 'invalid']>([
    ['no tickets', [], 'invalid'],
    ['only refused ones', ['x', 'y'], 'invalid'],
    ['several good ones', ['100', '300', '200', 'x'], 300],
    ['one that never expires', ['100', 'never', '200'], 'never'],
    ['one that the validator fails on', ['throw', '100'], 100],
  ])('given %s, then a validator is satisfied until the latest, or not at all', (_, texts, expected) => {
    const entry = entryWith(...texts.map((text) => ticketOf(text)))
    expect(validateTicket(entry, validatorOf())).toBe(expected)
  })

  test('given tickets of another class, then they do not count', () => {
    expect(validateTicket(entryWith(ticketOf('100', other)), validatorOf())).toBe('invalid')
  })

  test.each<[string, unknown]>([
    ['a promise', Promise.resolve('never')],
    ['no number', NaN],
    ['nothing', undefined],
  ])('given a validator that answers with %s, then it has refused', (_, answer) => {
    const validator = { ...validatorOf(), validate: () => answer as Expiration }
    expect(validateTicket(entryWith(ticketOf('100')), validator)).toBe('invalid')
  })

  test('given several validators, then all must be satisfied, and the earliest expiration counts', () => {
    const entry = entryWith(ticketOf('100'), ticketOf('300'), ticketOf('200', other))
    expect(validateTickets(entry, [validatorOf(), validatorOf(other)])).toBe(200)
    expect(validateTickets(entry, [validatorOf(), validatorOf(digestOf('missing'))])).toBe('invalid')
    expect(validateTickets(entry, [])).toBe('never')
  })
})

describe('expirations', () => {
  test('given never and times, then never is later than any, and times compare', () => {
    expect((['never', 5, 3] as Expiration[]).toSorted(compareExpirations)).toEqual([3, 5, 'never'])
    expect(compareExpirations('never', 'never')).toBe(0)
  })

  test('given a time, then it is expired strictly after it, and until then there is something left', () => {
    expect([isExpired(10, 10), isExpired(10, 11), isExpired('never', Infinity)]).toEqual([false, true, false])
    expect([remainingMs(10, 4), remainingMs(10, 10), remainingMs(10, 11), remainingMs('never', 0)]).toEqual([
      6,
      0,
      undefined,
      undefined,
    ])
  })
})
