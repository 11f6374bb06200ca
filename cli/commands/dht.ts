import { surveyDht, type DhtSlot, type DhtSurvey } from '#framework/discovery'
import { Host, libp2pPeerId } from '#framework/network'
import { codeOf, digestOf, messageOf, systemClock, type PeerId } from '#framework/primitives'
import { ExitCode } from '../exit-codes.js'
import { joinOptionsOf } from '../join-flags.js'
import type { JoinFlags } from '../join-options.js'
import { complain, errorText, printJson, printLine, styled } from '../output.js'
import { durationText } from '../peer-report.js'
import { type Stop, StoppedError, untilStopped } from '../until-stopped.js'

/** How many occupants are connected to at a time. */
const checksAtATime = 8

export interface DhtFlags extends Pick<
  JoinFlags,
  'network' | 'secret' | 'secretEnv' | 'secretFile' | 'dhtScope' | 'logLevel'
> {
  readonly bootstrap?: readonly string[]
  /** For looking, and for connecting to each occupant, in milliseconds. */
  readonly timeout: number
  readonly check: boolean
  readonly failIfUnhealthy?: boolean
  readonly json?: boolean
}

/** What came of connecting to an occupant. */
type Health =
  | { readonly healthy: true; readonly connectMs: number }
  | { readonly healthy: false; readonly reason: string }

/** `mosaik dht`: what is in the slots of a network, and whether who is there can be reached. */
export async function dht(flags: DhtFlags, secretIsVisible: boolean): Promise<ExitCode> {
  const { network, secret } = await joinOptionsOf(flags, secretIsVisible)
  return untilStopped(systemClock, async (stop) => {
    // It listens nowhere, and is in nobody's catalog: it only connects.
    await using host = await Host.start({
      network: digestOf(network),
      listen: [],
      ...(secret !== undefined && { secret }),
    })
    return await run(host, network, flags, stop)
  })
}

async function run(host: Host, network: string, flags: DhtFlags, { signal }: Stop): Promise<ExitCode> {
  let survey: DhtSurvey
  const health = new Map<PeerId, Health>()
  try {
    survey = await surveyDht({
      host,
      signal,
      requestTimeoutMs: flags.timeout,
      addressScope: flags.dhtScope ?? 'public',
      ...(flags.bootstrap !== undefined && { bootstrap: flags.bootstrap }),
    })
    if (flags.check) await checkAll(host, [...survey.slots, ...survey.epochSlots], health, flags, signal)
  } catch (error) {
    if (signal.reason instanceof StoppedError) return ExitCode.interrupted
    if (codeOf(error) !== 'DHT_UNREACHABLE') throw error
    complain(errorText(`${messageOf(error)}: is this machine online, and does it let UDP out?`))
    return ExitCode.unreachable
  }
  const slots = [...survey.slots, ...survey.epochSlots]
  const nowMs = systemClock.now()
  if (flags.json === true) printJson(documentOf(host, network, survey, health, nowMs))
  else print(host, network, survey, flags.check ? health : undefined, nowMs)
  if (flags.failIfUnhealthy !== true) return ExitCode.ok
  const isWell = slots.every(({ state, record }) => state !== 'unreadable' && isHealthy(record?.peer, health))
  return isWell && [...health.values()].some(({ healthy }) => healthy) ? ExitCode.ok : ExitCode.unreachable
}

/** Nobody is not unhealthy. */
function isHealthy(peer: PeerId | undefined, health: ReadonlyMap<PeerId, Health>): boolean {
  return peer === undefined || health.get(peer)?.healthy === true
}

/** Connects to each occupant, some at a time. A connection is admitted only to that peer, and only if it is of the network. */
async function checkAll(
  host: Host,
  slots: readonly DhtSlot[],
  health: Map<PeerId, Health>,
  { timeout: timeoutMs }: DhtFlags,
  signal: AbortSignal,
): Promise<void> {
  const records = new Map(
    slots.flatMap(({ record }) => (record === undefined ? [] : [[record.peer, record]])),
  )
  const waiting = [...records.values()]
  const work = async (): Promise<void> => {
    for (let record = waiting.shift(); record !== undefined; record = waiting.shift()) {
      const { peer, addresses } = record
      const begunAt = systemClock.monotonic()
      try {
        await host.connect({ peer, addresses }, { signal, timeoutMs })
        health.set(peer, { healthy: true, connectMs: Math.round(systemClock.monotonic() - begunAt) })
      } catch (error) {
        signal.throwIfAborted()
        health.set(peer, { healthy: false, reason: reasonOf(error, addresses) })
      }
    }
  }
  await Promise.all(Array.from({ length: checksAtATime }, work))
}

function reasonOf(error: unknown, addresses: readonly string[]): string {
  if (addresses.length === 0) return 'none of its addresses is within the scope'
  return messageOf(error).replaceAll(/\s*\n\s*/g, ' ')
}

function documentOf(
  host: Host,
  network: string,
  { slots, epochSlots }: DhtSurvey,
  health: ReadonlyMap<PeerId, Health>,
  nowMs: number,
): object {
  const slotOf = ({ index, key, state, record }: DhtSlot): object => ({
    slot: index,
    key,
    state,
    ...(record !== undefined && {
      peer: record.peer,
      libp2p: libp2pPeerId(record.peer),
      startedAt: record.startedAtMs,
      publishedAt: record.publishedAtMs,
      ageMs: nowMs - record.publishedAtMs,
      addresses: record.addresses,
      ...(health.has(record.peer) && { check: health.get(record.peer) }),
    }),
  })
  return {
    network,
    networkId: host.network,
    slots: slots.map(slotOf),
    epochSlots: epochSlots.map(slotOf),
    occupied: slots.filter(({ state }) => state === 'record').length,
  }
}

/** @param health Undefined when nobody was to be checked. */
function print(
  host: Host,
  network: string,
  { slots, epochSlots }: DhtSurvey,
  health: ReadonlyMap<PeerId, Health> | undefined,
  nowMs: number,
): void {
  printLine(`${styled('bold', network)} ${styled('dim', host.network)}`)
  for (const slot of slots) printSlot(String(slot.index).padStart(2, '0'), slot, health, nowMs)
  for (const slot of epochSlots) printSlot('of the hour', slot, health, nowMs)
  const occupied = slots.filter(({ state }) => state === 'record').length
  const unreadable = slots.filter(({ state }) => state === 'unreadable').length
  const unknown = slots.filter(({ state }) => state === 'unknown').length
  const parts = [
    `${occupied}/${slots.length} slots occupied`,
    unreadable > 0 && `${unreadable} held by strangers`,
    unknown > 0 && `${unknown} not known`,
  ]
  printLine(parts.filter((part) => part !== false).join(', '))
  if (health === undefined) return
  const healthy = [...health.values()].filter((each) => each.healthy).length
  printLine(`${healthy} healthy, ${health.size - healthy} unhealthy`)
}

const stateTexts = {
  empty: 'empty',
  unknown: 'not known: the DHT did not answer in time',
  unreadable: 'invalid: no member of the network has put this there',
}

function printSlot(
  name: string,
  { state, record }: DhtSlot,
  health: ReadonlyMap<PeerId, Health> | undefined,
  nowMs: number,
): void {
  if (state !== 'record') {
    printLine(styled(state === 'unreadable' ? 'yellow' : 'dim', `${name}: ${stateTexts[state]}`))
    return
  }
  printLine(`${name}: ${styled('cyan', record.peer)}`)
  const age = durationText(nowMs - record.publishedAtMs)
  printLine(`    published ${new Date(record.publishedAtMs).toUTCString()}, ${age} ago`)
  for (const address of record.addresses) printLine(`    ${address}`)
  const found = health?.get(record.peer)
  if (found === undefined) return
  printLine(
    found.healthy
      ? `    ${styled('green', 'healthy')} (uptime: ${durationText(nowMs - record.startedAtMs)})`
      : `    ${styled('red', 'unhealthy')} (${found.reason})`,
  )
}
