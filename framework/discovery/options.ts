import type { Host } from '#framework/network'
import {
  Backoff,
  MosaikError,
  messageOf,
  systemRandom,
  type BackoffOptions,
  type Clock,
  type Logger,
  type Random,
} from '#framework/primitives'
import type { BootstrapSource } from './bootstrap.js'

/** What discovery can be told. Only `host` is required. */
export interface DiscoveryOptions extends Partial<DiscoverySettings> {
  /** The node's host. Discovery uses it and does not close it. */
  readonly host: Host
  /** Where first peers come from. Default: none, other peers must find this one. */
  readonly bootstrap?: readonly BootstrapSource[]
  /** Words that this node declares of itself from the start. */
  readonly tags?: readonly string[]
  /** What else this node declares of itself from the start, by key; see `PeerEntry.labels`. */
  readonly labels?: Readonly<Record<string, string>>
  /** Which declared node this is, when it was started from a topology. */
  readonly node?: { readonly name: string; readonly replica: number }
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/** Times and limits, with their defaults. */
export interface DiscoverySettings {
  /**
   * How often this node gives a sign of life, in milliseconds, before jitter. In a network of more than ten peers 1.5 s for
   * each peer, unless that is less, and at most half of `purgeAfterMs`. Default 15 000.
   */
  readonly announceIntervalMs: number
  /** How far a period may be from `announceIntervalMs`, as a part of it. Default 0.5, which is ±50 %. */
  readonly announceJitter: number
  /** How long a peer may be silent before its entry is purged, in milliseconds. Our own clock alone counts. Default 300 000. */
  readonly purgeAfterMs: number
  /** How far another node's clock may be ahead of ours, in milliseconds. Default 50 000. */
  readonly maxDriftMs: number
  /**
   * How often to compare catalogs with a random connected peer, in milliseconds, ±50 %: repairs what gossip has lost. More
   * often while that brings news. Default 60 000.
   */
  readonly syncIntervalMs: number
  /** How long `close()` may take to tell others, in milliseconds. Default 500. */
  readonly departureMs: number
  /** With how many random peers of the catalog this node keeps a connection, so that gossip has a mesh. Default 8. */
  readonly meshPeers: number
  /**
   * Peers that are known to be further away are not chosen by any ranking, in milliseconds of round trip; all else stays as
   * it is: they are known, counted and served. Unknown round trips pass, and are measured. Default: no limit.
   */
  readonly maxRttMs: number
  /** Delays between attempts to reach a peer. Default 500 ms, growing by 1.5, ±50 %, at most 60 s. */
  readonly reconnect: Partial<BackoffOptions>
  /** How many peers are remembered, departed ones included. Default 10 000. */
  readonly peersMax: number
  /** How many bytes the contents of all entries may take. What goes beyond is refused. Default 64 MiB. */
  readonly contentBytesMax: number
  /** How many events wait for one subscriber before it loses the oldest. Default 100. */
  readonly eventsBacklog: number
  /** How many catalog syncs that others have started are served at a time. Default 32. */
  readonly inboundSyncsMax: number
}

const defaults: DiscoverySettings = {
  announceIntervalMs: 15_000,
  announceJitter: 0.5,
  purgeAfterMs: 300_000,
  maxDriftMs: 50_000,
  syncIntervalMs: 60_000,
  departureMs: 500,
  meshPeers: 8,
  maxRttMs: Infinity,
  reconnect: {},
  peersMax: 10_000,
  contentBytesMax: 64 * 1024 * 1024,
  eventsBacklog: 100,
  inboundSyncsMax: 32,
}

const positive = [
  'announceIntervalMs',
  'purgeAfterMs',
  'syncIntervalMs',
  'maxRttMs',
  'peersMax',
  'contentBytesMax',
  'eventsBacklog',
  'inboundSyncsMax',
] as const
const notNegative = ['maxDriftMs', 'departureMs', 'meshPeers'] as const

/** @throws MosaikError `DISCOVERY_OPTION_INVALID`, naming the option. */
export function settingsOf(options: Partial<DiscoverySettings>): DiscoverySettings {
  const settings: DiscoverySettings = { ...defaults }
  for (const name of Object.keys(defaults) as (keyof DiscoverySettings)[]) {
    if (options[name] !== undefined) Object.assign(settings, { [name]: options[name] })
  }
  for (const name of positive) check(settings, name, settings[name] > 0, 'greater than 0')
  for (const name of notNegative) check(settings, name, settings[name] >= 0, '0 or greater')
  for (const name of [
    'meshPeers',
    'peersMax',
    'contentBytesMax',
    'eventsBacklog',
    'inboundSyncsMax',
  ] as const) {
    check(settings, name, Number.isSafeInteger(settings[name]), 'a whole number')
  }
  const { announceJitter } = settings
  check(settings, 'announceJitter', announceJitter >= 0 && announceJitter < 1, 'from 0 to less than 1')
  checkReconnect(settings)
  return settings
}

function checkReconnect(settings: DiscoverySettings): void {
  try {
    new Backoff(settings.reconnect, systemRandom)
  } catch (cause) {
    throw new MosaikError(
      'DISCOVERY_OPTION_INVALID',
      `the discovery option "reconnect": ${messageOf(cause)}`,
      {
        cause,
        details: { option: 'reconnect', value: settings.reconnect },
      },
    )
  }
}

function check(
  settings: DiscoverySettings,
  name: keyof DiscoverySettings,
  holds: boolean,
  must: string,
): void {
  if (holds) return
  throw new MosaikError('DISCOVERY_OPTION_INVALID', `the discovery option "${name}" must be ${must}`, {
    details: { option: name, value: settings[name] },
  })
}
