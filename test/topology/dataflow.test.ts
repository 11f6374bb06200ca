import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { dataflow, expectedEdges, type Topology } from '#framework/topology'
import { node, port, service, telemetry, topology } from './declare.js'

test('given producers and consumers, the edges follow from the streams that they share', () => {
  const graph = dataflow(telemetry())
  expect(graph.edges).toEqual([
    { stream: 'alert', from: 'aggregator', to: 'console' },
    { stream: 'sample', from: 'sensor', to: 'aggregator' },
  ])
  expect(graph.streams).toEqual([
    {
      name: 'alert',
      id: port('alert').id,
      producers: ['aggregator'],
      consumers: ['console'],
      fields: ['text'],
    },
    {
      name: 'sample',
      id: port('sample').id,
      producers: ['sensor'],
      consumers: ['aggregator'],
      fields: ['at', 'load'],
    },
  ])
})

test("a node shows its own tags and its services' once, and its services in starting order", () => {
  const services = [service('Second', { tags: ['b', 'a'] }), service('First', { tags: ['a'] })]
  const graph = dataflow(topology(node('n', { tags: ['c', 'a'], services })))
  expect(graph.nodes).toEqual([
    { name: 'n', replicas: 1, tags: ['a', 'b', 'c'], services: ['Second', 'First'] },
  ])
})

test('a node that consumes what it produces has an edge to itself', () => {
  const chat = service('Chat', { produces: [port('chat')], consumes: [port('chat')] })
  const declared = topology(node('peer', { replicas: 2, services: [chat] }))
  expect(dataflow(declared).edges).toEqual([{ stream: 'chat', from: 'peer', to: 'peer' }])
  expect(expectedEdges(declared)).toHaveLength(4)
})

test('two services of one node that consume the same stream make one edge', () => {
  const declared = topology(
    node('a', { services: [service('S', { produces: [port('x')] })] }),
    node('b', {
      services: [service('S', { consumes: [port('x')] }), service('T', { consumes: [port('x')] })],
    }),
  )
  expect(dataflow(declared).edges).toEqual([{ stream: 'x', from: 'a', to: 'b' }])
})

test('ends that disagree about the schema are drawn as a conflict and are not expected', () => {
  const declared = topology(
    node('a', { services: [service('S', { produces: [port('x', { n: 'number' })] })] }),
    node('b', { services: [service('S', { consumes: [port('x', { n: 'string' })] })] }),
    node('c', { services: [service('S', { consumes: [port('x', { n: 'number' })] })] }),
  )
  expect(dataflow(declared).edges).toEqual([
    { stream: 'x', from: 'a', to: 'b', conflict: true },
    { stream: 'x', from: 'a', to: 'c' },
  ])
  expect(expectedEdges(declared)).toEqual([
    { stream: 'x', from: { node: 'a', replica: 0 }, to: { node: 'c', replica: 0 } },
  ])
})

test('of several ports between two nodes it is enough that one pair agrees, whichever comes first', () => {
  const [odd, even] = [port('x', { n: 'string' }), port('x', { n: 'number' })]
  for (const consumes of [
    [odd, even],
    [even, odd],
  ]) {
    const declared = topology(
      node('a', { services: [service('S', { produces: [even] })] }),
      node('b', { services: [service('S', { consumes })] }),
    )
    expect(dataflow(declared).edges).toEqual([{ stream: 'x', from: 'a', to: 'b' }])
  }
})

test('every producing replica is expected to reach every consuming one', () => {
  expect(expectedEdges(telemetry())).toEqual([
    { stream: 'alert', from: { node: 'aggregator', replica: 0 }, to: { node: 'console', replica: 0 } },
    { stream: 'sample', from: { node: 'sensor', replica: 0 }, to: { node: 'aggregator', replica: 0 } },
    { stream: 'sample', from: { node: 'sensor', replica: 1 }, to: { node: 'aggregator', replica: 0 } },
  ])
})

test('property: the graph does not depend on the order in which nodes are written', () => {
  const ports = fc.subarray(['p', 'q', 'r']).map((names) => names.map((name) => port(name)))
  const services = fc.record({ produces: ports, consumes: ports }).map((ends) => [service('S', ends)])
  const nodes = fc.uniqueArray(
    fc
      .record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e'), services })
      .map(({ name, services }) => node(name, { services })),
    { selector: ({ name }) => name },
  )
  fc.assert(
    fc.property(
      nodes.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ([written, shuffled]) => {
        expect(dataflow(topology(...shuffled))).toEqual(dataflow(topology(...written)))
      },
    ),
  )
})

test('a topology survives JSON, and so does what is inferred from it', () => {
  const copy = JSON.parse(JSON.stringify(telemetry())) as Topology
  expect(dataflow(copy)).toEqual(dataflow(telemetry()))
})
