// The README of these tests names tests that there are, for every scenario and weakness.
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'

const page = readFileSync('test/streams/README.md', 'utf8')

test('every test that the README names exists', () => {
  const named = [...page.matchAll(/`([\w/-]+)`: ([^;|]+)/g)].map((match) => ({
    file: match[1]!,
    words: match[2]!.trim(),
  }))
  expect(named.length).toBeGreaterThan(80)
  const missing = named.filter(
    ({ file, words }) => !readFileSync(`test/${file}.test.ts`, 'utf8').includes(words),
  )
  expect(missing).toEqual([])
})

test('every weakness has a test', () => {
  const rows = page.split('\n').filter((line) => /^\| S-\d+ /.test(line))
  expect(rows.map((row) => Number(/S-(\d+)/.exec(row)?.[1]))).toEqual(
    Array.from({ length: 32 }, (_, index) => index + 1),
  )
  expect(rows.filter((row) => !/`\w+\/[\w-]+`: /.test(row))).toEqual([])
})

test('S-31: no test of streams sleeps', () => {
  const sleeping = globSync('test/streams/*.ts').filter((file) =>
    /timers\/promises|=> setTimeout\(/.test(readFileSync(file, 'utf8')),
  )
  expect(sleeping).toEqual([])
})
