import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  CreditBalance,
  CreditWindow,
  frameCreditBytes,
  initialCreditBytes,
} from '../../framework/streams/credit.js'

test('a frame that is longer than the window passes when there is any credit at all', () => {
  const balance = new CreditBalance(1)
  expect(balance.available).toBe(1)
  balance.spend(1_000_000)
  expect(balance.available).toBeLessThan(0)
})

test('a grant that shrinks is refused', () => {
  const balance = new CreditBalance(100)
  expect(balance.grant(200)).toBe(true)
  expect(balance.grant(199)).toBe(false)
  expect(balance.available).toBe(200)
})

test('a producer that sends without credit is caught', () => {
  const window = new CreditWindow(100)
  expect(window.receive(10)).toBe(true)
  expect(window.receive(10)).toBe(false)
})

test('a grant is due when half of the window is free', () => {
  const cost = frameCreditBytes(100)
  const window = new CreditWindow(2 * cost)
  window.receive(100)
  expect(window.isGrantDue(cost)).toBe(false)
  expect(window.isGrantDue(0)).toBe(true)
  expect(window.grant(0)).toBe(3 * cost)
  expect(window.isGrantDue(0)).toBe(false)
})

test('S-5: given a consumer that still holds a window full from before, then it grants nothing until half of that is gone', () => {
  const cost = frameCreditBytes(100)
  const initial = initialCreditBytes(2 * cost, 3 * cost)
  expect(initial).toBe(0)
  const window = new CreditWindow(2 * cost, initial)
  expect(window.receive(100)).toBe(false)
  expect(window.isGrantDue(3 * cost)).toBe(false)
  expect(window.isGrantDue(2 * cost)).toBe(false)
  expect(window.isGrantDue(cost)).toBe(true)
  expect(window.grant(cost)).toBe(cost)
})

test('under any interleaving the producer never stalls for good, and never holds more than the window and one frame at the consumer', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('send' as const), bytes: fc.integer({ min: 1, max: 5_000 }) }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('deliver-grant' as const) }),
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      // What is left of an earlier subscription.
      fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 5 }),
      fc.array(step, { maxLength: 200 }),
      (windowBytes, before, steps) => {
        const held = [...before]
        const heldBytes = (): number => held.reduce((sum, frame) => sum + frameCreditBytes(frame), 0)
        const beforeBytes = heldBytes()
        const initialBytes = initialCreditBytes(windowBytes, beforeBytes)
        const balance = new CreditBalance(initialBytes)
        const window = new CreditWindow(windowBytes, initialBytes)
        const grants: number[] = []
        let frameMax = 0
        const send = (bytes: number): void => {
          if (balance.available <= 0) return
          balance.spend(bytes)
          frameMax = Math.max(frameMax, frameCreditBytes(bytes))
          expect(balance.available).toBeGreaterThan(-frameMax)
          expect(window.receive(bytes)).toBe(true)
          held.push(bytes)
          expect(heldBytes()).toBeLessThan(Math.max(windowBytes, beforeBytes) + frameMax)
        }
        const take = (): void => {
          held.shift()
          if (window.isGrantDue(heldBytes())) grants.push(window.grant(heldBytes()))
        }
        for (const next of steps) {
          if (next.do === 'send') send(next.bytes)
          else if (next.do === 'take') take()
          else for (const grant of grants.splice(0)) expect(balance.grant(grant)).toBe(true)
        }
        while (held.length > 0) take()
        for (const grant of grants) balance.grant(grant)
        expect(balance.available).toBeGreaterThan(0)
      },
    ),
  )
})
