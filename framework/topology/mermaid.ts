import type { Graph, GraphGroup, GraphNode } from './dataflow.js'
import { arrowsOf, fieldLines, groupLines, replicasText, tagsText, type Arrow, type End } from './drawing.js'

const labelWidth = 32

/**
 * The graph as a Mermaid flowchart, which GitHub and most editors draw inside a `mermaid` code block. The text is the same
 * for the same graph, so it can be kept in a repository and compared.
 */
export function toMermaid(graph: Graph): string {
  const ids = nodeIds(graph.nodes)
  const arrows = arrowsOf(graph)
  const looseEnds = new Map(
    arrows
      .flatMap(({ from, to }) => [from, to])
      .flatMap((end) => ('loose' in end ? [[idOf(end, ids), end.loose]] : [])),
  )
  const conflicts = arrows.flatMap(({ kind }, index) => (kind === 'conflict' ? [index] : []))
  return [
    '---',
    `title: ${JSON.stringify(graph.network)}`,
    '---',
    'flowchart LR',
    ...graph.nodes.map((node) => `  ${ids.get(node.name)}["${nodeLabel(node)}"]`),
    ...[...looseEnds].map(([id, { stream, lack }]) => `  ${id}(["${lines([stream, lack])}"]):::loose`),
    ...graph.groups.map((group, index) => `  group_${index}{{"${groupLabel(group)}"}}`),
    ...arrows.map((arrow) => `  ${idOf(arrow.from, ids)} ${line(arrow)} ${idOf(arrow.to, ids)}`),
    ...graph.groups.flatMap(({ members }, index) =>
      members.map(
        ({ node, role }) => `  ${idOf({ node }, ids)} ${role === 'member' ? '---' : '-.-'} group_${index}`,
      ),
    ),
    ...(looseEnds.size > 0 ? ['  classDef loose stroke:#d97706,stroke-dasharray:5 4,fill:none'] : []),
    ...(conflicts.length > 0 ? [`  linkStyle ${conflicts.join(',')} stroke:#dc2626`] : []),
    '',
  ].join('\n')
}

function nodeLabel({ name, replicas, services, tags }: GraphNode): string {
  const title = escaped([name, replicasText(replicas)].filter((part) => part !== '').join(' '))
  const rest = [services.join(', '), tagsText(tags)].filter((text) => text !== '')
  return [`<b>${title}</b>`, ...rest.map(escaped)].join('<br/>')
}

function groupLabel(group: GraphGroup): string {
  return [`<b>${escaped(group.name)}</b>`, ...groupLines(group).map(escaped)].join('<br/>')
}

function line({ stream, kind }: Arrow): string {
  if (kind === 'loose')
    return stream.fields.length === 0 ? '-.->' : `-.->|"${lines(fieldLines(stream.fields, labelWidth))}"|`
  const label = lines([
    stream.name,
    ...(kind === 'conflict'
      ? ['the two ends have different schemas']
      : fieldLines(stream.fields, labelWidth)),
  ])
  return `${kind === 'conflict' ? '-.->' : '-->'}|"${label}"|`
}

/**
 * Readable ids that cannot be mistaken for a word of Mermaid's own, such as `end`. A name that would give the id of
 * another gets a number.
 */
function nodeIds(nodes: readonly GraphNode[]): ReadonlyMap<string, string> {
  const ids = new Map<string, string>()
  const taken = new Set<string>()
  for (const { name } of nodes) {
    const base = `node_${name.replace(/\W/g, '_')}`
    let id = base
    for (let number = 2; taken.has(id); number++) id = `${base}_${number}`
    taken.add(id)
    ids.set(name, id)
  }
  return ids
}

function idOf(end: End, ids: ReadonlyMap<string, string>): string {
  return 'node' in end ? (ids.get(end.node) ?? 'node_') : `stream_${end.loose.index}`
}

function lines(texts: readonly string[]): string {
  return texts.map(escaped).join('<br/>')
}

/** Mermaid reads `#…;` as an entity in quoted text, and knows the names of HTML. */
function escaped(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').replace(/[#"&<>`\\]/g, (character) => `#${character.codePointAt(0)};`)
}
