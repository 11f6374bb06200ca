import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { scalarOf } from '../../manifests/scalar.js'
import { partsOf } from '../../manifests/substitute.js'
import { head, parse } from './support.js'

/** What `value` becomes in the configuration of a node, in block style. */
function configured(value: string, env: Readonly<Record<string, string>> = {}): unknown {
  const { manifest, problems } = parse(`${head}  a:\n    use: ./a.ts\n    config:\n      x: ${value}\n`, {
    env,
  })
  expect(problems.map(({ message }) => message)).toEqual([])
  return manifest?.nodes[0]?.config.x
}

test('given references in a text, each is replaced and the rest stays', () => {
  expect(configured('http://${HOST}:${PORT:-80}/', { HOST: 'example.org' })).toBe('http://example.org:80/')
})

test('given a whole unquoted value, it has the type that its text has', () => {
  const env = {
    N: '4001',
    F: '-1.5',
    T: 'true',
    S: 'fast',
    H: '0x1F',
    NULL: 'null',
    EMPTY: '',
    LIST: '[1, 2]',
  }
  expect(configured('${N}', env)).toBe(4001)
  expect(configured('${F}', env)).toBe(-1.5)
  expect(configured('${T}', env)).toBe(true)
  expect(configured('${H}', env)).toBe(31)
  expect(configured('${NONE:-0.5}', env)).toBe(0.5)
  expect(configured('${S}', env)).toBe('fast')
  expect(configured('${NULL}', env)).toBe('null')
  expect(configured('${EMPTY}', env)).toBe('')
  expect(configured('${LIST}', env)).toBe('[1, 2]')
})

test('given quotes, or anything beside the reference, the value stays a string', () => {
  const env = { N: '4001' }
  expect(configured('"${N}"', env)).toBe('4001')
  expect(configured("'${N}'", env)).toBe('4001')
  expect(configured('${N}1', env)).toBe('40011')
  expect(configured('|-\n        ${N}', env)).toBe('4001')
})

test('given a number that would lose digits, it stays a string', () => {
  expect(configured('${ID}', { ID: '12345678901234567890' })).toBe('12345678901234567890')
  expect(configured('${ID}', { ID: '1e999' })).toBe('1e999')
})

test('given a variable that is empty, a default and a complaint count it as not set', () => {
  expect(configured('${E:-5}', { E: '' })).toBe(5)
  expect(configured('${E:-}', {})).toBe('')
  expect(configured('${E:?needed}', { E: 'x' })).toBe('x')
})

test('given $${, it stands for the characters themselves, and lone dollars stay', () => {
  expect(configured('a $${HOME} $HOME $$ $')).toBe('a ${HOME} $HOME $$ $')
  expect(configured('$${HOME}')).toBe('${HOME}')
})

test('given a variable that holds YAML, it stays one value', () => {
  const evil = 'x\n  admin: { use: ./evil.ts }\n"}] # *a ${HOME}'
  expect(configured('${EVIL}', { EVIL: evil, HOME: '/root' })).toBe(evil)
})

test('given a name that objects inherit, it counts as not set', () => {
  const { problems } = parse(`${head}  a:\n    use: ./a.ts\n    config: { x: "\${constructor}" }\n`)
  expect(problems.map(({ code }) => code)).toEqual(['MANIFEST_ENV_UNSET'])
})

test('given references outside configuration, they work there too', () => {
  const { manifest } = parse(
    'mosaik: 1\nnetwork: ${NET}\nseeds: ["${SEED}"]\nnodes:\n  a:\n    use: ./${FILE}.ts\n    replicas: ${N:-3}\n    listen: ${PORTS}\n',
    { env: { NET: 'orders', SEED: '/dns/a/tcp/1', FILE: 'trader', PORTS: '4001-4003' } },
  )
  expect(manifest).toMatchObject({
    network: 'orders',
    seeds: ['/dns/a/tcp/1'],
    nodes: [{ use: ['./trader.ts'], replicas: 3, listen: { port: 4001 } }],
  })
})

test('given an anchored value with a broken reference, the problem is reported once however often it is used', () => {
  const { problems } = parse(
    `${head}  a: { use: ./a.ts, config: { x: &x "\${NONE}", y: *x, z: [*x, *x] } }\n`,
  )
  expect(problems.map(({ code }) => code)).toEqual(['MANIFEST_ENV_UNSET'])
})

test('given a reference that an escape hides, it is placed at its own value and not at the same words further on', () => {
  const { problems } = parse(
    `${head}  a:\n    use: ./a.ts\n    config:\n      x: "\\x24{NONE}"\n      y: \${NONE}\n`,
  )
  expect(problems.map(({ line, column, endColumn }) => [line, column, endColumn])).toEqual([
    [7, 10, 22],
    [8, 10, 17],
  ])
})

test.each(['true', 'True', 'TRUE', 'false', 'False', 'FALSE'])('given %s, it is a boolean', (text) => {
  expect(scalarOf(text)).toBe(text.toLowerCase() === 'true')
})

test('given any text, its parts put together again are the text', () => {
  const pieces = fc.array(
    fc.constantFrom('$', '{', '}', '${', '$${', 'A', ':-', ':?', '${A}', '${B:-c}', ' ', 'é'),
  )
  fc.assert(
    fc.property(pieces, (texts) => {
      const text = texts.join('')
      const again = partsOf(text)
        .map((part) => (part.kind === 'text' ? part.text.split('${').join('$${') : part.raw))
        .join('')
      expect(again).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('given any scalar that YAML can write plainly, a variable that holds it is typed as YAML types it', () => {
  const words = fc.constantFrom(
    'true',
    'False',
    'TRUE',
    'yes',
    '.5',
    '5.',
    '+1',
    '-0',
    '007',
    '0o17',
    '0xFf',
    '1e3',
    '1.e-2',
    '0b1',
    '1_000',
    '--1',
    '1.2.3',
  )
  const numbers = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })).map(String)
  fc.assert(
    fc.property(fc.oneof(words, numbers, fc.stringMatching(/^[-+.0-9exoa-fA-F]{1,12}$/)), (text) => {
      const { manifest } = parse(`${head}  a:\n    use: ./a.ts\n    config:\n      x: ${text}\n`)
      // What YAML reads as something else than a plain scalar, or JSON cannot hold, is another matter.
      fc.pre(manifest !== undefined && !/^[-?:]?$/.test(text))
      expect(scalarOf(text)).toBe(manifest?.nodes[0]?.config.x)
    }),
    { numRuns: 500 },
  )
})
