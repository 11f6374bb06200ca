import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { graphemesOf, graphemeWidth } from '../../manifests/display-width.js'
import { excerptOf } from '../../manifests/excerpt.js'
import { SourceText } from '../../manifests/source.js'
import { anyText } from '../support/any-text.js'

/** The line and the carets below it, for the part of the text that `part` is. */
function underlined(text: string, part: string): string {
  const start = text.indexOf(part)
  const excerpt = excerptOf(new SourceText('f', text), { start, end: start + part.length })
  return `\n${excerpt.text}\n${' '.repeat(excerpt.start)}${'^'.repeat(excerpt.width)}\n`
}

function columnsOf(text: string): number {
  return Array.from(graphemesOf(text), ({ segment }) => graphemeWidth(segment)).reduce(
    (sum, width) => sum + width,
    0,
  )
}

test('given tabs, they become spaces up to the next stop and the carets stay below', () => {
  expect(underlined('a:\t{\tuse: x }', 'use')).toBe(`
a:  {   use: x }
        ^^^
`)
})

test('given wide characters, carets have their width', () => {
  expect(underlined('名前: 株式会社 x', '株式会社')).toBe(`
名前: 株式会社 x
      ^^^^^^^^
`)
  expect(underlined('a: 👩‍👩‍👧 b', '👩‍👩‍👧')).toBe(`
a: 👩‍👩‍👧 b
   ^^
`)
})

test('given combining and invisible characters, they take no columns of their own', () => {
  expect(underlined('cafe\u0301: xyz', 'xyz')).toBe(`
cafe\u0301: xyz
      ^^^
`)
  expect(underlined('ca\u200Bfe: xyz', 'xyz')).toBe(`
ca\u200Bfe: xyz
      ^^^
`)
})

test('given characters that a terminal would obey, they are shown and not sent', () => {
  expect(underlined('a: "\u001B[31mred\u0007\u202E" b\u0000c', 'b\u0000c')).toBe(`
a: "\uFFFD[31mred\uFFFD\uFFFD" b\uFFFDc
                ^^^
`)
})

test('given a long line, it is cut on both sides around the part', () => {
  const line = `${'a'.repeat(500)} HERE ${'b'.repeat(500)}`
  expect(underlined(line, 'HERE')).toBe(`
…${'a'.repeat(23)} HERE ${'b'.repeat(69)}…
${' '.repeat(25)}^^^^
`)
})

test('given a long line whose part is near its start, it is cut at its end only', () => {
  expect(underlined(`HERE ${'b'.repeat(500)}`, 'HERE')).toBe(`
HERE ${'b'.repeat(93)}…
^^^^
`)
})

test('given a part that is wider than a screen, as much as fits is underlined', () => {
  expect(underlined(`key: ${'v'.repeat(300)}`, 'v'.repeat(300))).toBe(`
key: ${'v'.repeat(93)}…
     ${'^'.repeat(93)}
`)
})

test('given a part of several lines, it is underlined to the end of the first', () => {
  expect(underlined('a: |\r\n  b\r\n  c', '|\r\n  b')).toBe(`
a: |
   ^
`)
})

test('given a place at the end of the text, one caret stands there', () => {
  expect(excerptOf(new SourceText('f', 'ab\n'), { start: 3, end: 3 })).toEqual({
    text: '',
    start: 0,
    width: 1,
  })
  expect(excerptOf(new SourceText('f', 'ab'), { start: 2, end: 99 })).toEqual({
    text: 'ab',
    start: 2,
    width: 1,
  })
})

test('given any line and any part of it, the excerpt is one short printable line and the carets are below it', () => {
  const unit = fc.oneof(
    anyText({ minLength: 1, maxLength: 3 }),
    fc.constantFrom('a', 'word ', '\t', '名', '😀', 'e\u0301', '\u200D', '\u001B[2J'),
  )
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 400 }), fc.nat(), fc.nat(), (units, from, length) => {
      const source = new SourceText('f', units.join(''))
      const start = from % (source.text.length + 1)
      const excerpt = excerptOf(source, { start, end: start + length })
      const columns = columnsOf(excerpt.text)
      expect(columns).toBeLessThanOrEqual(100)
      // eslint-disable-next-line no-control-regex
      expect(excerpt.text).not.toMatch(/[\u0000-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/)
      expect(excerpt.width).toBeGreaterThanOrEqual(1)
      expect(excerpt.start).toBeGreaterThanOrEqual(0)
      // White space at the end of a line is left out, so a caret may stand behind the text.
      expect(excerpt.start + excerpt.width).toBeLessThanOrEqual(102)
    }),
    { numRuns: 500 },
  )
})
