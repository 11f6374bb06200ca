// docs/streams.md says what the code does: its tables name what there is, and nothing else.
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { CloseReasons } from '#framework/network'
import type { ConsumerEvent } from '#framework/streams'
import { streamMetrics } from '../../framework/streams/metrics.js'

const page = readFileSync('docs/streams.md', 'utf8')
const source = globSync('framework/streams/**/*.ts')
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n')

/** The cells of a table's rows, found by the first cell of its head. */
function table(head: string): string[][] {
  const lines = page.split('\n')
  const start = lines.findIndex((line) => cells(line)[0] === head)
  if (start < 0) throw new Error(`the page has no table with "${head}"`)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'))
  return lines.slice(start + 2, end).map(cells)
}

function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''))
}

const firstCells = (head: string): string[] => table(head).map(([first = '']) => first)

/** The members of an interface, as its source declares them. */
function membersOf(file: string, name: string): string[] {
  const text = readFileSync(`framework/streams/${file}`, 'utf8')
  const [, body = ''] = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(text) ?? []
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1]!)
}

test('metrics: every one that is declared, with its labels and help', () => {
  const declared = Object.values(streamMetrics).map((metric) => [
    metric.name,
    'labels' in metric ? metric.labels.join(', ') : '',
    metric.help,
  ])
  expect(table('metric')).toEqual(declared)
})

test('options: every one of both ends', () => {
  expect(firstCells('of a producer').sort()).toEqual(membersOf('producer.ts', 'ProducerOptions').sort())
  expect(firstCells('of a consumer').sort()).toEqual(membersOf('consumer.ts', 'ConsumerOptions').sort())
})

/** Complete, or this does not compile. */
const eventTypes = {
  gap: true,
  subscribed: true,
  epoch: true,
  unsubscribed: true,
  failover: true,
  lagged: true,
} satisfies Record<ConsumerEvent['type'], true>

test('events: every type', () => {
  expect(firstCells('event').sort()).toEqual(Object.keys(eventTypes).sort())
})

test('errors: every code that a user of streams meets', () => {
  const listed = firstCells('code').filter((code) => /^[A-Z_]+$/.test(code))
  const thrown = [...source.matchAll(/'((?:STREAMS?|PRODUCER|CONSUMER)_[A-Z_]+)'/g)].map((match) => match[1]!)
  // What a peer did wrong is not thrown at anybody: it ends the subscription.
  const met = new Set(thrown.filter((code) => code !== 'STREAM_PROTOCOL_VIOLATED'))
  expect(listed.filter((code) => /^(STREAMS?|PRODUCER|CONSUMER)_/.test(code)).sort()).toEqual([...met].sort())
})

test('close codes: those that there are, by their names', () => {
  const reasons = Object.values(CloseReasons)
  const section = page.slice(page.indexOf('## Errors'))
  const rows = section
    .split('\n')
    .map(cells)
    .filter(([code = '']) => /^\d+$/.test(code))
  expect(rows.length).toBeGreaterThan(5)
  for (const [code, name] of rows) {
    expect(reasons).toContainEqual(expect.objectContaining({ code: Number(code), name }))
  }
})

test('numbers: those that the code has', () => {
  const has = (text: string): void => expect(source).toContain(text)
  has('options.queue ?? 1024')
  has('options.queueBytes ?? 4 * 1024 * 1024')
  has('const windowBytesDefault = 1024 * 1024')
  has('const holdMsDefault = 60_000')
  has('const bytesDefault = 16 * 1024 * 1024')
  has('const waitingSendsMax = 1024')
  has('const closeTimeoutMs = 2_000')
  has('const stallTimeoutMsDefault = 30_000')
  has('const writeTimeoutMs = 30_000')
  has('const heldPlacesMax = 1024')
  has('const eventsBacklog = 1024')
  has('const producersMax = 1024')
  has('const batchMax = 1024')
  has('const openingMax = 16')
  has('const encodedBytesMax = 4 * 1024')
  has('const depthMax = 8')
  has('const partsMax = 256')
})
