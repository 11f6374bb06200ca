import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { defaultLimits } from '#framework/network'
import { defaultRelayLimits } from '../../framework/network/relay/relay-limits.js'
import { settingsOf } from '../../framework/discovery/options.js'
import { defaultBondLimits } from '../../framework/groups/bond/bond-limits.js'

/** One line of a table of docs/limits.md. */
interface Row {
  readonly name: string
  readonly value: number
  readonly metrics: readonly string[]
  readonly tests: readonly { readonly file: string; readonly words: string }[]
}

const page = readFileSync('docs/limits.md', 'utf8')

/** The rows below a heading. */
function rowsOf(heading: string): Row[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  return section
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [name = '', value = '', , metric = '', shownBy = ''] = line.split('|').slice(1)
      return {
        name: name.trim().replaceAll('`', ''),
        value: Number(value.trim().split(' ')[0]),
        metrics: [...metric.matchAll(/`(mosaik_\w+)/g)].map((match) => match[1]!),
        tests: [...shownBy.matchAll(/`([\w/-]+)`: ([^;]+)/g)].map((match) => ({
          file: match[1]!,
          words: match[2]!.trim(),
        })),
      }
    })
}

/** Every number in a table of limits, by its path. */
function leaves(value: object, path = ''): [string, number][] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) =>
    typeof inner === 'number'
      ? ([[path + name, inner]] as [string, number][])
      : leaves(inner as object, `${path}${name}.`),
  )
}

const finite = ([, value]: [string, number]): boolean => Number.isFinite(value)

describe.each([
  ['Network', leaves(defaultLimits)],
  ['Relays', leaves(defaultRelayLimits)],
  ['Discovery', leaves(settingsOf({})).filter(finite)],
  ['Bonds', leaves(defaultBondLimits)],
])('the page of limits, %s', (heading, limits) => {
  const rows = rowsOf(heading)

  test('has every limit of the code with its default, and no other', () => {
    expect(Object.fromEntries(rows.map(({ name, value }) => [name, value]))).toEqual(
      Object.fromEntries(limits),
    )
  })

  test('names metrics that there are', () => {
    const known = ['network', 'network/reach', 'discovery', 'groups/bond'].map((folder) =>
      readFileSync(`framework/${folder}/metrics.ts`, 'utf8'),
    )
    const isKnown = (metric: string): boolean => known.some((text) => text.includes(`'${metric}'`))
    for (const { metrics } of rows)
      for (const metric of metrics) expect([metric, isKnown(metric)]).toEqual([metric, true])
  })

  test('names tests that there are', () => {
    for (const { name, tests } of rows) {
      expect([name, tests.length > 0]).toEqual([name, true])
      for (const { file, words } of tests) {
        expect(readFileSync(`test/${file}.test.ts`, 'utf8')).toContain(words)
      }
    }
  })
})
