// docs/groups.md says what the code does: its tables name what there is, and nothing else.
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import type { Consistency, GroupErrorCode, GroupEvent, GroupPhase, Founding } from '#framework/groups'
import { bondMetrics } from '../../framework/groups/bond/metrics.js'

const page = readFileSync('docs/groups.md', 'utf8')
const sourceOf = (...patterns: readonly string[]): string =>
  patterns
    .flatMap((pattern) => globSync(pattern))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
const source = sourceOf('framework/groups/**/*.ts')

/** The cells of the rows of every table with that first cell in its head. */
function tables(head: string): string[][][] {
  const lines = page.split('\n')
  return lines.flatMap((line, start) => {
    if (cells(line)[0] !== head || !lines[start + 1]?.startsWith('| ---')) return []
    const end = lines.findIndex((other, index) => index > start && !other.startsWith('|'))
    return [lines.slice(start + 2, end < 0 ? undefined : end).map(cells)]
  })
}

function table(head: string, position = 0): string[][] {
  const found = tables(head)[position]
  if (found === undefined) throw new Error(`the page has no table with "${head}"`)
  return found
}

function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''))
}

const firstWords = (rows: readonly string[][]): string[] =>
  rows.map(([first = '']) => first.split(' ')[0] ?? '').sort()

/** The members of an interface, as its source declares them. */
function membersOf(file: string, name: string): string[] {
  const text = readFileSync(file, 'utf8')
  const [, body = ''] = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(text) ?? []
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1]!).sort()
}

/** Complete, or this does not compile. */
const codes = {
  GROUP_BUSY: true,
  GROUP_NOT_SUBMITTED: true,
  GROUP_OUTCOME_UNKNOWN: true,
  GROUP_COMMAND_INVALID: true,
  GROUP_NO_COMMANDS: true,
  GROUP_REFUSED: true,
  GROUP_TERMINATED: true,
} satisfies Record<GroupErrorCode, true>

const phases = { joining: true, online: true, stalled: true, failed: true, left: true } satisfies Record<
  GroupPhase,
  true
>
const events = {
  lagged: true,
  forked: true,
  reformed: true,
  diverged: true,
  'quorum-lost': true,
} satisfies Record<GroupEvent['type'], true>
const consistencies = { local: true, lease: true, strong: true } satisfies Record<Consistency, true>
const foundings = { declared: true, expect: true, auto: true, 'join-only': true } satisfies Record<
  Founding['type'],
  true
>

test('options: every one of the decorator and of joining', () => {
  expect(firstWords(table('of @Group'))).toEqual(membersOf('decorators/groups.ts', 'GroupMemberOptions'))
  expect(firstWords(table('of join'))).toEqual(membersOf('framework/groups/group-options.ts', 'GroupOptions'))
})

test('consistencies, foundings, phases and events: every one', () => {
  expect(firstWords(table('consistency'))).toEqual(Object.keys(consistencies).sort())
  expect(firstWords(table('founding'))).toEqual(Object.keys(foundings).sort())
  expect(firstWords(table('phase'))).toEqual(Object.keys(phases).sort())
  expect(firstWords(table('event'))).toEqual(Object.keys(events).sort())
})

test('errors: every code of GroupError, and codes of joining that there are', () => {
  expect(firstWords(table('code'))).toEqual(Object.keys(codes).sort())
  const all = sourceOf('framework/groups/**/*.ts', 'framework/topology/*.ts')
  for (const code of firstWords(table('code', 1))) expect(all).toContain(`'${code}'`)
})

test('problems: every code about groups of classes and topologies, with its severity', () => {
  const topology = readFileSync('framework/topology/validate-groups.ts', 'utf8')
  const found = [...topology.matchAll(/problem\(\s*'(error|warning)',\s*'(\w+)'/g)].map(
    ([, severity, code]) => `${code} ${severity}`,
  )
  const classes = sourceOf('decorators/group-problems.ts', 'decorators/dependencies.ts')
  const declared = [...classes.matchAll(/code: '((?:GROUP|ROLE)_\w+)'/g)].map(([, code]) => `${code} error`)
  const listed = table('code', 2).map(([code, severity]) => `${code} ${severity}`)
  expect(listed.sort()).toEqual([...new Set([...found, ...declared])].sort())
})

test('metrics: every one of bonds, and that of methods in a role', () => {
  const declared = Object.values(bondMetrics).map((metric) => [
    metric.name,
    'labels' in metric ? metric.labels.join(', ') : '',
    metric.help,
  ])
  const rows = table('metric')
  expect(rows.slice(0, -1)).toEqual(declared)
  const [name, labels, help] = rows.at(-1)!
  const services = readFileSync('decorators/running-service.ts', 'utf8')
  expect(services).toContain(`name: '${name}',\n  help: '${help}',\n  labels: ['service', 'method'],`)
  expect(labels).toBe('service, method')
})

test('numbers: those that the code has', () => {
  const has = (text: string): void => expect(source).toContain(text)
  has('const deadlineMsDefault = 10_000')
  has('maxVoters: 5, evictAfterTicks: 600')
  has('export const tickMs = 50')
  has('commandBytesMax: 2 ** 20')
  has('const waitingCommandsMax = 10_000')
  has('const waitingBytesMax = 64 * 1024 * 1024')
  has('uncommittedEntriesMax: 10_000')
  has('uncommittedBytesMax: 64 * 2 ** 20')
  has('export const sessionsMax = 4096')
  has('tailEntriesMax: 10_000')
  has('tailBytesMax: 16 * 2 ** 20')
  has('bondsMax: 256')
  has('departureMs: 500')
  has('const leaveMs = 3_000')
  has('const patienceMs = 3_000')
  has('heartbeatIntervalMs: 500')
  has('electionTimeoutMs: 2_000')
  const decorators = sourceOf('decorators/role-runs.ts')
  expect(decorators).toContain('const lateMs = 3_000')
  expect(decorators).toContain('initialMs: 500, factor: 2, maxMs: 30_000')
})
