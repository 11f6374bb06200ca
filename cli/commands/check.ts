import { ExitCode } from '../exit-codes.js'
import { loadTopology } from '../load-topology.js'
import { problemsToJson } from '#manifests'
import { printJson, printLine, styled } from '../output.js'
import { reportProblems } from '../report-problems.js'

/** `mosaik check`: everything that can be known about a manifest without running it. */
export async function checkManifest(
  manifest: string,
  options: { readonly json?: boolean },
): Promise<ExitCode> {
  const { topology, graph, problems } = await loadTopology(manifest)
  const errorCount = problems.filter(({ severity }) => severity === 'error').length
  const ok = errorCount === 0 && topology !== undefined
  if (options.json === true) {
    printJson({ ok, problems: problemsToJson(problems) })
  } else {
    reportProblems(problems)
    if (ok && graph !== undefined) {
      const replicaCount = graph.nodes.reduce((sum, { replicas }) => sum + replicas, 0)
      const counts = [
        count(graph.nodes.length, 'node'),
        count(replicaCount, 'replica'),
        count(graph.streams.length, 'stream'),
        count(graph.edges.length, 'edge'),
        ...(graph.groups.length > 0 ? [count(graph.groups.length, 'group')] : []),
      ]
      printLine(`${styled('green', 'ok')}  ${manifest}: ${counts.join(', ')}`)
    }
  }
  return ok ? ExitCode.ok : ExitCode.failure
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
