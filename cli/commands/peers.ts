import { createLogUpdate } from 'log-update'
import type { Catalog, DiscoveryEvent } from '#framework/discovery'
import { systemClock, TimeoutError } from '#framework/primitives'
import { joinNetwork, type JoinOptions, type Membership } from '#framework/topology'
import { printable } from '#manifests'
import { ExitCode } from '../exit-codes.js'
import { joinOptionsOf } from '../join-flags.js'
import type { JoinFlags } from '../join-options.js'
import { complain, errorText, printJson, printLine, styled } from '../output.js'
import { nodeText, peerReport, type PeerReport } from '../peer-report.js'
import { peerTable } from '../peer-table.js'
import { BoundedWriter } from '../supervisor/bounded-writer.js'
import { type Stop, StoppedError, untilStopped } from '../until-stopped.js'

/** How long peers that were found get to be connected with and measured before the table is printed, in milliseconds. */
const settleMs = 1_500
const settlePollMs = 25
/** How often a table that stays in place shows the time that has passed, in milliseconds. */
const redrawMs = 1_000

export interface PeersFlags extends JoinFlags {
  /** Milliseconds. */
  readonly timeout: number
  readonly watch?: boolean
  readonly json?: boolean
}

/** `mosaik peers`: who is in a network, as one who joins it for a moment sees it. */
export async function peers(flags: PeersFlags, secretIsVisible: boolean): Promise<ExitCode> {
  const options = await observerOptions(flags, secretIsVisible)
  return untilStopped(systemClock, (stop) => run(options, flags, stop))
}

/**
 * Joins as one who only looks: it listens nowhere, so that nobody is told to connect to it, and calls itself `observer`.
 * Told nothing of where to look, it looks where no address is needed.
 */
export async function observerOptions(flags: JoinFlags, secretIsVisible: boolean): Promise<JoinOptions> {
  const isToldWhere = flags.peer !== undefined || flags.mdns !== undefined || flags.dht !== undefined
  const looked = isToldWhere ? flags : { ...flags, mdns: true, dht: true }
  return { ...(await joinOptionsOf(looked, secretIsVisible)), listen: [], tags: ['observer'] }
}

async function run(options: JoinOptions, flags: PeersFlags, stop: Stop): Promise<ExitCode> {
  await using membership = await joinNetwork(options)
  try {
    await found(membership, flags.timeout, stop.signal)
    await settle(membership, stop.signal)
    if (flags.watch === true) {
      await watch(membership, flags, stop.signal)
      return ExitCode.ok
    }
    return printOnce(membership, options, flags)
  } catch (error) {
    if (stop.signal.reason instanceof StoppedError) {
      return flags.watch === true ? ExitCode.ok : ExitCode.interrupted
    }
    if (!(error instanceof TimeoutError)) throw error
    if (flags.watch !== true) return printOnce(membership, options, flags)
    complain(errorText(nobody(options, flags)))
    return ExitCode.unreachable
  }
}

/** Waits until a peer has told what it knows. @throws TimeoutError */
async function found({ host, discovery }: Membership, timeoutMs: number, signal: AbortSignal): Promise<void> {
  using deadline = systemClock.deadline(timeoutMs, signal)
  await discovery.when().connected().wait({ signal: deadline.signal })
  for (;;) {
    deadline.signal.throwIfAborted()
    const syncs = [...host.connections.value].map((peer) =>
      discovery.syncWith({ peer }, { signal: deadline.signal }),
    )
    const results = await Promise.allSettled(syncs)
    const isTold = results.some(({ status }) => status === 'fulfilled')
    if (isTold && discovery.catalog.value.size > 0) return
    // They have gone again, or have not said anything yet.
    await systemClock.sleep(settlePollMs, { signal: deadline.signal })
  }
}

/** Gives the peers that can be reached the time to be connected with, so that the table says how far away they are. */
async function settle({ host, discovery }: Membership, signal: AbortSignal): Promise<void> {
  const dueMs = systemClock.monotonic() + settleMs
  const isMeasured = (): boolean =>
    [...discovery.catalog.value.peers.values()].every(
      ({ peer, addresses }) => addresses.length === 0 || host.rttMs(peer) !== undefined,
    )
  while (!isMeasured() && systemClock.monotonic() < dueMs) await systemClock.sleep(settlePollMs, { signal })
}

function reportsOf({ peers }: Catalog, host: Membership['host']): PeerReport[] {
  return [...peers.values()].map((entry) => peerReport(entry, host))
}

function printOnce({ host, discovery }: Membership, options: JoinOptions, flags: PeersFlags): ExitCode {
  const reports = reportsOf(discovery.catalog.value, host)
  if (flags.json === true) printJson({ network: options.network, peers: reports })
  if (reports.length === 0) {
    complain(errorText(nobody(options, flags)))
    return ExitCode.unreachable
  }
  if (flags.json === true) return ExitCode.ok
  for (const line of peerTable(reports, systemClock.now(), process.stdout.columns)) printLine(line)
  complain(`${reports.length} ${reports.length === 1 ? 'peer' : 'peers'}`)
  return ExitCode.ok
}

/** Shows what changes until the signal aborts. */
async function watch(membership: Membership, { json }: PeersFlags, signal: AbortSignal): Promise<void> {
  const { host, discovery } = membership
  if (json !== true && process.stdout.isTTY && process.stdout.columns > 0)
    return await keepTable(membership, signal)
  // Subscribed to before the catalog is read: what happens in between is told twice at worst.
  const events = discovery.events({ signal })
  const writer = new BoundedWriter(process.stdout)
  const show = (change: PeerChange): void => {
    const line = json === true ? JSON.stringify({ ...change, at: systemClock.now() }) : changeText(change)
    writer.writeLine(line, (count) => (json === true ? JSON.stringify({ event: 'dropped', count }) : '…'))
  }
  for (const report of reportsOf(discovery.catalog.value, host)) show({ event: 'peer-joined', ...report })
  for await (const event of events) {
    const change = changeOf(event, host)
    if (change !== undefined) show(change)
  }
}

type PeerChange =
  | ({ readonly event: 'peer-joined' | 'peer-changed' } & PeerReport)
  | { readonly event: 'peer-left'; readonly peer: string; readonly cause: string }

function changeOf(event: DiscoveryEvent, host: Membership['host']): PeerChange | undefined {
  switch (event.type) {
    case 'discovered':
      return { event: 'peer-joined', ...peerReport(event.entry, host) }
    case 'updated':
      return { event: 'peer-changed', ...peerReport(event.entry, host) }
    case 'departed':
      return { event: 'peer-left', peer: event.peer, cause: event.cause }
    default:
      return undefined
  }
}

function changeText(change: PeerChange): string {
  if (change.event === 'peer-left') return `${styled('yellow', '-')} ${change.peer}  ${change.cause}`
  const sign = change.event === 'peer-joined' ? styled('green', '+') : styled('cyan', '~')
  const parts = [nodeText(change), printable(change.tags.join(' '))]
  return `${sign} ${change.peer}  ${parts.filter((part) => part !== '').join('  ')}`.trimEnd()
}

/** Keeps a table in place on a terminal. */
async function keepTable({ host, discovery }: Membership, signal: AbortSignal): Promise<void> {
  const screen = createLogUpdate(process.stdout)
  const draw = (): void => {
    const lines = peerTable(
      reportsOf(discovery.catalog.value, host),
      systemClock.now(),
      process.stdout.columns,
    )
    // A table that is higher than the terminal cannot stay in place.
    screen(lines.slice(0, Math.max(1, process.stdout.rows - 1)).join('\n'))
  }
  const unsubscribe = discovery.catalog.subscribe(draw)
  try {
    for (;;) {
      draw()
      await systemClock.sleep(redrawMs, { signal })
    }
  } finally {
    unsubscribe()
    screen.done()
  }
}

function nobody({ network, discovery, seeds = [], secret }: JoinOptions, { timeout }: PeersFlags): string {
  const tried = [
    seeds.length > 0 && (seeds.length === 1 ? 'the given peer' : `the ${seeds.length} given peers`),
    discovery?.mdns === true && 'multicast DNS',
    discovery?.dht !== undefined && discovery.dht !== false && 'the DHT',
  ].filter((way) => way !== false)
  const hints = [
    seeds.length === 0 && 'give the address of one of its nodes with --peer',
    secret === undefined && 'a closed network needs its secret (--secret-file)',
    seeds.length > 0 && 'are the names of the networks the same?',
  ].filter((hint) => hint !== false)
  return `nobody of "${network}" was found within ${timeout / 1_000} s, by ${tried.join(' and ')}: ${hints.join('; ')}`
}
