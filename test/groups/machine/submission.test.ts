import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  decodeSessionOpening,
  decodeSubmission,
  encodeSessionOpening,
  encodeSubmission,
} from '../../../framework/groups/machine/submission.js'

const sessions = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((raw) => Buffer.from(raw).toString('hex'))

test('property: a submission comes back from its payload as it was', () => {
  const submissions = fc.record({
    session: sessions,
    sequence: fc.maxSafeNat(),
    settledBelow: fc.maxSafeNat(),
    commands: fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 }),
  })
  fc.assert(
    fc.property(submissions, (submission) => {
      const decoded = decodeSubmission(encodeSubmission(submission))
      expect({ ...decoded, commands: decoded.commands.map((bytes) => Uint8Array.from(bytes)) }).toEqual(
        submission,
      )
    }),
  )
})

test('property: whatever bytes there are, they are a submission or are refused with GROUP_ENTRY_MALFORMED', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        expect(decodeSubmission(bytes).commands.length).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toMatchObject({ code: 'GROUP_ENTRY_MALFORMED' })
      }
    }),
  )
})

test('given a payload that is cut anywhere, then it is refused, or has fewer commands', () => {
  const whole = encodeSubmission({
    session: 'ab'.repeat(16),
    sequence: 3,
    settledBelow: 2,
    commands: [Uint8Array.of(1, 2), Uint8Array.of(3)],
  })
  for (let end = 0; end < whole.byteLength; end++) {
    let count = 0
    try {
      count = decodeSubmission(whole.subarray(0, end)).commands.length
    } catch (error) {
      expect(error).toMatchObject({ code: 'GROUP_ENTRY_MALFORMED' })
    }
    expect(count).toBeLessThan(2)
  }
})

test('the opening of a session comes back, and nothing else is one', () => {
  expect(decodeSessionOpening(encodeSessionOpening('0f'.repeat(16)))).toBe('0f'.repeat(16))
  expect(() => decodeSessionOpening(new Uint8Array(15))).toThrow(
    expect.objectContaining({ code: 'GROUP_ENTRY_MALFORMED' }),
  )
})
