import { CloseReasons, dialTargetOf, type DialTarget, type Disconnect, type Host } from '#framework/network'
import {
  Backoff,
  isMosaikError,
  messageOf,
  shortId,
  type Clock,
  type Logger,
  type PeerId,
  type Random,
  type TaskScope,
} from '#framework/primitives'
import { Alarm } from './alarm.js'
import type { BootstrapSource } from './bootstrap.js'
import type { CatalogStore } from './catalog-store.js'
import type { CandidateOrigin } from './dial-candidates.js'
import type { CandidateStatus, Dial, DialPlan, DialSituation } from './dial-plan.js'
import { LostPeers, REDIAL_TIMEOUT_MS } from './lost-peers.js'
import type { DiscoveryMetrics } from './metrics.js'

/** Peers that were lost, as a source of candidates: so that a partition heals, however long it takes. */
const LOST: CandidateOrigin = { source: 'lost', isLasting: false }

/** A source that has run for so long before it failed is started again soon, in milliseconds. */
const SOURCE_STABLE_MS = 60_000

export interface ConnectorOptions {
  readonly host: Pick<
    Host,
    'peerId' | 'addresses' | 'connections' | 'connect' | 'onDisconnected' | 'prune' | 'learn' | 'addressesOf'
  >
  readonly store: CatalogStore
  readonly plan: DialPlan
  readonly sources: readonly BootstrapSource[]
  readonly scope: TaskScope
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
}

/**
 * Keeps this node connected: carries out what the {@link DialPlan} wants, for as long as it takes; finds out which peers
 * are lost; and lets go of connections that nobody needs.
 */
export class Connector {
  readonly #options: ConnectorOptions
  readonly #alarm: Alarm
  readonly #lost = new LostPeers()
  #connected: ReadonlySet<PeerId> = new Set()

  constructor(options: ConnectorOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock)
  }

  /** How each candidate stands. */
  get candidates(): CandidateStatus[] {
    const { plan, clock } = this.#options
    return plan.statuses(this.#situation(), clock.monotonic())
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { host, store, plan, scope, sources, clock, metrics } = this.#options
    for (const source of sources) {
      scope.spawn(`bootstrap source ${source.name}`, () => this.#listenTo(source, signal))
    }
    const unsubscribers = [
      host.connections.subscribe((peers) => this.#onConnections(peers)),
      host.onDisconnected((disconnect) => this.#onDisconnected(disconnect)),
      store.catalog.subscribe(() => this.#alarm.ring()),
      metrics.candidates.collect(() => [...plan.counts()].map(([source, count]) => [{ source }, count])),
    ]
    try {
      this.#onConnections(host.connections.value)
      for (;;) {
        const nowMs = clock.monotonic()
        const { redials, lost, atMs: lostAtMs } = this.#lost.next(nowMs)
        for (const peer of lost) this.#lose(peer)
        for (const peer of redials) scope.spawn('redial', () => this.#redial(peer, signal))
        const { dials, atMs } = plan.next(this.#situation(), nowMs)
        for (const dial of dials) scope.spawn('dial', () => this.#dial(dial, signal))
        await this.#alarm.wait(Math.min(atMs, lostAtMs, host.prune(plan.keep())), signal)
      }
    } finally {
      for (const unsubscribe of unsubscribers) unsubscribe()
    }
  }

  /** Adds a candidate, to be dialled soon and again until it answers. What cannot be dialled is counted and left out. */
  add(target: DialTarget, origin: CandidateOrigin): void {
    const { plan, clock, metrics, logger } = this.#options
    const { source } = origin
    const { usable, error } = usableOf(target)
    if (error !== undefined) {
      metrics.candidatesDropped.add(1, { source, reason: 'invalid' })
      logger.debug('an address of a candidate cannot be dialled', { source, error })
    }
    if (!usable) return
    if (plan.add(usable, origin, clock.monotonic()) === 'full') {
      metrics.candidatesDropped.add(1, { source, reason: 'full' })
      const message = 'a candidate was dropped: there are too many of its source'
      if (origin.isLasting) logger.warn(message, { source, ...usable })
      else logger.debug(message, { source, ...usable })
    }
    this.#alarm.ring()
  }

  #situation(): DialSituation {
    const { host, store } = this.#options
    return {
      self: host.peerId,
      connected: host.connections.value,
      peers: store.catalog.value.peers,
      hasDeparted: (peer) => this.#hasDeparted(peer),
      isAddressKnown: (peer) => host.addressesOf(peer).length > 0,
    }
  }

  #onConnections(peers: ReadonlySet<PeerId>): void {
    const { store } = this.#options
    for (const peer of peers) {
      if (this.#connected.has(peer)) continue
      this.#lost.onCleared(peer)
      store.revive(peer)
    }
    this.#connected = peers
    this.#alarm.ring()
  }

  #onDisconnected({ peer, reason, by }: Disconnect): void {
    const { host, store, plan, clock } = this.#options
    if (by === 'us' || host.connections.value.has(peer)) return
    const nowMs = clock.monotonic()
    if (by === 'peer' && reason.code === CloseReasons.Pruned.code) plan.onPruned(peer, nowMs)
    // A host that shuts down in good order is gone as well: its discovery has said goodbye before, or will not any more.
    const isGone = by === 'nobody' || reason.code === CloseReasons.GracefulShutdown.code
    if (isGone) {
      const { peers, unsigned } = store.catalog.value
      if (!peers.has(peer)) this.#seek(peer)
      else if (!unsigned.has(peer)) this.#lost.onDisconnected(peer, nowMs)
    }
    this.#alarm.ring()
  }

  #lose(peer: PeerId): void {
    const { store, logger } = this.#options
    const entry = store.catalog.value.peers.get(peer)
    if (!entry) return this.#seek(peer)
    if (!store.lose(peer)) return
    logger.info('a peer is lost: its connection broke, and it cannot be reached', { peer: shortId(peer) })
    this.#seek(peer, entry.addresses)
  }

  /**
   * Makes a candidate of a peer whose connection broke, where it has not said goodbye. The catalog may have let go of it
   * before: a process that was suspended finds that all entries have expired before it learns that no connection is left,
   * and would otherwise know nobody any more.
   */
  #seek(peer: PeerId, announced: readonly string[] = []): void {
    if (this.#hasDeparted(peer)) return
    const addresses = [...new Set([...this.#options.host.addressesOf(peer), ...announced])]
    if (addresses.length > 0) this.add({ peer, addresses }, LOST)
  }

  #hasDeparted(peer: PeerId): boolean {
    return this.#options.store.state.records.get(peer)?.record.kind === 'departure'
  }

  async #redial(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { host, store, clock, metrics, logger } = this.#options
    const entry = store.catalog.value.peers.get(peer)
    if (entry) host.learn(peer, entry.addresses)
    try {
      // Once it is connected, the connections tell.
      await host.connect({ peer }, { signal, timeoutMs: REDIAL_TIMEOUT_MS })
      metrics.redials.add(1, { result: 'ok' })
    } catch (error) {
      signal.throwIfAborted()
      metrics.redials.add(1, { result: 'failed' })
      logger.debug('a peer could not be reached again', { peer: shortId(peer), error: messageOf(error) })
      this.#lost.onRedialFailed(peer, clock.monotonic())
    } finally {
      this.#alarm.ring()
    }
  }

  async #dial(dial: Dial, signal: AbortSignal): Promise<void> {
    const { host, store, plan, clock, metrics, logger } = this.#options
    const { peer } = dial.target
    // A node may be given a list that it is on itself.
    if (this.#isOurs(dial.target)) return plan.onConnected(dial, host.peerId, clock.monotonic())
    const entry = peer === undefined ? undefined : store.catalog.value.peers.get(peer)
    // The address book may have forgotten what the catalog still has.
    if (entry) host.learn(entry.peer, entry.addresses)
    try {
      const answered = await host.connect(dial.target, { signal })
      plan.onConnected(dial, answered, clock.monotonic())
      metrics.dials.add(1, { result: 'ok' })
    } catch (error) {
      const isConnected = host.connections.value.size > 0
      plan.onFailed(dial, isConnected, clock.monotonic(), messageOf(error))
      metrics.dials.add(1, { result: 'failed' })
      logger.debug('could not connect', { ...dial.target, error: messageOf(error) })
    } finally {
      this.#alarm.ring()
    }
  }

  async #listenTo(source: BootstrapSource, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options
    const backoff = new Backoff({}, random)
    const origin = { source: source.name, isLasting: source.isLasting === true }
    for (;;) {
      const startedAtMs = clock.monotonic()
      try {
        for await (const target of source.candidates(signal)) this.add(target, origin)
        return
      } catch (error) {
        signal.throwIfAborted()
        logger.warn('a bootstrap source failed and is started again', {
          source: source.name,
          error: messageOf(error),
        })
        if (clock.monotonic() - startedAtMs >= SOURCE_STABLE_MS) backoff.reset()
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

function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '')
}

/** What of a candidate can be dialled, the peer that its addresses name included; and what is wrong with the rest. */
function usableOf({ peer, addresses = [] }: DialTarget): { usable?: DialTarget; error?: string } {
  const targets: DialTarget[] = []
  let wrong: string | undefined
  for (const address of addresses) {
    try {
      targets.push(dialTargetOf(address))
    } catch (error) {
      if (!isMosaikError(error)) throw error
      wrong = messageOf(error)
    }
  }
  const named = peer ?? targets.find((target) => target.peer !== undefined)?.peer
  const usable = targets.flatMap((target) => target.addresses ?? [])
  const error = wrong !== undefined && { error: wrong }
  if (named === undefined && usable.length === 0) return { ...error }
  return { usable: { ...(named !== undefined && { peer: named }), addresses: usable }, ...error }
}
