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
    expect(toMermaid(dataflow(telemetry()))).toMatchInlineSnapshot(`
     "---
     title: "test"
     ---
     flowchart LR
       node_aggregator["<b>aggregator</b><br/>Aggregator"]
       node_console["<b>console</b><br/>Console"]
       node_sensor["<b>sensor ×2</b><br/>Sensor<br/>#35;edge"]
       node_aggregator -->|"alert<br/>text"| node_console
       node_sensor -->|"sample<br/>at, load"| node_aggregator
     "
    `)
  })

  test('streams that lack an end, and ends that disagree, look different', () => {
    expect(toMermaid(dataflow(incomplete()))).toMatchInlineSnapshot(`
     "---
     title: "test"
     ---
     flowchart LR
       node_desk["<b>desk</b><br/>Desk"]
       node_end["<b>end</b><br/>Graph"]
       stream_0(["audit<br/>no consumer"]):::loose
       stream_1(["limit<br/>no producer"]):::loose
       node_desk -.->|"what"| stream_0
       stream_1 -.-> node_desk
       node_end -.->|"x<br/>the two ends have different schemas"| node_desk
       classDef loose stroke:#d97706,stroke-dasharray:5 4,fill:none
       linkStyle 2 stroke:#dc2626
     "
    `)
  })

  test('names cannot break out of their labels', () => {
    expect(toMermaid(hostile())).toMatchInlineSnapshot(`
     "---
     title: "\\"]\\n --> \\""
     ---
     flowchart LR
       node_a_b["<b>a#34;b</b><br/>#96;S#96;<br/>#35;#60;b#62;#38;"]
       node_a_b_2["<b>a_b</b><br/>S"]
       node_a_b -->|"q#34;#60;#62;#38;#35;;#92;<br/>f|#34;#92;"| node_a_b_2
     "
    `)
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
    expect(toDot(dataflow(incomplete()))).toMatchInlineSnapshot(`
     "digraph "test" {
       graph [rankdir=LR, bgcolor=white, pad=0.3, nodesep=0.5, ranksep=0.9, tooltip="test"]
       node [shape=plain, fontname="Arial", fontsize=12, fontcolor="#1f2937"]
       edge [fontname="Arial", fontsize=11, fontcolor="#1f2937", color="#64748b", arrowsize=0.7, penwidth=1.2]
       "node desk" [label=<<table border="1" cellborder="0" cellspacing="0" style="rounded" color="#93b4e8" bgcolor="#f5f9ff"><tr><td cellpadding="7"><font point-size="14" color="#1d4ed8"><b>&#160;desk&#160;</b></font></td></tr><hr/><tr><td align="left" cellpadding="4">&#160;Desk&#160;</td></tr></table>>, tooltip="desk"]
       "node end" [label=<<table border="1" cellborder="0" cellspacing="0" style="rounded" color="#93b4e8" bgcolor="#f5f9ff"><tr><td cellpadding="7"><font point-size="14" color="#1d4ed8"><b>&#160;end&#160;</b></font></td></tr><hr/><tr><td align="left" cellpadding="4">&#160;Graph&#160;</td></tr></table>>, tooltip="end"]
       "stream 0" [shape=box, style="rounded,dashed", color="#b45309", fontcolor="#b45309", margin="0.1,0.06", label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1"><tr><td><b>&#160;audit&#160;</b></td></tr><tr><td><font point-size="10" color="#6b7280">&#160;no consumer&#160;</font></td></tr><tr><td height="4"></td></tr></table>>, tooltip="audit: no consumer"]
       "stream 1" [shape=box, style="rounded,dashed", color="#b45309", fontcolor="#b45309", margin="0.1,0.06", label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1"><tr><td><b>&#160;limit&#160;</b></td></tr><tr><td><font point-size="10" color="#6b7280">&#160;no producer&#160;</font></td></tr><tr><td height="4"></td></tr></table>>, tooltip="limit: no producer"]
       "node desk" -> "stream 0" [label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1"><tr><td><font point-size="10" color="#6b7280">&#160;what&#160;</font></td></tr><tr><td height="4"></td></tr></table>>, style=dashed, color="#b45309", tooltip="audit"]
       "stream 1" -> "node desk" [style=dashed, color="#b45309", tooltip="limit"]
       "node end" -> "node desk" [label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1"><tr><td><b>&#160;x&#160;</b></td></tr><tr><td><font point-size="10" color="#6b7280">&#160;the two ends have different schemas&#160;</font></td></tr><tr><td height="4"></td></tr></table>>, style=dashed, color="#dc2626", fontcolor="#dc2626", tooltip="x"]
     }
     "
    `)
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
      expect.arrayContaining(['sensor', '×2', 'Sensor', '#edge', 'sample', 'at, load', 'console']),
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
