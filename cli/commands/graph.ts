import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { toDot, toJson, toMermaid, toSvg, type Graph } from '#framework/topology'
import { ExitCode } from '../exit-codes.js'
import { loadTopology } from '../load-topology.js'
import { complain, printLine } from '../output.js'
import { reportProblems } from '../report-problems.js'

export const graphFormats = ['mermaid', 'dot', 'svg', 'json'] as const
export type GraphFormat = (typeof graphFormats)[number]

const formatOfExtension: Readonly<Record<string, GraphFormat>> = {
  '.mmd': 'mermaid',
  '.mermaid': 'mermaid',
  '.dot': 'dot',
  '.gv': 'dot',
  '.svg': 'svg',
  '.json': 'json',
}

export interface GraphOptions {
  readonly format?: GraphFormat
  readonly output?: string
}

/** `mosaik graph`: the dataflow graph that the decorators and the manifest imply. */
export async function drawGraph(manifest: string, options: GraphOptions): Promise<ExitCode> {
  const { graph, problems } = await loadTopology(manifest)
  reportProblems(problems)
  if (graph === undefined) return ExitCode.failure
  const format = options.format ?? formatOfExtension[extname(options.output ?? '')] ?? 'mermaid'
  const text = await render(graph, format)
  if (options.output === undefined) {
    printLine(text.trimEnd())
  } else {
    await writeFile(options.output, text.endsWith('\n') ? text : `${text}\n`)
    complain(`wrote ${options.output}`)
  }
  return ExitCode.ok
}

function render(graph: Graph, format: GraphFormat): string | Promise<string> {
  switch (format) {
    case 'mermaid':
      return toMermaid(graph)
    case 'dot':
      return toDot(graph)
    case 'svg':
      return toSvg(graph)
    case 'json':
      return toJson(graph)
  }
}
