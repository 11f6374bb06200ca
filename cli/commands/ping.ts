import { defaultLimits, type DialTarget, type PeerPath } from '#framework/network'
import { messageOf, codeOf, systemClock, TimeoutError, type PeerId } from '#framework/primitives'
import { joinNetwork, type JoinOptions, type Membership } from '#framework/topology'
import { printable } from '#manifests'
import { ExitCode } from '../exit-codes.js'
import { targetOf } from '../join-flags.js'
import type { JoinFlags } from '../join-options.js'
import { complain, errorText, printJson, printLine, styled } from '../output.js'
import { durationText, labelsText, nodeText, peerReport, type PeerReport, rttText } from '../peer-report.js'
import { type Stop, StoppedError, untilStopped } from '../until-stopped.js'
import { observerOptions } from './peers.js'

export interface PingFlags extends JoinFlags {
  /** How many round trips to measure. */
  readonly count: number
  /** Between two of them, in milliseconds. */
  readonly interval: number
  /** For reaching the peer, and for each answer, in milliseconds. */
  readonly timeout: number
  readonly json?: boolean
}

/** What was found out about a peer. */
interface Pinged {
  readonly report: PeerReport
  readonly path: PeerPath | undefined
  /** Until the peer had shown that it is of the network, in milliseconds. */
  readonly connectMs: number
  readonly rttsMs: readonly number[]
}

/** `mosaik ping`: whether a peer answers, what it says of itself, and how far away it is. */
export async function ping(address: string, flags: PingFlags, secretIsVisible: boolean): Promise<ExitCode> {
  const target = targetOf(address)
  const looksFor = target.addresses === undefined
  const observer = await observerOptions(flags, secretIsVisible)
  const signsOfLife = { intervalMs: flags.interval, timeoutMs: flags.timeout }
  const options: JoinOptions = {
    ...observer,
    // Whoever has an address needs nobody else.
    ...(!looksFor && { seeds: [], discovery: {} }),
    limits: { ...defaultLimits, signsOfLife, signsOfLifeQuic: signsOfLife },
  }
  return untilStopped(systemClock, (stop) => run(options, target, address, flags, stop))
}

async function run(
  options: JoinOptions,
  target: DialTarget,
  shown: string,
  flags: PingFlags,
  { signal }: Stop,
): Promise<ExitCode> {
  await using membership = await joinNetwork(options)
  let pinged: Pinged
  try {
    pinged = await reach(membership, target, flags, signal)
  } catch (error) {
    if (signal.reason instanceof StoppedError) return ExitCode.interrupted
    const message = `${shown} does not answer as a peer of "${options.network}": ${messageOf(error)}`
    if (flags.json === true)
      printJson({ target: shown, reached: false, error: { code: codeOf(error), message: messageOf(error) } })
    complain(errorText(message))
    return ExitCode.unreachable
  }
  if (flags.json === true) printJson({ target: shown, reached: true, ...documentOf(pinged, flags.count) })
  else print(pinged, flags.count)
  return pinged.rttsMs.length > 0 ? ExitCode.ok : ExitCode.unreachable
}

async function reach(
  membership: Membership,
  target: DialTarget,
  flags: PingFlags,
  signal: AbortSignal,
): Promise<Pinged> {
  const { host, discovery } = membership
  const { timeout: timeoutMs } = flags
  const samples = new Map<PeerId, number[]>()
  let onSample = (): void => undefined
  host.rtt.observe((from, sampleMs) => {
    samples.set(from, [...(samples.get(from) ?? []), sampleMs])
    onSample()
  })
  const begunAt = systemClock.monotonic()
  using deadline = systemClock.deadline(timeoutMs, signal)
  if (target.addresses === undefined && target.peer !== undefined)
    await discovery.when().peer(target.peer).wait({ signal: deadline.signal })
  const peer = await host.connect(target, { signal: deadline.signal, timeoutMs })
  const connectMs = systemClock.monotonic() - begunAt
  const path = host.pathTo(peer)
  await discovery.syncWith({ peer }, { signal: deadline.signal })
  const entry = discovery.catalog.value.get(peer)
  if (entry === undefined) throw new Error('it says nothing about itself')

  const rttsMs = (): readonly number[] => (samples.get(peer) ?? []).slice(0, flags.count)
  using patience = systemClock.deadline(flags.interval * (flags.count - 1) + timeoutMs, signal)
  const measured = new Promise<void>((resolve) => {
    onSample = () => {
      if (rttsMs().length >= flags.count) resolve()
    }
    onSample()
    patience.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await measured
  if (patience.signal.aborted && !(patience.signal.reason instanceof TimeoutError))
    throw patience.signal.reason as Error
  return { report: peerReport(entry, host), path, connectMs, rttsMs: rttsMs() }
}

function documentOf({ report, path, connectMs, rttsMs }: Pinged, count: number): object {
  return {
    ...report,
    ...(path !== undefined && { path }),
    connectMs: rounded(connectMs),
    rttsMs: rttsMs.map(rounded),
    lost: count - rttsMs.length,
  }
}

function print({ report, path, connectMs, rttsMs }: Pinged, count: number): void {
  const { peer, libp2p, tags, labels, produces, consumes, serves, addresses, protocol, startedAt } = report
  const facts: readonly (readonly [name: string, text: string])[] = [
    ['peer', peer],
    ['', libp2p],
    ['node', nodeText(report)],
    ['up', durationText(systemClock.now() - startedAt)],
    ['protocol', printable(protocol)],
    ['tags', printable(tags.join(' '))],
    ['labels', labelsText(labels)],
    ['produces', printable(produces.join(' '))],
    ['consumes', printable(consumes.join(' '))],
    ['serves', printable(serves.join(' '))],
    ...addresses.map((address, index) => [index === 0 ? 'address' : '', printable(address)] as const),
    [
      'via',
      path === undefined ? '' : `${path.transport}, ${path.address}, connected in ${rttText(connectMs)}`,
    ],
    ...rttsMs.map((rttMs, index) => [index === 0 ? 'rtt' : '', rttText(rttMs)] as const),
  ]
  for (const [name, text] of facts) {
    if (text !== '') printLine(`${styled('dim', name.padEnd(10))}${text}`)
  }
  printLine(summary(rttsMs, count))
}

function summary(rttsMs: readonly number[], count: number): string {
  const answered = `${rttsMs.length} of ${count} answered`
  if (rttsMs.length === 0) return styled('red', answered)
  const sorted = rttsMs.toSorted((a, b) => a - b)
  const median = sorted[Math.floor((sorted.length - 1) / 2)]
  const text = `${answered}: shortest ${rttText(sorted[0])}, median ${rttText(median)}, longest ${rttText(sorted.at(-1))}`
  return rttsMs.length === count ? text : styled('yellow', text)
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
