import { describe, expect, test } from '@jest/globals'
import type { Expiration, TicketValidator } from '#framework/discovery'
import { digestOf } from '#framework/primitives'
import { TicketGate } from '../../../framework/groups/bond/ticket-gate.js'
import { entryWith } from '../../streams/peer-entry.js'

/** Accepts tickets until the time that they spell, and counts how often it was asked. */
function validatorOf(name: string) {
  const ticketClass = digestOf(name)
  const looks = { count: 0 }
  const validate = (data: Uint8Array): Expiration => {
    looks.count++
    const text = new TextDecoder().decode(data)
    return text === 'never' ? 'never' : Number(text)
  }
  const validator: TicketValidator = { class: ticketClass, signature: digestOf(`${name}!`), validate }
  return {
    validator,
    looks,
    ticket: (until: Expiration) => ({ class: ticketClass, data: new TextEncoder().encode(String(until)) }),
  }
}

describe('the gate of a group', () => {
  const [a, b] = [validatorOf('a'), validatorOf('b')]

  test('given no validators, then everybody may be in, for ever', () => {
    expect(new TicketGate([]).judge(entryWith(), 0)).toBe('never')
  })

  test('given two validators, then a ticket of each is needed, and the earlier expiration counts', () => {
    const gate = new TicketGate([a.validator, b.validator])
    const judged = (...tickets: ReturnType<typeof a.ticket>[]) => gate.judge(entryWith({ tickets }), 50)
    expect(judged(a.ticket(100), b.ticket(200))).toBe(100)
    expect(judged(a.ticket('never'), b.ticket('never'))).toBe('never')
    expect(judged(a.ticket(100))).toBe('refused')
    expect(judged(b.ticket(100))).toBe('refused')
    expect(judged(a.ticket(49), b.ticket(100))).toBe('refused')
  })

  test('given several tickets of one kind, then the longest-lived counts', () => {
    const gate = new TicketGate([a.validator])
    expect(gate.judge(entryWith({ tickets: [a.ticket(60), a.ticket(90), a.ticket(10)] }), 50)).toBe(90)
  })

  test('given an entry that was judged before, then its tickets are not looked at again, and expire all the same', () => {
    const gate = new TicketGate([a.validator])
    const entry = entryWith({ tickets: [a.ticket(100)] })
    const before = a.looks.count
    expect([gate.judge(entry, 50), gate.judge(entry, 100), gate.judge(entry, 101)]).toEqual([
      100,
      100,
      'refused',
    ])
    expect(a.looks.count).toBe(before + 1)
  })
})
