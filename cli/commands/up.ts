import { resolve } from 'node:path'
import { NetworkKey } from '#framework/network'
import { digestOf, parseDuration, suggest, systemClock } from '#framework/primitives'
import { expectedEdges, foundersOf, groupsOf, type NodeDeclaration } from '#framework/topology'
import { ExitCode } from '../exit-codes.js'
import { groupKeyOf } from '../group-settings.js'
import { listenAddresses } from '../listen-addresses.js'
import { judgeManifest, openManifest } from '../load-topology.js'
import type { LogLevel } from '../log-level.js'
import { secretOf } from '../manifest-secret.js'
import { complain, styledError } from '../output.js'
import { reportProblems } from '../report-problems.js'
import type { Reporter } from '../supervisor/events.js'
import { watchInterrupts } from '../supervisor/interrupts.js'
import { JsonReporter } from '../supervisor/json-reporter.js'
import { type EdgeReport, replicaName } from '../supervisor/messages.js'
import { NodeChild } from '../supervisor/node-child.js'
import { type ReplicaPlan, Supervisor } from '../supervisor/supervisor.js'
import { TextReporter } from '../supervisor/text-reporter.js'

/** Processes that are made before it is known that they will be needed. */
const spareCountMax = 16

export interface UpOptions {
  readonly for?: string
  readonly node?: readonly string[]
  readonly seed?: readonly string[]
  readonly mdns?: boolean
  readonly dht?: boolean
  readonly data?: string
  readonly listen?: string
  readonly logLevel: LogLevel
  readonly json?: boolean
}

/** `mosaik up`: checks the manifest, then runs its nodes as supervised processes until told to stop. */
export async function up(manifest: string, options: UpOptions): Promise<ExitCode> {
  const forMs = options.for === undefined ? undefined : parseDuration(options.for)
  if (options.for !== undefined && forMs === undefined)
    return misused(`--for takes a duration such as 500ms, 10s or 2m, not "${options.for}"`)
  const opened = await openManifest(manifest)
  const known = opened.manifest?.nodes.map(({ name }) => name) ?? []
  const unknown = (options.node ?? []).find((name) => !known.includes(name))
  if (unknown !== undefined && opened.manifest !== undefined) return misused(unknownNode(unknown, known))
  const isHere = ({ name }: { readonly name: string }): boolean => options.node?.includes(name) ?? true

  // Loading what a node needs takes longer than judging the manifest, so the processes begin while it is judged.
  const replicaCount = (opened.manifest?.nodes ?? [])
    .filter(isHere)
    .reduce((sum, node) => sum + node.replicas, 0)
  const spares = Array.from(
    { length: Math.min(replicaCount, spareCountMax) },
    () => new NodeChild(replicaCount),
  )
  const { topology, problems } = await judgeManifest(opened)
  reportProblems(problems)
  if (topology === undefined) {
    for (const spare of spares) spare.kill()
    return ExitCode.failure
  }
  try {
    // Each node reads it for itself; that it cannot be read is better said once, and before anything has started.
    const secret = await secretOf(manifest, topology.secret)
    // Refuses a weak one.
    if (secret !== undefined) new NetworkKey(digestOf(topology.network), secret)
    for (const group of topology.groups ?? []) await groupKeyOf(manifest, topology.network, group)
  } catch (error) {
    for (const spare of spares) spare.kill()
    throw error
  }
  const nodes = topology.nodes.filter(isHere)
  const replicas = nodes.flatMap((node) => plansOf(node, options.listen ?? topology.listen))

  noteNarrow(options, replicas)
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
    discovery: {
      ...(options.mdns !== undefined && { mdns: options.mdns }),
      ...(options.dht !== undefined && { dht: options.dht }),
    },
    founders: Object.fromEntries(groupsOf(topology).map((group) => [group.name, foundersOf(group)])),
    ...(options.data !== undefined && { data: resolve(options.data) }),
    spares,
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

/** Says what `mosaik check` says of a manifest, where it is the command line that asks for multicast. */
function noteNarrow({ mdns }: UpOptions, replicas: readonly ReplicaPlan[]): void {
  const isLocal = replicas.every(({ listen }) =>
    listen.every((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address)),
  )
  if (mdns === true && isLocal)
    complain(
      styledError(
        'dim',
        'mosaik listens on this machine only, and --mdns finds runs on it only (--listen 0.0.0.0)',
      ),
    )
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

function unknownNode(name: string, names: readonly string[]): string {
  const likely = suggest(name, names)
  const hint = likely === undefined ? `it has ${names.join(', ')}` : `did you mean "${likely}"?`
  return `the manifest has no node "${name}": ${hint}`
}

function misused(message: string): ExitCode {
  complain(`${styledError('red', 'error:')} ${message}`)
  return ExitCode.usage
}
