import { resolve } from 'node:path'
import { systemClock } from '#framework/primitives'
import { expectedEdges, type NodeDeclaration, type Topology } from '#framework/topology'
import { suggest } from '#manifests'
import { parseDuration } from '../duration.js'
import { ExitCode } from '../exit-codes.js'
import { listenAddresses } from '../listen-addresses.js'
import { loadTopology } from '../load-topology.js'
import { complain, styledError } from '../output.js'
import { reportProblems } from '../report-problems.js'
import type { Reporter } from '../supervisor/events.js'
import { watchInterrupts } from '../supervisor/interrupts.js'
import { JsonReporter } from '../supervisor/json-reporter.js'
import { type EdgeReport, type LogLevel, replicaName } from '../supervisor/messages.js'
import { type ReplicaPlan, Supervisor } from '../supervisor/supervisor.js'
import { TextReporter } from '../supervisor/text-reporter.js'

export interface UpOptions {
  readonly for?: string
  readonly node?: readonly string[]
  readonly seed?: readonly string[]
  readonly listen?: string
  readonly logLevel: LogLevel
  readonly json?: boolean
}

/** `mosaik up`: checks the manifest, then runs its nodes as supervised processes until told to stop. */
export async function up(manifest: string, options: UpOptions): Promise<ExitCode> {
  const forMs = options.for === undefined ? undefined : parseDuration(options.for)
  if (options.for !== undefined && forMs === undefined)
    return misused(`--for takes a duration such as 500ms, 10s or 2m, not "${options.for}"`)
  const { topology, problems } = await loadTopology(manifest)
  reportProblems(problems)
  if (topology === undefined) return ExitCode.failure

  const unknown = (options.node ?? []).find((name) => !topology.nodes.some((node) => node.name === name))
  if (unknown !== undefined) return misused(unknownNode(unknown, topology))
  const nodes = topology.nodes.filter(({ name }) => options.node === undefined || options.node.includes(name))
  const replicas = nodes.flatMap((node) => plansOf(node, options.listen ?? topology.listen))

  const now = (): number => systemClock.monotonic()
  const reporter: Reporter =
    options.json === true
      ? new JsonReporter(() => systemClock.now())
      : new TextReporter(
          replicas.map((plan) => replicaName(plan.node, plan.replica)),
          now,
        )
  const supervisor = new Supervisor({
    manifest: resolve(manifest),
    replicas,
    expectedEdges: expectedEdges(topology).map(edgeReport),
    seeds: [...topology.seeds, ...(options.seed ?? [])],
    logLevel: options.logLevel,
    reporter,
    clock: systemClock,
  })
  const ignoreInterrupts = watchInterrupts(
    { onStop: () => supervisor.stop('interrupted'), onInsist: () => supervisor.kill() },
    now,
  )
  // Whoever reads our output has gone (`| head`): there is nobody left to run for.
  process.stdout.once('error', () => supervisor.stop('output was closed'))
  const timer =
    forMs === undefined
      ? undefined
      : systemClock.after(forMs, () => supervisor.stop(`${options.for} are over`))
  try {
    return await supervisor.run()
  } finally {
    timer?.cancel()
    ignoreInterrupts()
  }
}

function plansOf(node: NodeDeclaration, host: string | undefined): ReplicaPlan[] {
  return Array.from({ length: node.replicas }, (_, replica) => ({
    node: node.name,
    replica,
    listen: listenAddresses(node, replica, host),
  }))
}

function edgeReport({ stream, from, to }: ReturnType<typeof expectedEdges>[number]): EdgeReport {
  return { stream, from: replicaName(from.node, from.replica), to: replicaName(to.node, to.replica) }
}

function unknownNode(name: string, topology: Topology): string {
  const names = topology.nodes.map((node) => node.name)
  const likely = suggest(name, names)
  const hint = likely === undefined ? `it has ${names.join(', ')}` : `did you mean "${likely}"?`
  return `the manifest has no node "${name}": ${hint}`
}

function misused(message: string): ExitCode {
  complain(`${styledError('red', 'error:')} ${message}`)
  return ExitCode.usage
}
