import { expect, test } from '@jest/globals'
import { parseDuration } from '../../framework/primitives/duration.js'

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['1.5m', 90_000],
  ['2h', 7_200_000],
  [' 3s ', 3_000],
])('%s is %d ms', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds)
})

test.each(['', '10', 's', '-1s', '1 s', '1d', '1s2s', 'ten seconds'])('"%s" is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})
