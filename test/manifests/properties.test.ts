// What holds for any text whatever.
import { deepEqual } from 'node:assert/strict'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { locate, type Manifest, parseManifest, renderProblems } from '#manifests'
import { SourceText } from '../../manifests/source.js'
import { head, minimal } from './support.js'
import { anyText } from '../support/any-text.js'

const whole = `mosaik: 1
network: orders
listen: 127.0.0.1
seeds: [/dns/a/udp/4001/quic-v1, "/ip4/1.2.3.4/tcp/1"]
nodes:
  trader: &t
    use: [./trader.ts, './audit.ts']
    replicas: \${N:-2}
    tags: [a, "b"]
    config:
      deep: { list: [1, 2.5, ~, true, "x"], text: |
          two
          lines
        }
      url: http://\${HOST:-localhost}/\${PATH:?where}
  matcher: { <<: *t, listen: 4001-4002 }
`

const marks = [
  '\n',
  '\r\n',
  '  ',
  '\t',
  ': ',
  ':',
  '- ',
  '?',
  '|',
  '>-',
  '#',
  ' # c',
  '"',
  "'",
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
]
const syntax = [
  '&a ',
  '*a',
  '<<: ',
  '!!str ',
  '!x ',
  '%YAML 1.1\n',
  '---\n',
  '...\n',
  '${',
  '${N}',
  '$${',
  '${N:-',
]
const words = [
  'mosaik',
  'network',
  'nodes',
  'use',
  'replicas',
  'listen',
  '__proto__',
  '~',
  '1',
  '0x1F',
  '.nan',
  '1e999',
]
const odd = ['😀', '名', '\u202E', '\uD800', '\uFEFF', '\u0000']
const fragments = fc.constantFrom(...marks, ...syntax, ...words, ...odd)

/** The manifest with pieces cut out, doubled and put in anywhere. */
const damaged = fc
  .array(fc.tuple(fc.nat(), fc.nat(40), fc.oneof(fragments, anyText({ maxLength: 3 }))), {
    maxLength: 6,
  })
  .map((edits) =>
    edits.reduce((text, [at, length, put]) => {
      const start = at % (text.length + 1)
      return `${text.slice(0, start)}${put}${text.slice(start + length)}`
    }, whole),
  )

const soup = fc
  .array(fc.oneof(fragments, fc.string({ maxLength: 4 })), { maxLength: 60 })
  .map((parts) => parts.join(''))

const anyInput = fc.oneof(
  { weight: 4, arbitrary: damaged },
  { weight: 3, arbitrary: soup },
  { weight: 2, arbitrary: soup.map((text) => `${head}  a:\n    use: ./a.ts\n    config:\n      ${text}`) },
  { weight: 1, arbitrary: anyText({ maxLength: 200 }) },
)

test('given any text, it is a manifest or has problems whose places are inside it, and nothing is thrown', () => {
  const seen = { manifests: 0, codes: new Set<string>() }
  fc.assert(
    fc.property(anyInput, (text) => {
      const { manifest, problems } = parseManifest(text, {
        file: 'f',
        env: { PATH: '/x' },
        files: { exists: (path) => path.endsWith('.ts'), list: () => ['a.ts'] },
      })
      expect(manifest === undefined).toBe(problems.length > 0)
      if (manifest !== undefined) seen.manifests++
      const source = new SourceText('f', text)
      for (const { code, line, column, endLine, endColumn } of problems) {
        seen.codes.add(code)
        for (const place of [
          { line, column },
          { line: endLine, column: endColumn },
        ]) {
          // Of node:assert, because one expect costs more than reading the text.
          deepEqual(place, source.position(source.offset(place)))
        }
        expect(source.offset({ line: endLine, column: endColumn })).toBeGreaterThanOrEqual(
          source.offset({ line, column }),
        )
      }
      const printed = renderProblems(problems, { color: false })
      for (const line of printed.split('\n'))
        expect(line).toMatch(/^(f:\d+:\d+ {2}MANIFEST_| {0,4}\d* *\||…|$)/)
    }),
    { numRuns: 700 },
  )
  // Texts that all fail in the same way would prove little.
  expect(seen.manifests).toBeGreaterThan(0)
  expect(seen.codes.size).toBeGreaterThan(8)
})

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?$/)
const label = fc.stringMatching(/^[!-~](?:[ -~]{0,20}[!-~])?$/)
/** JSON prints integers beyond 2^53 with digits that they do not have, which manifests refuse. */
const exact = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) ? 0 : value,
  )
const configValue = fc
  .json({ maxDepth: 4 })
  .filter((text) => !text.includes('__proto__'))
  .map(exact)
const manifests: fc.Arbitrary<Manifest> = fc.record({
  network: label,
  seeds: fc.array(
    word.map((host) => `/dns/${host}/udp/4001/quic-v1`),
    { maxLength: 3 },
  ),
  nodes: fc.uniqueArray(
    fc.record({
      name: word,
      use: fc.uniqueArray(
        word.map((file) => `./${file}.ts`),
        { minLength: 1, maxLength: 3 },
      ),
      replicas: fc.integer({ min: 1, max: 1000 }),
      tags: fc.uniqueArray(label, { maxLength: 3 }),
      config: fc.dictionary(word, configValue, { maxKeys: 4, noNullPrototype: true }),
    }),
    { minLength: 1, maxLength: 4, selector: ({ name }) => name },
  ),
})

/** YAML reads JSON; `indent` makes it one line or many. References are made of values only, so keys stay as they are. */
function written({ nodes, ...rest }: Manifest, indent: number): string {
  const byName = Object.fromEntries(nodes.map(({ name, ...node }) => [name, node]))
  const escaped = (_: string, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('${', () => '$${') : value
  return JSON.stringify({ mosaik: 1, ...rest, nodes: byName }, escaped, indent)
}

test('given any manifest, what is written reads back the same', () => {
  fc.assert(
    fc.property(manifests, fc.constantFrom(0, 2), (manifest, indent) => {
      const { manifest: again, problems } = parseManifest(written(manifest, indent), { file: 'f', env: {} })
      expect(problems).toEqual([])
      expect(again).toEqual(JSON.parse(JSON.stringify(manifest)))
    }),
    { numRuns: 300 },
  )
})

test('given any manifest, the place of each of its scalars is where the scalar is written', () => {
  fc.assert(
    fc.property(manifests, fc.constantFrom(0, 2), (manifest, indent) => {
      const text = written(manifest, indent)
      const { source } = parseManifest(text, { file: 'f', env: {} })
      const places = new SourceText('f', text)
      const paths: { path: (string | number)[]; value: unknown }[] = [
        { path: ['network'], value: manifest.network },
        ...manifest.seeds.map((value, index) => ({ path: ['seeds', index], value })),
        ...manifest.nodes.flatMap(({ use, replicas, tags }, node) => [
          { path: ['nodes', node, 'replicas'], value: replicas },
          ...use.map((value, index) => ({ path: ['nodes', node, 'use', index], value })),
          ...tags.map((value, index) => ({ path: ['nodes', node, 'tags', index], value })),
        ]),
      ]
      for (const { path, value } of paths) {
        const [located] = locate([{ code: 'X', severity: 'error', message: '', path }], source)
        const start = places.offset(located!)
        const end = places.offset({ line: located!.endLine, column: located!.endColumn })
        expect(JSON.parse(text.slice(start, end).replaceAll('$${', () => '${'))).toBe(value)
      }
    }),
    { numRuns: 200 },
  )
})

test('given a text that is made to cost time, it is judged within a few seconds', () => {
  const large = 1024 * 1024
  const texts = [
    '['.repeat(large),
    ']'.repeat(large),
    '- '.repeat(large / 2),
    '? '.repeat(large / 2),
    `[${','.repeat(large - 2)}]`,
    '---\n'.repeat(large / 4),
    '&a '.repeat(large / 3),
    `"${'\\'.repeat(large - 1)}`,
    `x: ${'${A}'.repeat(large / 4 - 1)}`,
    `${minimal}${Array.from({ length: 60_000 }, (_, index) => `k${index}: 1\n`).join('')}`,
    `${minimal}x: ${'é'.repeat(large / 4)}: 1`,
  ]
  for (const text of texts) {
    // What it costs, and not how long it takes on a machine that is busy.
    const start = process.cpuUsage()
    const { problems } = parseManifest(text, { file: 'f', env: {} })
    renderProblems(problems, { color: false })
    expect(problems.length).toBeGreaterThan(0)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1000).toBeLessThan(4000 * Number(process.env.TIME_FACTOR ?? 1))
  }
})
