import type { DialTarget } from '#framework/network'
import { codeOf, messageOf, type Clock, type Logger, type Random } from '#framework/primitives'
import { inScope } from './address-scope.js'
import type { Bep44Client } from './bep44-client.js'
import type { DhtMetrics } from './dht-metrics.js'
import type { DhtOptions, DhtSettings } from './dht-options.js'
import type { Publication, SlotPlan, SlotSituation, SlotView } from './slot-plan.js'
import { fitAddresses, type SlotRecord } from './slot-record.js'
import { readSlot, type Slot } from './slot-set.js'

/** How many occupants are connected to at a time. */
const CHECKS_AT_A_TIME = 8

/** After how many members no further occupant is tried: each of them can tell of all the others. */
const ENOUGH_MEMBERS = 3

/** How many slots are tried one after the other when what is there rejects us. */
const PUBLICATIONS_MAX = 3

/** Slots, and what is planned for them. */
export interface SlotSet {
  readonly slots: readonly Slot[]
  readonly plan: SlotPlan
}

export interface SlotVisitorOptions {
  readonly host: DhtOptions['host']
  readonly announce: readonly string[] | undefined
  readonly settings: DhtSettings
  readonly startedAtMs: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: DhtMetrics
  readonly onMember: (target: DialTarget) => void
}

/** Carries out what a {@link SlotPlan} wants: looks at slots, connects to occupants, publishes. */
export class SlotVisitor {
  readonly #options: SlotVisitorOptions
  #saidNotPublished = false

  constructor(options: SlotVisitorOptions) {
    this.#options = options
  }

  /** The situation that plans decide in, now. */
  get situation(): SlotSituation {
    const { host, clock } = this.#options
    return { connected: host.connections.value, nowMs: clock.now(), monotonicMs: clock.monotonic() }
  }

  /**
   * Looks at the slots and connects to those of their occupants that are to be checked.
   *
   * @throws The signal's reason.
   */
  async look({ slots, plan }: SlotSet, client: Bep44Client, signal: AbortSignal): Promise<void> {
    const looked = plan.look(this.situation.connected)
    const views = await Promise.all(
      looked.map(async (index) => [index, await this.#read(client, slots[index]!, signal)] as const),
    )
    plan.see(new Map(views), this.situation)
    const checks = plan.checks(this.situation)
    let members = 0
    const work = async (): Promise<void> => {
      while (members < ENOUGH_MEMBERS) {
        const record = checks.shift()
        if (record === undefined) return
        if (await this.#check(plan, record, signal)) members++
      }
    }
    await Promise.all(Array.from({ length: CHECKS_AT_A_TIME }, work))
  }

  /**
   * Puts our record into a slot, if the plan wants that.
   *
   * @throws The signal's reason.
   */
  async publish({ slots, plan }: SlotSet, client: Bep44Client, signal: AbortSignal): Promise<void> {
    const { host, announce, settings, metrics } = this.#options
    const told = inScope(announce ?? host.addresses.value, settings.addressScope)
    if (told.length === 0) return this.#notPublished()
    const addresses = fitAddresses(told)
    for (let attempt = 0; attempt < PUBLICATIONS_MAX; attempt++) {
      const publication = plan.publication(addresses, this.situation)
      if (publication === undefined) return
      const result = await this.#put(slots[publication.slot]!, publication, addresses, client, signal)
      metrics.publications.add(1, { result })
      metrics.published.set(result === 'ok' ? 1 : 0)
      if (result === 'ok') {
        metrics.omitted.add(told.length - addresses.length)
        plan.onPublished(publication)
      } else if (result === 'conflict') {
        plan.onConflict(this.situation.monotonicMs)
      } else if (result === 'rejected') {
        plan.onRejected(publication, this.situation.monotonicMs)
        continue
      }
      return
    }
  }

  async #read(client: Bep44Client, slot: Slot, signal: AbortSignal): Promise<SlotView> {
    const { clock, settings, metrics, logger } = this.#options
    using deadline = clock.deadline(settings.requestTimeoutMs, signal)
    let view: SlotView = { kind: 'unknown' }
    try {
      view = await readSlot(client, slot, settings.addressScope, deadline.signal)
    } catch (error) {
      signal.throwIfAborted()
      logger.debug('a slot of the DHT could not be read', { error: messageOf(error) })
    }
    metrics.lookups.add(1, { found: view.kind })
    return view
  }

  /** Whether the occupant is a member: a connection was admitted. */
  async #check(plan: SlotPlan, record: SlotRecord, signal: AbortSignal): Promise<boolean> {
    const { host, settings, metrics, logger, onMember } = this.#options
    const { peer, addresses } = record
    let alive = false
    try {
      await host.connect({ peer, addresses }, { signal, timeoutMs: settings.checkTimeoutMs })
      alive = true
      onMember({ peer, addresses })
    } catch (error) {
      signal.throwIfAborted()
      logger.debug('the occupant of a slot of the DHT could not be connected to', {
        peer,
        error: messageOf(error),
      })
    }
    metrics.checks.add(1, { result: alive ? 'ok' : 'failed' })
    plan.onChecked(record, alive, this.situation.monotonicMs)
    return alive
  }

  async #put(
    { key, codec }: Slot,
    { seq, cas }: Publication,
    addresses: readonly string[],
    client: Bep44Client,
    signal: AbortSignal,
  ): Promise<'ok' | 'conflict' | 'rejected' | 'failed'> {
    const { host, clock, random, settings, logger, startedAtMs } = this.#options
    using deadline = clock.deadline(settings.requestTimeoutMs, signal)
    const record = { startedAtMs, publishedAtMs: clock.now(), addresses }
    try {
      const value = codec.seal(host.identity, record, random)
      await client.put(key, { value, seq, cas }, deadline.signal)
      return 'ok'
    } catch (error) {
      signal.throwIfAborted()
      logger.debug('a record could not be published in the DHT', { error: messageOf(error) })
      if (codeOf(error) === 'DHT_CONFLICT') return 'conflict'
      return codeOf(error) === 'DHT_REJECTED' ? 'rejected' : 'failed'
    }
  }

  /** Said once, for it may go on; and not at all of a host that listens nowhere, which means to be found by nobody. */
  #notPublished(): void {
    const { host, settings, logger, metrics } = this.#options
    metrics.published.set(0)
    if (this.#saidNotPublished || host.addresses.value.length === 0) return
    this.#saidNotPublished = true
    logger.warn('this node is not published in the DHT: it has no address within the scope', {
      addressScope: settings.addressScope,
    })
  }
}
