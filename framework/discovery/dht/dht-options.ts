import type { Host } from '#framework/network'
import { MosaikError, type Clock, type Logger, type Random } from '#framework/primitives'
import type { AddressScope } from './address-scope.js'

/** How to find peers by the Mainline DHT. Only `host` is required. */
export interface DhtOptions extends Partial<DhtSettings> {
  /** Who is published: its peer id and its addresses, where members of its network look. */
  readonly host: Pick<
    Host,
    'identity' | 'peerId' | 'addresses' | 'connections' | 'connect' | 'metrics' | 'rendezvousSeed'
  >
  /** Nodes of the DHT to begin with, each `host:port`. Default: the well-known ones of the Mainline DHT. */
  readonly bootstrap?: readonly string[]
  /** Multiaddrs to publish instead of the host's, for example of a router that forwards a port. `addressScope` applies. */
  readonly announce?: readonly string[]
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/** Times and limits, with their defaults. */
export interface DhtSettings {
  /** UDP port of the DHT client. Default 0: any. */
  readonly port: number
  /** IPv4 address that the DHT client binds to. Default `0.0.0.0`. */
  readonly bind: string
  /** Which addresses are published, and believed. Default `public`: none of private networks, or of this machine. */
  readonly addressScope: AddressScope
  /** How often to look while peers are connected, in milliseconds, and up to a third longer. Default 60 000. */
  readonly pollMs: number
  /**
   * How soon to look again while none is, in milliseconds, and up to a third longer; later each time, until it is as
   * `pollMs`. Default 5 000.
   */
  readonly isolatedPollMs: number
  /** How long a record is good, in milliseconds; it is renewed at half of that. Default 600 000. */
  readonly ttlMs: number
  /** How far another node's clock may be ahead of ours, in milliseconds. Default 50 000. */
  readonly maxDriftMs: number
  /** How long one lookup or publication may take, in milliseconds. Default 10 000. */
  readonly requestTimeoutMs: number
  /** How long connecting to the occupant of a slot may take, in milliseconds. Default 5 000. */
  readonly checkTimeoutMs: number
}

const defaults: DhtSettings = {
  port: 0,
  bind: '0.0.0.0',
  addressScope: 'public',
  pollMs: 60_000,
  isolatedPollMs: 5_000,
  ttlMs: 600_000,
  maxDriftMs: 50_000,
  requestTimeoutMs: 10_000,
  checkTimeoutMs: 5_000,
}

/** @throws MosaikError `DISCOVERY_OPTION_INVALID`, naming the option. */
export function dhtSettingsOf(options: Partial<DhtSettings>): DhtSettings {
  const settings: DhtSettings = { ...defaults }
  for (const name of Object.keys(defaults) as (keyof DhtSettings)[]) {
    if (options[name] !== undefined) Object.assign(settings, { [name]: options[name] })
  }
  const { port, maxDriftMs, addressScope } = settings
  for (const name of ['pollMs', 'isolatedPollMs', 'ttlMs', 'requestTimeoutMs', 'checkTimeoutMs'] as const) {
    check(settings, name, settings[name] > 0, 'greater than 0')
  }
  check(settings, 'maxDriftMs', maxDriftMs >= 0, '0 or greater')
  check(settings, 'port', Number.isInteger(port) && port >= 0 && port <= 65_535, 'a port number, or 0')
  check(
    settings,
    'addressScope',
    ['public', 'private', 'all'].includes(addressScope),
    'public, private or all',
  )
  return settings
}

const BOOTSTRAP = /^[^\s:]+:\d{1,5}$/

/** @throws MosaikError `DISCOVERY_OPTION_INVALID`. */
export function checkBootstrap(bootstrap: readonly string[] | undefined): void {
  const wrong = bootstrap?.find((node) => !BOOTSTRAP.test(node) || Number(node.split(':')[1]) > 65_535)
  if (wrong !== undefined) throw invalid('bootstrap', wrong, 'a list of "host:port"')
}

function check(settings: DhtSettings, name: keyof DhtSettings, holds: boolean, must: string): void {
  if (!holds) throw invalid(name, settings[name], must)
}

function invalid(option: string, value: unknown, must: string): MosaikError {
  return new MosaikError('DISCOVERY_OPTION_INVALID', `the DHT option "${option}" must be ${must}`, {
    details: { option, value },
  })
}
