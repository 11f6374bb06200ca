import { describe, expect, test } from '@jest/globals'
import { dataflow, toDot, toJson, toMermaid, toSvg, type Graph, type Topology } from '#framework/topology'
import { node, port, service, telemetry, topology } from './declare.js'

/** Everything that is drawn in another way: a missing producer, a missing consumer, a conflict, a node on its own. */
function incomplete(): Topology {
  return topology(
    node('desk', {
      services: [
        service('Desk', {
          produces: [port('audit', { what: 'string' })],
          consumes: [port('limit'), port('x', { n: 'string' })],
        }),
      ],
    }),
    node('end', { services: [service('Graph', { produces: [port('x', { n: 'number' })] })] }),
  )
}

/** Names that would break a drawing if they were taken literally. */
function hostile(): Graph {
  return dataflow({
    ...topology(
      node('a"b', {
        tags: ['<b>&'],
        services: [service('`S`', { produces: [port('q"<>&#;\\', { 'f|"\\': 'string' })] })],
      }),
      node('a_b', { services: [service('S', { consumes: [port('q"<>&#;\\', { 'f|"\\': 'string' })] })] }),
    ),
    network: '"]\n --> "',
  })
}

describe('mermaid', () => {
  test('nodes with replicas, services and tags; streams with the fields of their datums', () => {
    expect(toMermaid(dataflow(telemetry()))).toMatchInlineSnapshot()
  })

  test('streams that lack an end, and ends that disagree, look different', () => {
    expect(toMermaid(dataflow(incomplete()))).toMatchInlineSnapshot()
  })

  test('names cannot break out of their labels', () => {
    expect(toMermaid(hostile())).toMatchInlineSnapshot()
  })

  test('many fields are cut, and the rest is counted', () => {
    const fields = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`field${index}`, 'string']))
    const text = toMermaid(
      dataflow(topology(node('a', { services: [service('S', { produces: [port('wide', fields)] })] }))),
    )
    expect(text).toContain('field7,<br/>+3 more')
    expect(text).not.toContain('field8')
  })
})

describe('dot', () => {
  test('nodes are tables, streams that lack an end and ends that disagree are dashed', () => {
    expect(toDot(dataflow(incomplete()))).toMatchInlineSnapshot()
  })
})

describe('svg', () => {
  test('a graph becomes a complete document that names nodes, replicas, services, streams and fields', async () => {
    const svg = await toSvg(dataflow(telemetry()))
    expect(svg).toMatch(/^<\?xml/)
    expect(svg.trimEnd()).toMatch(/<\/svg>$/)
    const texts = [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) =>
      text?.replaceAll('&#160;', '').trim(),
    )
    expect(texts).toEqual(
      expect.arrayContaining(['sensor', '×2', 'Sensor', 'edge', 'sample', 'at, load', 'console']),
    )
  })

  test('names that mean something to Graphviz or SVG are drawn literally', async () => {
    const svg = await toSvg(hostile())
    expect(svg).toContain('q&quot;&lt;&gt;&amp;#;\\')
    expect(svg).not.toContain('<b>')
  })

  test('the same graph gives the same text', async () => {
    const graph = dataflow(incomplete())
    expect(await toSvg(graph)).toBe(await toSvg(graph))
  })

  test('a network without nodes can be drawn', async () => {
    expect(await toSvg(dataflow(topology()))).toContain('</svg>')
    expect(toMermaid(dataflow(topology()))).toContain('flowchart LR')
  })
})

describe('json', () => {
  test('a program reads back what was inferred', () => {
    const graph = dataflow(telemetry())
    expect(JSON.parse(toJson(graph))).toEqual(graph)
  })
})
