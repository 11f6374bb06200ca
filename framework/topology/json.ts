import type { Graph } from './dataflow.js'

/** The graph as indented JSON, for programs. Its keys are those of {@link Graph}. */
export function toJson(graph: Graph): string {
  return JSON.stringify(graph, undefined, 2)
}
