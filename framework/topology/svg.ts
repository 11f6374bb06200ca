import type { Graph } from './dataflow.js'
import { toDot } from './dot.js'

/** Fonts of the same width as the one the drawing is laid out for, for systems that do not have it. */
const fonts = "Arial,Helvetica,'Liberation Sans',sans-serif"

/** The graph as a complete SVG document, laid out by Graphviz, which is loaded when the first graph is drawn. */
export async function toSvg(graph: Graph): Promise<string> {
  const { instance } = await import('@viz-js/viz')
  const viz = await instance()
  return viz
    .renderString(toDot(graph), { format: 'svg', engine: 'dot' })
    .replaceAll('font-family="Arial"', `font-family="${fonts}"`)
}
