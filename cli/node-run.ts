// One replica of a manifest as a running node.
import { dirname, join, resolve } from 'node:path'
import { type Logger, systemClock } from '#framework/primitives'
import { Identity } from '#framework/network'
import { founderIdentity, startNode, type ObservedEdge, type RunningNode } from '#framework/topology'
import { groupSettingsOf } from './group-settings.js'
import { loadNode } from './load-topology.js'
import { type LogLevel, logLevels } from './log-level.js'
import { secretOf } from './manifest-secret.js'
import type { Manifest } from '#manifests'
import { type FromNode, replicaName, type StartMessage } from './supervisor/messages.js'

export interface NodeRun {
  readonly closed: Promise<unknown>
  dial(addresses: readonly string[]): void
  close(): Promise<void>
}

/** Failures that another attempt with the same manifest on the same machine meets again. */
export const permanentCodes: ReadonlySet<string> = new Set([
  'ADDRESS_IN_USE',
  'ADDRESS_INVALID',
  'CONFIG_INVALID',
  'DISCOVERY_OPTION_INVALID',
  'GROUP_KEY_INVALID',
  'GROUP_KEY_WEAK',
  'GROUP_STORAGE_CORRUPT',
  'GROUP_STORAGE_VERSION',
  'GROUP_STORAGE_WITHOUT_DATA',
  'IDENTITY_KEY_EXPOSED',
  'IDENTITY_KEY_MALFORMED',
  'MANIFEST_INVALID',
  'RELAY_INVALID',
  'REMEMBER_WITHOUT_DATA',
  'SECRET_EMPTY',
  'SECRET_ENV_UNSET',
  'SECRET_FILE_EXPOSED',
  'SECRET_FILE_UNREADABLE',
  'SECRET_TOO_LONG',
  'SECRET_WEAK',
  'SERVICE_DECLARATION',
])

/** Starts the node. Rejects with what kept it from starting. */
export async function runNode(order: StartMessage, tell: (message: FromNode) => void): Promise<NodeRun> {
  const { declaration, services, manifest } = await loadNode(order.manifest, order.node)
  const secret = await secretOf(order.manifest, manifest.secret)
  const data = dataFolder(order, manifest)
  const groups = await groupSettingsOf(order, manifest, secret)
  const { network } = manifest
  const identity =
    founderIdentity({ network, secret }, order, groups) ??
    (data === undefined ? Identity.fromSeed(Buffer.from(order.seed, 'hex')) : undefined)
  const relay = { ...manifest.relay, ...declaration.relay }
  const node = await startNode({
    network,
    name: order.node,
    replica: order.replica,
    tags: declaration.tags,
    config: declaration.config,
    services,
    ...(identity !== undefined && { identity }),
    ...(data !== undefined && { data }),
    groups,
    ...(secret !== undefined && { secret }),
    ...(declaration.labels !== undefined && { labels: declaration.labels }),
    listen: order.listen,
    seeds: order.seeds,
    discovery: { ...manifest.discovery, ...order.discovery },
    relay,
    clock: systemClock,
    logger: loggerTo(tell, order.logLevel),
    display: (text) => tell({ type: 'display', text }),
    finish: (failure) => tell({ type: 'finished', failure }),
  })
  tell({ type: 'ready', peerId: node.info.peerId, addresses: node.host.addresses.value })
  const unsubscribe = node.edges.subscribe((edges) => tell({ type: 'edges', edges: edges.map(reportOf) }))
  const stopTelling = tellLeadership(node.groups, tell)
  return {
    closed: node.closed,
    dial: (addresses) => node.discovery.dial(addresses),
    async close() {
      unsubscribe()
      stopTelling()
      await node.close()
    },
  }
}

/** A replica keeps what is its own in a folder of its own. */
function dataFolder(
  { manifest: file, node, replica, data }: StartMessage,
  manifest: Manifest,
): string | undefined {
  const folder = data ?? (manifest.data === undefined ? undefined : resolve(dirname(file), manifest.data))
  return folder === undefined ? undefined : join(folder, replicaName(node, replica))
}

/** Tells of each group that the node leads, when it begins to and when there are more voters or fewer. */
function tellLeadership(groups: RunningNode['groups'], tell: (message: FromNode) => void): () => void {
  const told = new Map<string, string>()
  const update = (): void => {
    for (const { name, status } of groups.value) {
      const { term, phase, role, durability } = status
      if (phase !== 'online' || role !== 'leader') continue
      const what = `${term} ${durability.voters}`
      if (told.get(name) === what) continue
      told.set(name, what)
      tell({ type: 'leads', group: name, term, voters: durability.voters })
    }
  }
  update()
  return groups.subscribe(update)
}

function reportOf({ stream, from, to }: ObservedEdge): { stream: string; from: string; to: string } {
  return { stream, from: replicaName(from.node, from.replica), to: replicaName(to.node, to.replica) }
}

function loggerTo(
  tell: (message: FromNode) => void,
  lowest: LogLevel,
  bound: Record<string, unknown> = {},
): Logger {
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if (logLevels.indexOf(level) >= logLevels.indexOf(lowest))
      tell({ type: 'log', level, message, fields: { ...bound, ...fields } })
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => loggerTo(tell, lowest, { ...bound, ...fields }),
  }
}
