// The keys that say how a network is closed, found and kept: what they become, and what is said of their mistakes.
import { describe, expect, test } from '@jest/globals'
import { validate } from '#framework/topology'
import { lower } from '#manifests'
import { head, minimal, parse, rendered } from './support.js'

const relay = '/ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

test('given all of them, they become parts of the manifest and of the topology, which holds no secret', () => {
  const { manifest, problems } = parse(`${head}  gate:
    use: ./gate.ts
    labels: { region: eu, zone: "1" }
    relay: { serve: true }
  inner: { use: ./inner.ts }
secret: { env: ORDERS_SECRET }
data: ./data
discovery: { mdns: true, dht: false, remember: true, maxRttMs: 150.5 }
relay: { via: ${relay} }
`)
  expect(problems).toEqual([])
  const parts = {
    secret: { env: 'ORDERS_SECRET' },
    data: './data',
    discovery: { mdns: true, dht: false, remember: true, maxRttMs: 150.5 },
    relay: { via: [relay] },
  }
  expect(manifest).toEqual(expect.objectContaining(parts))
  const topology = lower(manifest!, new Map())
  expect(topology).toEqual(expect.objectContaining(parts))
  const [gate, inner] = topology.nodes
  expect(gate).toEqual(
    expect.objectContaining({ labels: { region: 'eu', zone: '1' }, relay: { serve: true } }),
  )
  expect(inner).not.toHaveProperty('labels')
  expect(inner).not.toHaveProperty('relay')
})

test('given seeds by peer id alone, they are seeds, and their topology is right', () => {
  const id = relay.split('/').at(-1)!
  const { manifest, problems } = parse(`${minimal}seeds: [${id}, ${'ab'.repeat(32)}, ${relay}]\n`)
  expect(problems).toEqual([])
  expect(manifest?.seeds).toEqual([id, 'ab'.repeat(32), relay])
  const codes = validate(lower(manifest!, new Map())).map(({ code }) => code)
  expect(codes).toEqual(['NODE_WITHOUT_SERVICES'])
  expect(rendered(`${minimal}seeds: [${'ab'.repeat(31)}]\n`)).toContain('is no multiaddr')
})

test('given none of them, nothing is said about how the network is found', () => {
  const { manifest } = parse(minimal)
  expect(Object.keys(manifest!).sort()).toEqual(['network', 'nodes', 'seeds'])
})

test('given references to variables, switches and labels are filled in', () => {
  const { manifest, problems } = parse(
    `${head}  a:\n    use: ./a.ts\n    labels:\n      region: \${REGION:-eu}\ndiscovery:\n  mdns: \${MDNS}\nrelay:\n  via: \${RELAYS:-auto}\n`,
    { env: { MDNS: 'true' } },
  )
  expect(problems).toEqual([])
  expect(manifest?.discovery).toEqual({ mdns: true })
  expect(manifest?.relay).toEqual({ via: 'auto' })
  expect(manifest?.nodes[0]?.labels).toEqual({ region: 'eu' })
})

describe('given', () => {
  test.each([
    ['secret: { env: hunter2-hunter2 }', 'MANIFEST_VALUE_INVALID  secret.env cannot name a variable'],
    ['secret: { file: orders.secret }', 'did you mean "./orders.secret"?'],
    ['secret: {}', 'secret needs one place to read the secret from'],
    ['secret: { env: A, file: ./a }', 'give one of "env" and "file"'],
    ['secret: { value: hunter2 }', 'unknown key "value" in secret'],
    ['secret: [hunter2]', 'secret must be a mapping with "env" or "file", found a list'],
    ['secret: 4711471147114711', 'MANIFEST_SECRET_LITERAL'],
    ['discovery: { mdns: yes }', 'discovery.mdns must be true or false, found "yes"'],
    ['discovery: { mdsn: true }', 'did you mean "mdns"?'],
    ['discovery: { maxRttMs: 0 }', 'must be a number of milliseconds greater than 0, found 0'],
    ['discovery: on', 'discovery must be a mapping'],
    ['data: data', 'did you mean "./data"?'],
    ['relay: { via: /ip4/192.0.2.7/tcp/4001 }', 'does not say which peer the relay is'],
    [`relay: { via: [${relay}/p2p-circuit] }`, 'is an address behind a relay, not of one'],
    ['relay: { via: any }', 'MANIFEST_ADDRESS_INVALID  relay.via "any" is no multiaddr'],
    ['relay: { server: true }', 'did you mean "serve"?'],
  ])('%s, says so and repeats no secret', (line, said) => {
    const text = rendered(`${minimal}${line}\n`)
    expect(text).toContain(said)
    expect(text).not.toContain('hunter2')
    expect(text).not.toContain('4711')
  })

  test.each([
    ['labels: { region: "" }', 'node "trader": labels.region "" cannot be the value of a label'],
    ['labels: { zone: 1 }', 'in quotes it is a string: "1"'],
    ['relay: { serve: 1 }', 'node "trader": relay.serve must be true or false, found 1'],
  ])('a node with %s, says so', (key, said) => {
    expect(rendered(`${head}  trader:\n    use: ./trader.ts\n    ${key}\n`)).toContain(said)
  })
})
