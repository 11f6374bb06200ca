import type { DialTarget, Host } from '#framework/network'
import {
  MosaikError,
  messageOf,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
  type PeerId,
} from '#framework/primitives'
import { Alarm } from './alarm.js'
import type { BootstrapSource } from './bootstrap.js'
import {
  mergeRemembered,
  readRemembered,
  rememberedFileIn,
  removeOldDrafts,
  writeRemembered,
  type RememberedPeer,
} from './remembered-file.js'
import { declareRememberedMetrics, type RememberedMetrics } from './remembered-metrics.js'

/** After a change, when the file is written: what happens within this time is one writing. */
const SETTLE_MS = 2_000

/** How often it is written while nothing changes but the time, in milliseconds, so that a killed node's is not old. */
const REFRESH_MS = 10 * 60_000

/** How long the end of a node waits for its file, in milliseconds. A disk may hang. */
const WRITE_MS = 1_000

const DAY_MS = 24 * 60 * 60_000

/** How to remember peers. `host` and `folder` are required. */
export interface RememberedOptions {
  /** Whose peers they are. */
  readonly host: Pick<Host, 'network' | 'connections' | 'addressesOf' | 'metrics'>
  /** The folder of the file, which is made where there is none. There is one file for each network. */
  readonly folder: string
  /** How many peers are remembered, the latest. Default 64. */
  readonly peersMax?: number
  /** For how long a peer is remembered after the last connection with it, in milliseconds. Default 30 days. */
  readonly maxAgeMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

/**
 * The peers of the last run, from a file. They are candidates at the start; while the source is being read, the peers that
 * this node is connected with are written to the file, soon after each change and once more at the end, with the addresses
 * that have worked first.
 *
 * The file helps, and is never needed: one that cannot be read or written, or is not what it should be, is reported once
 * and counted, and otherwise ignored. Processes that share a folder join what they have seen.
 *
 * @throws MosaikError `DISCOVERY_OPTION_INVALID`, naming the option.
 */
export function remembered(options: RememberedOptions): BootstrapSource {
  const { folder, peersMax = 64, maxAgeMs = 30 * DAY_MS } = options
  if (folder === '') throw invalid('folder', folder, 'the path of a folder')
  if (!Number.isInteger(peersMax) || peersMax < 1 || peersMax > 1024) {
    throw invalid('peersMax', peersMax, 'a whole number from 1 to 1024')
  }
  if (!(maxAgeMs > 0)) throw invalid('maxAgeMs', maxAgeMs, 'greater than 0')
  return {
    name: 'remembered',
    async *candidates(signal) {
      const memory = new Memory({ ...options, peersMax, maxAgeMs })
      const left = new AbortController()
      const remembering = memory.run(AbortSignal.any([signal, left.signal]))
      // Awaited below, but a candidate may be waited for when it ends.
      remembering.catch(() => {})
      try {
        yield* await memory.load()
        await remembering
      } finally {
        left.abort()
        await remembering.catch(() => {})
      }
    },
  }
}

function invalid(option: string, value: unknown, must: string): MosaikError {
  return new MosaikError(
    'DISCOVERY_OPTION_INVALID',
    `the option "${option}" of remembered peers must be ${must}`,
    {
      details: { option, value },
    },
  )
}

type MemorySettings = RememberedOptions & Required<Pick<RememberedOptions, 'peersMax' | 'maxAgeMs'>>

/** Keeps one file current. */
class Memory {
  readonly #options: MemorySettings
  readonly #file: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: RememberedMetrics
  readonly #alarm: Alarm
  /** The peers that were connected in this life, by when they were last, in Unix milliseconds. Bounded by forgetting the oldest. */
  readonly #seenAtMs = new Map<PeerId, number>()
  #peers: readonly RememberedPeer[] = []
  #saving: Promise<void> | undefined
  #warned = false

  constructor(options: MemorySettings) {
    const { host, folder, clock = systemClock, logger = silentLogger } = options
    this.#options = options
    this.#file = rememberedFileIn(folder, host.network)
    this.#clock = clock
    this.#logger = logger
    this.#metrics = declareRememberedMetrics(host.metrics)
    this.#alarm = new Alarm(clock)
  }

  /** What the file has. */
  async load(): Promise<DialTarget[]> {
    await removeOldDrafts(this.#file, this.#clock.now())
    const peers = mergeRemembered([await this.#read()], this.#options, this.#clock.now())
    this.#peers = peers
    return peers.map(({ peer, addresses }) => ({ peer, addresses }))
  }

  /** Runs until the signal aborts, and writes the file once more then. */
  async run(signal: AbortSignal): Promise<void> {
    const { connections } = this.#options.host
    let isChanged = false
    const onConnections = (peers: ReadonlySet<PeerId>): void => {
      isChanged = true
      this.#note(peers)
      this.#alarm.ring()
    }
    const cleanups = [
      connections.subscribe(onConnections),
      this.#metrics.peers.collect(() => this.#peers.length),
    ]
    try {
      if (connections.value.size > 0) onConnections(connections.value)
      let writeAtMs = this.#clock.monotonic() + REFRESH_MS
      for (;;) {
        await this.#alarm.wait(writeAtMs, signal)
        const nowMs = this.#clock.monotonic()
        if (isChanged) {
          isChanged = false
          writeAtMs = Math.min(writeAtMs, nowMs + SETTLE_MS)
        }
        if (writeAtMs > nowMs) continue
        await this.#saveInTime()
        writeAtMs = this.#clock.monotonic() + REFRESH_MS
      }
    } finally {
      for (const cleanup of cleanups) cleanup()
      await this.#saveInTime()
    }
  }

  /** One writing at a time: where one hangs, others would too. */
  async #saveInTime(): Promise<void> {
    using patience = this.#clock.deadline(WRITE_MS)
    const { promise, resolve } = Promise.withResolvers<void>()
    patience.signal.addEventListener('abort', () => resolve(), { once: true })
    this.#saving ??= this.#save().finally(() => (this.#saving = undefined))
    await Promise.race([this.#saving, promise])
  }

  #note(peers: ReadonlySet<PeerId>): void {
    const nowMs = this.#clock.now()
    for (const peer of peers) {
      this.#seenAtMs.delete(peer)
      this.#seenAtMs.set(peer, nowMs)
    }
    for (const peer of this.#seenAtMs.keys()) {
      if (this.#seenAtMs.size <= 2 * this.#options.peersMax) return
      if (!peers.has(peer)) this.#seenAtMs.delete(peer)
    }
  }

  async #save(): Promise<void> {
    const { host } = this.#options
    this.#note(host.connections.value)
    if (this.#seenAtMs.size === 0) return
    const seen = [...this.#seenAtMs].map(([peer, seenAtMs]) => ({
      peer,
      addresses: host.addressesOf(peer),
      seenAtMs,
    }))
    // Another process may have written since: what it has seen stays.
    const peers = mergeRemembered([seen, await this.#read()], this.#options, this.#clock.now())
    this.#peers = peers
    try {
      await writeRemembered(this.#file, host.network, peers)
      this.#metrics.files.add(1, { operation: 'write', result: 'ok' })
    } catch (error) {
      this.#metrics.files.add(1, { operation: 'write', result: 'failed' })
      this.#warn('the peers of this node cannot be remembered', messageOf(error))
    }
  }

  async #read(): Promise<readonly RememberedPeer[]> {
    try {
      const found = await readRemembered(this.#file, this.#options.host.network)
      this.#metrics.files.add(1, { operation: 'read', result: found.result })
      if (found.result === 'ok') return found.peers
      if (found.result === 'invalid') this.#warn('a file of remembered peers is ignored', found.why)
    } catch (error) {
      this.#metrics.files.add(1, { operation: 'read', result: 'failed' })
      this.#warn('a file of remembered peers cannot be read', messageOf(error))
    }
    return []
  }

  /** Once: what is wrong with a folder stays wrong. */
  #warn(message: string, error: string): void {
    const fields = { file: this.#file, error }
    if (this.#warned) this.#logger.debug(message, fields)
    else this.#logger.warn(message, fields)
    this.#warned = true
  }
}
