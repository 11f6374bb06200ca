import { expect, test } from '@jest/globals'
import { lower } from '#manifests'
import { port, service } from '../topology/declare.js'
import { head, parse } from './support.js'

test('given a manifest and the services of its nodes, they become a topology in the order of the file', () => {
  const { manifest } = parse(`${head}  trader:
    use: ./trader.ts
    replicas: 2
    tags: [eu]
    config: { max: 5 }
    listen: 4001-4002
  matcher: { use: [./matcher.ts, ./audit.ts] }
seeds: [/dns/a/tcp/1]
listen: 0.0.0.0
`)
  const trader = service('Trader', { produces: [port('orders')] })
  const topology = lower(manifest!, new Map([['trader', [trader]]]))
  expect(topology).toEqual({
    network: 'orders',
    seeds: ['/dns/a/tcp/1'],
    listen: '0.0.0.0',
    nodes: [
      {
        name: 'trader',
        use: ['./trader.ts'],
        replicas: 2,
        tags: ['eu'],
        config: { max: 5 },
        listen: { port: 4001 },
        services: [trader],
      },
      {
        name: 'matcher',
        use: ['./matcher.ts', './audit.ts'],
        replicas: 1,
        tags: [],
        config: {},
        services: [],
      },
    ],
  })
  expect(JSON.parse(JSON.stringify(topology))).toEqual(topology)
})
