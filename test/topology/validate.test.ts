import { describe, expect, test } from '@jest/globals'
import { type Problem, type Topology, validate } from '#framework/topology'
import { node, port, service, telemetry, topology } from './declare.js'

/** The only problem of the topology: a test that means one must not hide others. */
function onlyProblem(declared: Topology): Problem {
  const problems = validate(declared)
  expect(problems.map(({ code }) => code)).toHaveLength(1)
  return problems[0]!
}

const produced = (name: string, ...ports: ReturnType<typeof port>[]) =>
  node(name, { services: [service('Source', { produces: ports })] })
const consumed = (name: string, ...ports: ReturnType<typeof port>[]) =>
  node(name, { services: [service('Sink', { consumes: ports })] })

test('given a topology in which every stream has both ends, nothing is wrong with it', () => {
  expect(validate(telemetry())).toEqual([])
})

test('given several mistakes, all are reported at once in the order in which they are written', () => {
  const declared: Topology = {
    network: ' padded',
    seeds: ['localhost:4001'],
    nodes: [node('Upper'), node('twice'), node('twice', { replicas: 0, tags: ['a\nb'] })],
  }
  expect(validate(declared).map(({ code, path }) => `${code} ${path.join('.')}`)).toEqual([
    'NETWORK_NAME_INVALID network',
    'SEED_INVALID seeds.0',
    'NODE_NAME_INVALID nodes.0.name',
    'NODE_REPLICAS_INVALID nodes.2.replicas',
    'TAG_INVALID nodes.2.tags.0',
    'NODE_NAME_DUPLICATE nodes.2.name',
  ])
})

describe('names and numbers', () => {
  test('an empty network name is refused', () => {
    expect(onlyProblem({ ...telemetry(), network: '' })).toMatchObject({
      code: 'NETWORK_NAME_INVALID',
      severity: 'error',
      path: ['network'],
    })
  })

  test('a network without nodes is worth a warning', () => {
    expect(onlyProblem(topology())).toMatchObject({ code: 'NETWORK_EMPTY', severity: 'warning' })
  })

  test.each(['OrderBook', 'order_book', '-book', 'book-', '2nd', 'a--b', '', 'x'.repeat(64)])(
    'node name %j is refused',
    (name) => {
      expect(onlyProblem(topology(node(name)))).toMatchObject({
        code: 'NODE_NAME_INVALID',
        severity: 'error',
      })
    },
  )

  test.each(['a', 'order-book', 'node-2', 'x'.repeat(63)])('node name %j is accepted', (name) => {
    expect(validate(topology(node(name)))).toEqual([])
  })

  test('a refused node name comes with the nearest one that would do', () => {
    expect(onlyProblem(topology(node('Order_Book'))).hint).toContain('"order-book" would do')
  })

  test('two nodes of one name are refused, at the second', () => {
    expect(onlyProblem(topology(node('a'), node('b'), node('a')))).toMatchObject({
      code: 'NODE_NAME_DUPLICATE',
      severity: 'error',
      path: ['nodes', 2, 'name'],
    })
  })

  test.each([0, -1, 1.5, Number.NaN, 1001])('%p replicas are refused', (replicas) => {
    expect(onlyProblem(topology(node('a', { replicas })))).toMatchObject({
      code: 'NODE_REPLICAS_INVALID',
      severity: 'error',
      path: ['nodes', 0, 'replicas'],
    })
  })

  test('a node without services is worth a warning', () => {
    expect(onlyProblem(topology(node('a', { services: [] })))).toMatchObject({
      code: 'NODE_WITHOUT_SERVICES',
      severity: 'warning',
    })
  })

  test('a service name with white space is refused', () => {
    expect(onlyProblem(topology(node('a', { services: [service('my service')] })))).toMatchObject({
      code: 'SERVICE_NAME_INVALID',
      path: ['nodes', 0, 'services', 0, 'name'],
    })
  })

  test('two services of one name on one node are refused, on two nodes they are not', () => {
    expect(onlyProblem(topology(node('a', { services: [service('S'), service('S')] })))).toMatchObject({
      code: 'SERVICE_NAME_DUPLICATE',
      severity: 'error',
      path: ['nodes', 0, 'services', 1, 'name'],
    })
    expect(
      validate(topology(node('a', { services: [service('S')] }), node('b', { services: [service('S')] }))),
    ).toEqual([])
  })

  test('an empty tag is refused, on a node and on a service', () => {
    expect(onlyProblem(topology(node('a', { tags: ['ok', ''] })))).toMatchObject({
      code: 'TAG_INVALID',
      path: ['nodes', 0, 'tags', 1],
    })
    expect(
      onlyProblem(topology(node('a', { services: [service('S', { tags: ['\u0007'] })] }))),
    ).toMatchObject({
      code: 'TAG_INVALID',
      path: ['nodes', 0, 'services', 0, 'tags', 0],
    })
  })
})

describe('configuration', () => {
  const reading = (...configKeys: string[]) => ({ ...service('S'), configKeys })

  test('a key that no service of the node reads is worth a warning, with the key that was meant', () => {
    const config = { windowSecond: 30, label: 'x' }
    const services = [reading('windowSeconds'), { ...reading('label'), name: 'T' }]
    expect(onlyProblem(topology(node('a', { config, services })))).toEqual({
      code: 'CONFIG_KEY_UNREAD',
      severity: 'warning',
      message: 'node "a" configures "windowSecond", which none of its services reads',
      path: ['nodes', 0, 'config', 'windowSecond'],
      hint: 'did you mean "windowSeconds"?',
    })
  })

  test('where it is not known what a service reads, it may read anything', () => {
    const config = { anything: 1 }
    expect(validate(topology(node('a', { config, services: [reading(), { ...service('T') }] })))).toEqual([])
  })
})

describe('addresses', () => {
  test('a seed that is no multiaddr is refused', () => {
    expect(
      onlyProblem({ ...telemetry(), seeds: ['/ip4/127.0.0.1/tcp/4001', '127.0.0.1:4001'] }),
    ).toMatchObject({
      code: 'SEED_INVALID',
      path: ['seeds', 1],
    })
  })

  test('an empty listen host is refused', () => {
    expect(onlyProblem({ ...telemetry(), listen: '' })).toMatchObject({
      code: 'LISTEN_INVALID',
      path: ['listen'],
    })
  })

  test.each([-1, 65_536, 80.5])('port %p is refused', (wrong) => {
    expect(onlyProblem(topology(node('a', { listen: { port: wrong } })))).toMatchObject({
      code: 'LISTEN_INVALID',
      path: ['nodes', 0, 'listen', 'port'],
    })
  })

  test('replicas whose consecutive ports would pass the last one are refused', () => {
    expect(validate(topology(node('a', { replicas: 2, listen: { port: 65_534 } })))).toEqual([])
    expect(onlyProblem(topology(node('a', { replicas: 3, listen: { port: 65_534 } })))).toMatchObject({
      code: 'LISTEN_INVALID',
    })
  })

  test('replicas cannot share complete addresses', () => {
    const addresses = ['/ip4/127.0.0.1/tcp/4001']
    expect(validate(topology(node('a', { listen: { addresses } })))).toEqual([])
    expect(onlyProblem(topology(node('a', { replicas: 2, listen: { addresses } })))).toMatchObject({
      code: 'LISTEN_INVALID',
      path: ['nodes', 0, 'listen', 'addresses'],
    })
  })

  test('an address to listen on that is no multiaddr is refused', () => {
    expect(onlyProblem(topology(node('a', { listen: { addresses: ['localhost'] } })))).toMatchObject({
      code: 'LISTEN_INVALID',
      path: ['nodes', 0, 'listen', 'addresses', 0],
    })
  })

  test('nodes whose ports overlap are worth a warning, nodes that take any port are not', () => {
    const declared = topology(
      node('a', { replicas: 3, listen: { port: 4000 } }),
      node('b', { listen: { port: 4002 } }),
      node('c', { listen: { port: 0 } }),
      node('d', { listen: { port: 0 } }),
    )
    expect(onlyProblem(declared)).toMatchObject({
      code: 'LISTEN_PORT_SHARED',
      severity: 'warning',
      message: 'nodes "a" and "b" both take port 4002',
      path: ['nodes', 1, 'listen', 'port'],
    })
  })
})

describe('streams', () => {
  test('a stream without a producer is worth a warning at each consumer', () => {
    const problems = validate(topology(consumed('a', port('lost')), consumed('b', port('lost'))))
    expect(problems).toEqual([
      {
        code: 'STREAM_NOT_PRODUCED',
        severity: 'warning',
        message: 'node "a" (Sink) consumes stream "lost", which no node produces',
        path: ['nodes', 0, 'services', 0, 'consumes', 0],
      },
      expect.objectContaining({
        code: 'STREAM_NOT_PRODUCED',
        path: ['nodes', 1, 'services', 0, 'consumes', 0],
      }),
    ])
  })

  test('a stream name that is almost that of a produced one comes with a suggestion', () => {
    const declared = topology(
      produced('trader', port('orders')),
      consumed('desk', port('orders')),
      consumed('matcher', port('order')),
    )
    expect(onlyProblem(declared).hint).toBe('did you mean "orders" (produced by "trader")?')
  })

  test('a stream without a consumer is worth a warning', () => {
    expect(onlyProblem(topology(produced('a', port('unheard'))))).toMatchObject({
      code: 'STREAM_NOT_CONSUMED',
      severity: 'warning',
      message: 'node "a" (Source) produces stream "unheard", which no node consumes',
    })
  })

  test('two schemas under one name are refused, and the message names both sides and the field', () => {
    const declared = topology(
      produced('a', port('load', { at: 'number', value: 'number' })),
      consumed('b', port('load', { at: 'number', value: 'string' })),
    )
    expect(onlyProblem(declared)).toEqual({
      code: 'STREAM_SCHEMA_CONFLICT',
      severity: 'error',
      message:
        'stream "load" has two schemas: node "b" (Sink) consumes it with another one than node "a" (Source) ("value" is number at Source.load and string at Sink.load)',
      path: ['nodes', 1, 'services', 0, 'consumes', 0],
      hint: 'declare the stream once and import it on both sides',
    })
  })

  test('schemas that differ in fields say which side has them', () => {
    const declared = topology(
      produced('a', port('x', { old: 'string' })),
      consumed('b', port('x', { new: 'string' })),
    )
    expect(onlyProblem(declared).message).toContain(
      '("old" exists only at Source.x; "new" exists only at Sink.x)',
    )
  })

  test('schemas whose difference is out of sight are refused all the same', () => {
    const odd = { ...port('x'), shape: 'not JSON', fingerprint: port('y', { z: 'null' }).fingerprint }
    expect(onlyProblem(topology(produced('a', port('x')), consumed('b', odd))).code).toBe(
      'STREAM_SCHEMA_CONFLICT',
    )
  })

  test('two services of a node share a producer, as long as only the first has options', () => {
    const configured = { ...port('x'), options: { queue: 8 } }
    const sharing = (...ports: ReturnType<typeof port>[]) =>
      node('a', {
        services: ports.map((each, index) => service(`Number${index}`, { produces: [each] })),
      })
    const consumer = consumed('b', port('x'))
    expect(validate(topology(sharing(port('x'), port('x')), consumer))).toEqual([])
    expect(validate(topology(sharing(configured, port('x')), consumer))).toEqual([])
    expect(onlyProblem(topology(sharing(port('x'), configured), consumer))).toMatchObject({
      code: 'STREAM_PRODUCED_TWICE',
      severity: 'error',
      message: 'node "a" produces stream "x" twice: Number0.x, and Number1.x with options of its own',
      path: ['nodes', 0, 'services', 1, 'produces', 0],
    })
    expect(validate(topology(produced('a', configured), produced('c', configured), consumer))).toEqual([])
  })

  test('a stream name that does not print is refused', () => {
    const declared = topology(produced('a', port('x\u0000')), consumed('b', port('x\u0000')))
    expect(onlyProblem(declared).code).toBe('STREAM_NAME_INVALID')
  })
})

describe('how the network is found', () => {
  test('peers that are to be remembered without a folder for them are refused', () => {
    expect(onlyProblem({ ...telemetry(), discovery: { remember: true } })).toMatchObject({
      code: 'REMEMBER_WITHOUT_DATA',
      severity: 'error',
      path: ['discovery', 'remember'],
    })
    expect(validate({ ...telemetry(), discovery: { remember: true }, data: './data' })).toEqual([])
  })

  test.each(['mdns', 'dht'])('%s of nodes that listen on loopback only is worth a warning', (way) => {
    expect(onlyProblem({ ...telemetry(), discovery: { [way]: true } })).toMatchObject({
      code: 'DISCOVERY_LOOPBACK_ONLY',
      severity: 'warning',
      path: ['discovery', way],
    })
  })

  test('nothing is wrong with it when one of the nodes listens elsewhere', () => {
    expect(validate({ ...telemetry(), discovery: { mdns: true }, listen: '0.0.0.0' })).toEqual([])
    const gate = node('gate', { listen: { addresses: ['/ip4/192.0.2.7/udp/4001/quic-v1'] } })
    const { nodes, ...rest } = telemetry()
    expect(validate({ ...rest, nodes: [...nodes, gate], discovery: { dht: true } })).toEqual([])
  })

  test('a label that does not print is refused', () => {
    expect(onlyProblem(topology(node('a', { labels: { region: 'e\nu' } })))).toMatchObject({
      code: 'LABEL_INVALID',
      path: ['nodes', 0, 'labels', 'region'],
    })
  })
})
