import type { Host } from '#framework/network'
import {
  messageOf,
  shortId,
  type Clock,
  type Logger,
  type PeerId,
  type TaskScope,
} from '#framework/primitives'
import { Alarm } from '../alarm.js'
import type { DiscoveryMetrics } from '../metrics.js'
import type { ProbePlan, Wanted } from './probe-plan.js'

/** How long one probe may take, from dialling to the round trip, in milliseconds. */
const PROBE_MS = 5_000

/** How long a connection that was made for a probe is kept, in milliseconds: the two may have something to tell each other. */
const KEEP_MS = 2_000

export interface ProberOptions {
  readonly host: Host
  readonly plan: ProbePlan
  readonly scope: TaskScope
  /** The peers whose round trip is asked about; one may come several times. */
  readonly wanted: () => Iterable<Wanted>
  /** As many connections are kept in any case. */
  readonly meshPeers: number
  readonly clock: Clock
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
}

/** Measures the round trips that somebody asks about and that no connection shows: carries out a {@link ProbePlan}. */
export class Prober {
  readonly #options: ProberOptions
  readonly #alarm: Alarm

  constructor(options: ProberOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock)
  }

  /** Others may be asked about now. */
  ring(): void {
    this.#alarm.ring()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { host, plan, scope, clock } = this.#options
    const ring = (): void => this.ring()
    const unsubscribers = [host.connections.subscribe(ring), host.rtt.subscribe(ring)]
    try {
      let dueAtMs = -Infinity
      for (;;) {
        await this.#alarm.wait(dueAtMs, signal)
        dueAtMs = plan.readyAtMs
        // Whatever has rung: it is not yet time, and looking through all peers costs something.
        if (dueAtMs > clock.monotonic()) continue
        const { probes, atMs } = plan.next(this.#unknown(), clock.monotonic())
        for (const peer of probes) scope.spawn('rtt probe', () => this.#probe(peer, signal))
        dueAtMs = atMs
      }
    } finally {
      for (const unsubscribe of unsubscribers) unsubscribe()
    }
  }

  /** Connections measure by themselves. */
  #unknown(): Map<PeerId, Wanted> {
    const { host, wanted } = this.#options
    const connected = host.connections.value
    const unknown = new Map<PeerId, Wanted>()
    for (const each of wanted()) {
      const { peer } = each
      if (connected.has(peer) || host.rtt.get(peer) !== undefined) continue
      if (each.isUrgent || !unknown.has(peer)) unknown.set(peer, each)
    }
    return unknown
  }

  async #probe(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { host, plan, clock, metrics, logger } = this.#options
    let measured = false
    try {
      using deadline = clock.deadline(PROBE_MS, signal)
      await host.connect({ peer }, { signal: deadline.signal, timeoutMs: PROBE_MS })
      await this.#isKnown(peer, deadline.signal)
      measured = true
    } catch (error) {
      logger.debug('a round trip could not be measured', { peer: shortId(peer), error: messageOf(error) })
    } finally {
      metrics.rttProbes.add(1, { result: measured ? 'ok' : 'failed' })
      plan.onEnd(peer, measured, clock.monotonic())
      this.ring()
    }
    await this.#letGo(peer, signal)
  }

  /** Resolves when the round trip is known. */
  async #isKnown(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { rtt } = this.#options.host
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = (): void => {
      if (rtt.get(peer) !== undefined) resolve()
    }
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const unsubscribe = rtt.subscribe(look)
    try {
      signal.throwIfAborted()
      look()
      await promise
    } finally {
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The connection was made to look, not to stay, unless somebody has found another use for it. */
  async #letGo(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { host, clock, meshPeers } = this.#options
    await clock.sleep(KEEP_MS, { signal })
    if (host.connections.value.size > meshPeers) host.release(peer)
  }
}
