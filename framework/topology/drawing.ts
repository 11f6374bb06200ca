// What every drawing of a graph shows, whatever it is written in.
import type { Graph, GraphEdge, GraphGroup, GraphStream } from './dataflow.js'

/** Fields beyond this many are counted and not named: a label is no schema. */
const fieldCountMax = 8

/** An arrow of the drawing. A stream that lacks an end gets a loose end instead of a node there. */
export interface Arrow {
  readonly stream: GraphStream
  readonly from: End
  readonly to: End
  readonly kind: 'flow' | 'conflict' | 'loose'
}

/** `name` is a node's; a loose end stands for the nodes that no one declared. */
export type End = { readonly node: string } | { readonly loose: LooseEnd }

export interface LooseEnd {
  /** Unique in the drawing, and stable: the position of the stream in the graph. */
  readonly index: number
  readonly stream: string
  readonly lack: 'no producer' | 'no consumer'
}

/** The arrows of a graph in a fixed order, those of incomplete streams included. */
export function arrowsOf(graph: Graph): readonly Arrow[] {
  const edgesOfStream = new Map<string, GraphEdge[]>()
  for (const edge of graph.edges) {
    const edges = edgesOfStream.get(edge.stream)
    if (edges === undefined) edgesOfStream.set(edge.stream, [edge])
    else edges.push(edge)
  }
  return graph.streams.flatMap((stream, index) => [
    ...(edgesOfStream.get(stream.name) ?? []).map(({ from, to, conflict }): Arrow => ({
      stream,
      from: { node: from },
      to: { node: to },
      kind: conflict === true ? 'conflict' : 'flow',
    })),
    ...looseArrows(stream, index),
  ])
}

function looseArrows(stream: GraphStream, index: number): Arrow[] {
  const { name, producers, consumers } = stream
  if (producers.length === 0) {
    const from: End = { loose: { index, stream: name, lack: 'no producer' } }
    return consumers.map((node) => ({ stream, from, to: { node }, kind: 'loose' }))
  }
  if (consumers.length === 0) {
    const to: End = { loose: { index, stream: name, lack: 'no consumer' } }
    return producers.map((node) => ({ stream, from: { node }, to, kind: 'loose' }))
  }
  return []
}

/** The field names as lines of about `width` characters. */
export function fieldLines(fields: readonly string[], width: number): readonly string[] {
  // Saying that there is one more takes as much room as naming it.
  const shown = fields.length === fieldCountMax + 1 ? fields : fields.slice(0, fieldCountMax)
  const rest = fields.length - shown.length
  const words = shown.map((field, index) => (index < shown.length - 1 || rest > 0 ? `${field},` : field))
  if (rest > 0) words.push(`+${rest} more`)
  const lines: string[] = []
  for (const word of words) {
    const line = lines.at(-1)
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines
}

/** `×3`, or nothing for a single replica. */
export function replicasText(replicas: number): string {
  return replicas === 1 ? '' : `×${replicas}`
}

/** Tags as `#edge #fast`, so that nobody takes them for services. */
export function tagsText(tags: readonly string[]): string {
  return tags.map((tag) => `#${tag}`).join(' ')
}

/** What a group's label says below its name. */
export function groupLines({ voters, members }: GraphGroup): readonly string[] {
  const leading = members.flatMap(({ onLeader }) => onLeader)
  const following = members.flatMap(({ onFollower }) => onFollower)
  return [
    voters === 1 ? '1 voter' : `${voters} voters`,
    ...(leading.length > 0 ? [`leader: ${[...new Set(leading)].join(', ')}`] : []),
    ...(following.length > 0 ? [`followers: ${[...new Set(following)].join(', ')}`] : []),
  ]
}
