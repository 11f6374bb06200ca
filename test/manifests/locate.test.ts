import { expect, test } from '@jest/globals'
import { type Problem, validate } from '#framework/topology'
import { locate, type LocateOptions, lower, renderProblems } from '#manifests'
import { port, service } from '../topology/declare.js'
import { parse } from './support.js'

const text = `mosaik: 1
network: orders
listen: 127.0.0.1
seeds:
  - /dns/broker/tcp/4001
nodes:
  trader:
    use: ./trader.ts
    tags: [fast, eu]
    config:
      limits: { max: 5 }
  matcher:
    use:
      - ./matcher.ts
      - ./audit.ts
    replicas: 2
    listen: 4001-4002
  console: { use: [./console.ts], listen: [/memory/a, /memory/b] }
`

const { manifest, source } = parse(text)

/** The place of a path and the text there. */
function placeOf(path: Problem['path'], options?: LocateOptions): string {
  const [located] = locate([{ code: 'X', severity: 'error', message: '', path }], source, options)
  const { line, column, endColumn } = located!
  const lineText = text.split('\n')[line - 1] ?? ''
  return `${line}:${column} ${lineText.slice(column - 1, endColumn - 1)}`
}

test.each<[Problem['path'], string]>([
  [[], '1:1 m'],
  [['network'], '2:10 orders'],
  [['listen'], '3:9 127.0.0.1'],
  [['seeds'], '4:1 seeds'],
  [['seeds', 0], '5:5 /dns/broker/tcp/4001'],
  [['nodes'], '6:1 nodes'],
  [['nodes', 0], '7:3 trader'],
  [['nodes', 0, 'name'], '7:3 trader'],
  [['nodes', 0, 'replicas'], '7:3 trader'],
  [['nodes', 0, 'use', 0], '8:10 ./trader.ts'],
  [['nodes', 0, 'tags', 1], '9:18 eu'],
  [['nodes', 0, 'services'], '8:10 ./trader.ts'],
  [['nodes', 0, 'services', 0, 'consumes', 0], '8:10 ./trader.ts'],
  [['nodes', 0, 'config', 'limits', 'max'], '11:22 5'],
  [['nodes', 0, 'config', 'limits', 'min'], '11:7 limits'],
  [['nodes', 0, 'config', 'symbols', 0], '10:5 config'],
  [['nodes', 1, 'use', 1], '15:9 ./audit.ts'],
  [['nodes', 1, 'services', 1, 'produces', 0], '13:5 use'],
  [['nodes', 1, 'replicas'], '16:15 2'],
  [['nodes', 1, 'listen', 'port'], '17:13 4001-4002'],
  [['nodes', 1, 'config', 'limits'], '12:3 matcher'],
  [['nodes', 2, 'listen', 'addresses'], '18:35 listen'],
  [['nodes', 2, 'listen', 'addresses', 1], '18:55 /memory/b'],
  [['nodes', 2, 'services', 0, 'name'], '18:14 use'],
  [['nodes', 9, 'name'], '6:1 nodes'],
  [['nodes', 'matcher'], '12:3 matcher'],
  [['nodes', 'matcher', 'use', 0], '14:9 ./matcher.ts'],
  [['groups', 'book'], '1:1 m'],
])('given a problem at %j, it is placed at %s', (path, place) => {
  expect(placeOf(path)).toBe(place)
})

test('given the use entry that a service came from, its problems are placed there', () => {
  const useOf = (node: string, index: number) => (node === 'matcher' ? [0, 0, 1][index] : undefined)
  expect(placeOf(['nodes', 1, 'services', 1, 'consumes', 0], { useOf })).toBe('14:9 ./matcher.ts')
  expect(placeOf(['nodes', 1, 'services', 2], { useOf })).toBe('15:9 ./audit.ts')
  expect(placeOf(['nodes', 1, 'services', 7], { useOf })).toBe('13:5 use')
  expect(placeOf(['nodes', 0, 'services', 0], { useOf: () => 0 })).toBe('8:10 ./trader.ts')
})

test('given a problem, its path becomes that of the manifest', () => {
  const [located] = locate(
    [{ code: 'X', severity: 'error', message: '', path: ['nodes', 1, 'name'] }],
    source,
  )
  expect(located?.path).toEqual(['nodes', 'matcher'])
  const ofService: Problem = { code: 'X', severity: 'error', message: '', path: ['nodes', 0, 'services', 0] }
  expect(locate([ofService], source, { useOf: () => 0 })[0]?.path).toEqual(['nodes', 'trader', 'use'])
})

test('given a manifest that could not be read, problems are placed at its beginning', () => {
  const unread = parse('{').source
  const [located] = locate([{ code: 'X', severity: 'error', message: '', path: ['network'] }], unread)
  expect(located).toMatchObject({ line: 1, column: 1 })
})

test('given services whose streams do not meet, the whole way from text to terminal names the file and the likely stream', () => {
  const topology = lower(
    manifest!,
    new Map([
      ['trader', [service('Trader', { produces: [port('orders')] })]],
      ['matcher', [service('Matcher', { consumes: [port('order')] }), service('Audit')]],
      ['console', [service('Console', { consumes: [port('orders')] })]],
    ]),
  )
  const problems = locate(validate(topology), source, { useOf: (_, index) => index })
  expect(`\n${renderProblems(problems, { color: false })}\n`).toBe(`
/project/orders.yaml:14:9  STREAM_NOT_PRODUCED  warning: node "matcher" (Matcher) consumes stream "order", which no node produces
   14 |       - ./matcher.ts
      |         ^^^^^^^^^^^^ did you mean "orders" (produced by "trader")?
`)
})
