import { libp2pPeerId, type MetricsEndpoint, serveMetrics } from '#framework/network'
import { isMosaikError, messageOf, MosaikError, systemClock, TaskScope } from '#framework/primitives'
import { joinNetwork, type JoinOptions, type Membership } from '#framework/topology'
import { type BeaconReporter, JsonBeaconReporter, TextBeaconReporter } from '../beacon-report.js'
import { ExitCode } from '../exit-codes.js'
import { checkedLabel, checkedMultiaddr, identityOf, joinOptionsOf } from '../join-flags.js'
import type { JoinFlags } from '../join-options.js'
import { peerReport } from '../peer-report.js'
import { type Stop, StoppedError, untilStopped } from '../until-stopped.js'

export interface BeaconFlags extends JoinFlags {
  readonly listen: readonly (readonly string[])[]
  readonly announce?: readonly string[]
  readonly tag: readonly string[]
  readonly label?: Readonly<Record<string, string>>
  readonly keyFile?: string
  readonly data?: string
  readonly relay: boolean
  /** Where; true for a free port of the loopback interface. */
  readonly metrics?: string | true
  /** Milliseconds; 0 for none. */
  readonly statusInterval: number
  readonly json?: boolean
}

/** `mosaik beacon`: a node without services, that others can find the network by. */
export async function beacon(flags: BeaconFlags, secretIsVisible: boolean): Promise<ExitCode> {
  const options = await beaconOptions(flags, secretIsVisible)
  const reporter: BeaconReporter =
    flags.json === true ? new JsonBeaconReporter(() => systemClock.now()) : new TextBeaconReporter()
  return untilStopped(systemClock, (stop) => run(options, flags, reporter, stop))
}

async function beaconOptions(flags: BeaconFlags, secretIsVisible: boolean): Promise<JoinOptions> {
  // Whoever starts a beacon wants to be found; the slots of a closed network in the DHT are for nobody else to tell.
  const options = await joinOptionsOf({ ...flags, dht: flags.dht ?? true }, secretIsVisible)
  const identity = await identityOf(flags.keyFile)
  if (identity === undefined && flags.data === undefined) {
    options.logger?.warn(
      'this beacon is another peer each time it starts: --data <folder> keeps its identity, or --key-file <file>',
    )
  }
  return {
    ...options,
    ...(flags.relay && { relay: { serve: true, via: 'auto' as const } }),
    tags: flags.tag.map((tag) => checkedLabel(tag, 'a tag')),
    labels: checkedLabels(flags.label ?? {}),
    listen: flags.listen.flat().map(checkedMultiaddr),
    ...(flags.announce !== undefined && { announce: flags.announce.map(checkedMultiaddr) }),
    ...(identity !== undefined && { identity }),
    ...(flags.data !== undefined && { data: flags.data }),
  }
}

function checkedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const text of Object.entries(labels).flat()) checkedLabel(text, 'a part of a label')
  return labels
}

async function run(
  options: JoinOptions,
  flags: BeaconFlags,
  reporter: BeaconReporter,
  stop: Stop,
): Promise<ExitCode> {
  await using membership = await joined(options)
  const { host, discovery } = membership
  await using metrics = await metricsOf(membership, flags.metrics, options)
  reporter.report({
    event: 'started',
    network: options.network,
    networkId: host.network,
    closed: options.secret !== undefined,
    peer: host.peerId,
    libp2p: libp2pPeerId(host.peerId),
    tags: discovery.me.tags,
    labels: discovery.me.labels,
    mdns: options.discovery?.mdns === true,
    dht: options.discovery?.dht !== false,
    relay: flags.relay,
    ...(metrics !== undefined && { metrics: metrics.url }),
    addresses: addressesOf(membership, flags),
  })
  const startedAt = systemClock.monotonic()
  const uptimeMs = (): number => Math.round(systemClock.monotonic() - startedAt)
  const scope = new TaskScope({
    parent: stop.signal,
    onFailure: (cause, task) => options.logger?.error(`${task}: ${messageOf(cause)}`),
  })
  scope.spawn('peers', (signal) => followPeers(membership, reporter, options, signal))
  scope.spawn('addresses', (signal) => followAddresses(membership, flags, reporter, signal))
  if (flags.statusInterval > 0)
    scope.spawn('status', (signal) =>
      reportStatus(membership, reporter, flags.statusInterval, uptimeMs, signal),
    )
  const cause = await ended(membership, stop.signal)
  await scope.close()
  if (!(cause instanceof StoppedError)) throw cause
  reporter.report({ event: 'stopping', reason: cause.message })
  await membership.close()
  reporter.report({ event: 'stopped', uptimeMs: uptimeMs() })
  return ExitCode.ok
}

async function joined(options: JoinOptions): Promise<Membership> {
  try {
    return await joinNetwork(options)
  } catch (error) {
    if (!isMosaikError(error, 'ADDRESS_IN_USE')) throw error
    const hint = 'is another beacon running? --listen 0 takes any free port'
    throw new MosaikError('ADDRESS_IN_USE', `${error.message}: ${hint}`, { cause: error })
  }
}

function metricsOf(
  { host }: Membership,
  listen: string | true | undefined,
  { logger }: JoinOptions,
): Promise<MetricsEndpoint> | undefined {
  if (listen === undefined) return undefined
  return serveMetrics({
    registry: host.metrics,
    ...(listen !== true && { listen }),
    ...(logger !== undefined && { logger }),
  })
}

/** What others are told, the best first as far as it is not what the command line says. */
function addressesOf({ host, discovery }: Membership, { announce }: BeaconFlags): readonly string[] {
  return announce === undefined ? host.addresses.value : discovery.me.addresses
}

/** Why it is over: the signal's reason, or what ended the host or discovery. */
async function ended({ host, discovery }: Membership, signal: AbortSignal): Promise<unknown> {
  const stopped = new Promise<unknown>((resolve) => {
    if (signal.aborted) resolve(signal.reason)
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  })
  const failed = Promise.race([host.closed, discovery.closed]).then(
    (cause) => cause ?? new Error('the beacon closed by itself'),
  )
  return Promise.race([stopped, failed])
}

async function followPeers(
  { host, discovery }: Membership,
  reporter: BeaconReporter,
  { logger }: JoinOptions,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of discovery.events({ signal })) {
    switch (event.type) {
      case 'discovered':
        reporter.report({ event: 'peer-joined', ...peerReport(event.entry, host) })
        break
      case 'departed':
        reporter.report({ event: 'peer-left', peer: event.peer, cause: event.cause })
        break
      case 'duplicate-identity':
        logger?.error('another process uses the identity of this beacon: stop one of the two')
        break
      case 'clock-skewed':
        logger?.warn('the clock of a peer is ahead of ours, and what it says is refused', {
          peer: event.peer,
          aheadMs: event.aheadMs,
        })
        break
      default:
      // Changes of what a peer says are for `mosaik peers --watch`.
    }
  }
}

async function followAddresses(
  membership: Membership,
  flags: BeaconFlags,
  reporter: BeaconReporter,
  signal: AbortSignal,
): Promise<void> {
  let told = addressesOf(membership, flags).join()
  for await (const _ of membership.discovery.catalog.changes({ signal })) {
    const addresses = addressesOf(membership, flags)
    if (addresses.join() === told) continue
    told = addresses.join()
    reporter.report({ event: 'addresses', addresses })
  }
}

async function reportStatus(
  { host, discovery }: Membership,
  reporter: BeaconReporter,
  intervalMs: number,
  uptimeMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await systemClock.sleep(intervalMs, { signal })
    reporter.report({
      event: 'status',
      peers: discovery.catalog.value.size,
      connections: host.connections.value.size,
      uptimeMs: uptimeMs(),
    })
  }
}
