import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { SourceText } from '../../manifests/source.js'

const anyText = fc
  .array(fc.constantFrom('a', 'é', '😀', '\n', '\r\n', '\r', '\uFEFF', ' '))
  .map((parts) => parts.join(''))

test('given any text and any offset in it, the position leads back to the offset', () => {
  fc.assert(
    fc.property(anyText, fc.nat(), (text, seed) => {
      const source = new SourceText('f', text)
      const offset = seed % (source.text.length + 1)
      const position = source.position(offset)
      expect(source.offset(position)).toBe(offset)
      expect(position.line).toBeLessThanOrEqual(source.lineCount)
      expect(source.text.slice(0, offset).split('\n')).toHaveLength(position.line)
    }),
    { numRuns: 500 },
  )
})

test('given any text, its lines put together again are the text', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const source = new SourceText('f', text)
      const lines = Array.from({ length: source.lineCount }, (_, index) =>
        source.slice(source.lineSpan(index + 1)),
      )
      expect(lines).toEqual(source.text.split(/\r?\n/))
    }),
  )
})

test('given places outside the text, the nearest one inside is meant', () => {
  const source = new SourceText('f', 'ab\ncd')
  expect(source.position(-1)).toEqual({ line: 1, column: 1 })
  expect(source.position(99)).toEqual({ line: 2, column: 3 })
  expect(source.offset({ line: 9, column: 9 })).toBe(5)
  expect(source.offset({ line: 0, column: 0 })).toBe(0)
})
