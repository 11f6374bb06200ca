// The README of these tests names tests that there are, for every scenario and weakness.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'

const page = readFileSync('test/groups/README.md', 'utf8')

/** A file is named without its folder `test`, and what ends in `.test.ts` without that. */
function textOf(file: string): string {
  const path = [`test/${file}`, `test/${file}.test.ts`].find((candidate) => existsSync(candidate))
  return path === undefined ? '' : readFileSync(path, 'utf8')
}

test('every test that the README names exists', () => {
  const named = [...page.matchAll(/`([\w/.-]+)`: ([^;|]+)/g)].map((match) => ({
    file: match[1]!,
    words: match[2]!.trim(),
  }))
  expect(named.length).toBeGreaterThan(120)
  expect(named.filter(({ file, words }) => !textOf(file).includes(words))).toEqual([])
})

test.each([
  ['S', 14],
  ['L', 10],
  ['B', 11],
  ['A', 11],
])('every weakness W-%s has a test', (kind, count) => {
  const rows = page.split('\n').filter((line) => line.startsWith(`| W-${kind}`))
  expect(rows.map((row) => Number(/\d+/.exec(row)?.[0]))).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  )
  expect(rows.filter((row) => !/`groups\/[\w/.-]+`: /.test(row))).toEqual([])
})

test('no test of groups over a network sleeps', () => {
  const files = ['bond', 'group', 'scenarios'].flatMap((folder) => globSync(`test/groups/${folder}/*.ts`))
  const sleeping = files.filter((file) => /timers\/promises|=> setTimeout\(/.test(readFileSync(file, 'utf8')))
  expect(sleeping).toEqual([])
})
