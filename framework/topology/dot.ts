import type { Graph, GraphGroup, GraphMember, GraphNode } from './dataflow.js'
import {
  arrowsOf,
  fieldLines,
  groupLines,
  replicasText,
  tagsText,
  type Arrow,
  type End,
  type LooseEnd,
} from './drawing.js'

/** Graphviz lays out without fonts at hand, but knows how wide the letters of this one are. */
const font = 'Arial'
const labelWidth = 26

const ink = '#1f2937'
const faint = '#6b7280'
const line = '#64748b'
const accent = '#1d4ed8'
const fill = '#f5f9ff'
const border = '#93b4e8'
const groupFill = '#f0fdf4'
const groupBorder = '#4d9b6a'
const warn = '#b45309'
const bad = '#dc2626'

/** The graph in Graphviz' language, laid out from left to right. The text is the same for the same graph. */
export function toDot(graph: Graph): string {
  const arrows = arrowsOf(graph)
  const looseEnds = new Map(
    arrows
      .flatMap(({ from, to }) => [from, to])
      .flatMap((end) => ('loose' in end ? [[idOf(end), end.loose]] : [])),
  )
  return [
    `digraph ${quoted(graph.network)} {`,
    `  graph [rankdir=LR, bgcolor=white, pad=0.3, nodesep=0.5, ranksep=0.9, tooltip=${quoted(graph.network)}]`,
    `  node [shape=plain, fontname=${quoted(font)}, fontsize=12, fontcolor=${quoted(ink)}]`,
    `  edge [fontname=${quoted(font)}, fontsize=11, fontcolor=${quoted(ink)}, color=${quoted(line)}, arrowsize=0.7, penwidth=1.2]`,
    ...graph.nodes.map(
      (node) => `  ${quoted(`node ${node.name}`)} [label=${box(node)}, tooltip=${quoted(node.name)}]`,
    ),
    ...[...looseEnds].map(([id, end]) => `  ${id} [${looseEnd(end)}]`),
    ...graph.groups.map((group) => `  ${groupId(group)} [${groupBox(group)}]`),
    ...arrows.map((arrow) => `  ${idOf(arrow.from)} -> ${idOf(arrow.to)} [${edge(arrow)}]`),
    ...graph.groups.flatMap((group) =>
      group.members.map(
        (member) => `  ${idOf({ node: member.node })} -> ${groupId(group)} [${membership(member, group)}]`,
      ),
    ),
    '}',
    '',
  ].join('\n')
}

/** A table in Graphviz' subset of HTML: the node's name, below a rule its services, then its tags. */
function box({ name, replicas, services, tags }: GraphNode): string {
  const count = replicasText(replicas)
  const rows = [
    `<tr><td cellpadding="7">${title(name)}${count === '' ? '' : coloured(accent, 12, count)}</td></tr>`,
  ]
  if (services.length + tags.length > 0) rows.push('<hr/>')
  rows.push(
    ...services.map(
      (service) => `<tr><td align="left" cellpadding="4">${spaced(escaped(service))}</td></tr>`,
    ),
  )
  if (tags.length > 0)
    rows.push(`<tr><td align="left" cellpadding="4">${coloured(faint, 10, tagsText(tags))}</td></tr>`)
  return `<<table border="1" cellborder="0" cellspacing="0" style="rounded" color="${border}" bgcolor="${fill}">${rows.join('')}</table>>`
}

/** Members stand around it: the lines have no direction, because everybody talks with everybody. */
function groupBox(group: GraphGroup): string {
  const lines = [bold(group.name), ...groupLines(group).map(small)]
  return `shape=hexagon, style=filled, fillcolor="${groupFill}", color="${groupBorder}", margin="0.05,0.05", label=${label(lines)}, tooltip=${quoted(group.name)}`
}

function membership({ role }: GraphMember, { name }: GraphGroup): string {
  const style = role === 'member' ? '' : 'style=dashed, '
  return `dir=none, ${style}color="${groupBorder}", tooltip=${quoted(`${role} of ${name}`)}`
}

function groupId({ name }: GraphGroup): string {
  return quoted(`group ${name}`)
}

function title(name: string): string {
  return `<font point-size="14" color="${accent}"><b>${spaced(escaped(name))}</b></font>`
}

function looseEnd({ stream, lack }: LooseEnd): string {
  return `shape=box, style="rounded,dashed", color="${warn}", fontcolor="${warn}", margin="0.1,0.06", label=${label([bold(stream), small(lack)])}, tooltip=${quoted(`${stream}: ${lack}`)}`
}

function edge({ stream, kind }: Arrow): string {
  const fields = fieldLines(stream.fields, labelWidth).map(small)
  switch (kind) {
    case 'flow':
      return `label=${label([bold(stream.name), ...fields])}, tooltip=${quoted(stream.name)}`
    case 'conflict':
      return `label=${label([bold(stream.name), small('the two ends have different schemas')])}, style=dashed, color="${bad}", fontcolor="${bad}", tooltip=${quoted(stream.name)}`
    case 'loose':
      return `${fields.length === 0 ? '' : `label=${label(fields)}, `}style=dashed, color="${warn}", tooltip=${quoted(stream.name)}`
  }
}

/** Texts under each other, and some air below, so that the last does not touch the arrow that runs there. */
function label(texts: readonly string[]): string {
  const rows = texts.map((text) => `<tr><td>${text}</td></tr>`).join('')
  return `<<table border="0" cellborder="0" cellspacing="0" cellpadding="1">${rows}<tr><td height="4"></td></tr></table>>`
}

function bold(text: string): string {
  return `<b>${spaced(escaped(text))}</b>`
}

function small(text: string): string {
  return coloured(faint, 10, text)
}

function coloured(color: string, size: number, text: string): string {
  return `<font point-size="${size}" color="${color}">${spaced(escaped(text))}</font>`
}

/** Air at both sides, because the letters that are drawn are not exactly as wide as expected. */
function spaced(html: string): string {
  return `&#160;${html}&#160;`
}

function idOf(end: End): string {
  return 'node' in end ? quoted(`node ${end.node}`) : quoted(`stream ${end.loose.index}`)
}

function quoted(text: string): string {
  return `"${printable(text).replace(/["\\]/g, '\\$&')}"`
}

function escaped(text: string): string {
  return printable(text).replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`)
}

function printable(text: string): string {
  return text.replace(/\p{C}/gu, ' ')
}
