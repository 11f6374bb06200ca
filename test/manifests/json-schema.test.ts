import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { manifestJsonSchema } from '#manifests'
import { readYaml } from '../../manifests/read-yaml.js'
import { SourceText } from '../../manifests/source.js'
import { valueOf } from '../../manifests/yaml-tree.js'
import { head, minimal, parse } from './support.js'

const schema = manifestJsonSchema()
// Reading the JSON Schema back into a validator shows what an editor makes of it.
const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])

/** Whether an editor accepts the text as it is written, references and all. */
function accepts(text: string): boolean {
  const { root, findings } = readYaml(new SourceText('f', text))
  expect(findings).toEqual([])
  return validator.safeParse(valueOf(root!)).success
}

test('the committed schema is the generated one', () => {
  const committed = readFileSync(new URL('../../schema/mosaik.schema.json', import.meta.url), 'utf8')
  expect(JSON.parse(committed)).toEqual(JSON.parse(JSON.stringify(schema)))
})

test('every key has a description', () => {
  const undescribed: string[] = []
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return
    const { properties, additionalProperties } = node as Record<string, unknown>
    for (const [key, value] of Object.entries(properties ?? {})) {
      if (typeof (value as { description?: unknown }).description !== 'string')
        undescribed.push(`${path}.${key}`)
      visit(value, `${path}.${key}`)
    }
    visit(additionalProperties, `${path}.*`)
  }
  visit(schema, '')
  expect(undescribed).toEqual([])
})

describe('an editor accepts', () => {
  test.each([
    minimal,
    `${head}  a: { use: [./a.ts, ./b.ts#B], replicas: 2, tags: [x], listen: 4001-4002, config: { any: { thing: [1] } } }\n`,
    `${minimal}listen: 0.0.0.0\nseeds: [/dns/a/udp/1/quic-v1]\n`,
    'mosaik: 1\nnetwork: ${NET}\nlisten: ${HOST:-127.0.0.1}\nseeds: ["${SEED}"]\nnodes:\n  a:\n    use: ${USE:?which}\n    replicas: ${N:-2}\n    listen: ${PORT}\n',
    readFileSync(new URL('../../apps/telemetry/mosaik.yaml', import.meta.url), 'utf8'),
  ])('%j', (text) => {
    expect(accepts(text)).toBe(true)
  })
})

describe('an editor refuses, as we do,', () => {
  test.each([
    minimal.replace('1', '2'),
    minimal.replace('network: orders', 'network: 5'),
    minimal.replace('network: orders', ''),
    minimal.replace('trader:', 'Trader:'),
    minimal.replace('use:', 'uses:'),
    minimal.replace('./trader.ts', 'trader.ts'),
    minimal.replace('./trader.ts', './trader.ts, replicas: 0'),
    minimal.replace('./trader.ts', './trader.ts, replicas: many'),
    minimal.replace('./trader.ts', './trader.ts, listen: here'),
    minimal.replace('./trader.ts', './trader.ts, listen: []'),
    `${head.replace('nodes:', 'nodes: {}')}`,
    `${minimal}seeds: [here]\n`,
  ])('%j', (text) => {
    expect(accepts(text)).toBe(false)
    expect(parse(text).manifest).toBeUndefined()
  })
})
