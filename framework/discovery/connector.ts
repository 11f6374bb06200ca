import { peerIdFromLibp2p, type DialTarget, type Host } from '#framework/network'
import {
  Backoff,
  messageOf,
  type Clock,
  type Logger,
  type PeerId,
  type Random,
  type TaskScope,
} from '#framework/primitives'
import { Alarm } from './alarm.js'
import type { BootstrapSource } from './bootstrap.js'
import type { CatalogStore } from './catalog-store.js'
import type { Dial, DialPlan } from './dial-plan.js'
import type { DiscoveryMetrics } from './metrics.js'

export interface ConnectorOptions {
  readonly host: Host
  readonly store: CatalogStore
  readonly plan: DialPlan
  readonly sources: readonly BootstrapSource[]
  readonly scope: TaskScope
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
}

/** Keeps this node connected: carries out what the {@link DialPlan} wants, for as long as it takes. */
export class Connector {
  readonly #options: ConnectorOptions
  readonly #alarm: Alarm

  constructor(options: ConnectorOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock)
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { host, store, plan, scope, sources, clock } = this.#options
    for (const source of sources) {
      scope.spawn(`bootstrap source ${source.name}`, () => this.#listenTo(source, signal))
    }
    const ring = (): void => this.#alarm.ring()
    const unsubscribers = [host.connections.subscribe(ring), store.catalog.subscribe(ring)]
    try {
      let dueAtMs = -Infinity
      for (;;) {
        await this.#alarm.wait(dueAtMs, signal)
        const situation = {
          self: host.peerId,
          connected: host.connections.value,
          peers: store.catalog.value.peers,
        }
        const { dials, atMs } = plan.next(situation, clock.monotonic())
        for (const dial of dials) scope.spawn('dial', () => this.#dial(dial, signal))
        dueAtMs = atMs
      }
    } finally {
      for (const unsubscribe of unsubscribers) unsubscribe()
    }
  }

  /** Adds a candidate, to be dialled soon and again until it answers. */
  add(target: DialTarget): void {
    if (!this.#options.plan.add({ ...target, ...peerNamedIn(target) })) {
      this.#options.logger.warn('a bootstrap candidate was dropped: there are too many', { ...target })
    }
    this.#alarm.ring()
  }

  async #dial(dial: Dial, signal: AbortSignal): Promise<void> {
    const { host, plan, clock, metrics, logger } = this.#options
    // A node may be given a list that it is on itself.
    if (this.#isOurs(dial.target)) return plan.onConnected(dial, host.peerId, clock.monotonic())
    try {
      const peer = await host.connect(dial.target, { signal })
      plan.onConnected(dial, peer, clock.monotonic())
      metrics.dials.add(1, { result: 'ok' })
    } catch (error) {
      const connected = host.connections.value.size > 0
      plan.onFailed(dial, connected, clock.monotonic())
      metrics.dials.add(1, { result: 'failed' })
      logger.debug('could not connect', { ...dial.target, error: messageOf(error) })
    } finally {
      this.#alarm.ring()
    }
  }

  async #listenTo(source: BootstrapSource, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options
    const backoff = new Backoff({}, random)
    for (;;) {
      try {
        for await (const target of source.candidates(signal)) this.add(target)
        return
      } catch (error) {
        signal.throwIfAborted()
        logger.warn('a bootstrap source failed and is started again', {
          source: source.name,
          error: messageOf(error),
        })
        await clock.sleep(backoff.next(), { signal })
      }
    }
  }

  #isOurs({ peer, addresses }: DialTarget): boolean {
    const { host } = this.#options
    if (peer === host.peerId) return true
    const ours = host.addresses.value.map(withoutPeer)
    return addresses?.some((address) => ours.includes(withoutPeer(address))) ?? false
  }
}

const PEER_SUFFIX = /\/p2p\/([^/]+)$/

function withoutPeer(address: string): string {
  return address.replace(PEER_SUFFIX, '')
}

/** The peer that an address names, so that we know when we are connected with it already. */
function peerNamedIn({ peer, addresses }: DialTarget): { peer?: PeerId } {
  if (peer !== undefined) return { peer }
  const text = addresses
    ?.map((address) => PEER_SUFFIX.exec(address)?.[1])
    .find((match) => match !== undefined)
  if (text === undefined) return {}
  try {
    return { peer: peerIdFromLibp2p(text) }
  } catch {
    // Not one of our kind of peer ids: connecting to it will say so.
    return {}
  }
}
