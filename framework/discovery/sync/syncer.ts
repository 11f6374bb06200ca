import { CloseReasons, closeReason, type DialTarget, type Host, type Link } from '#framework/network'
import {
  bytesOf,
  codeOf,
  isAbortError,
  isMosaikError,
  messageOf,
  shortId,
  type Clock,
  type Logger,
  type PeerId,
  type TaskScope,
} from '#framework/primitives'
import { Alarm } from '../alarm.js'
import type { CatalogStore, ReceivedRecord } from '../catalog-store.js'
import { KeyedLimiter } from '../keyed-limiter.js'
import type { DiscoveryMetrics } from '../metrics.js'
import type { RecordReader } from '../record-reader.js'
import type { WantedContent } from '../fetch/fetch-plan.js'
import { rejectionOf, type DepartureRecord, type SignedRecord } from '../signed-record.js'
import { openSchema, syncProtocol, type WireRecord } from './protocol.js'
import { runAcceptorSide, runOpenerSide } from './session.js'
import { SyncOffer } from './sync-plan.js'
import type { SyncSchedule } from './sync-schedule.js'

/** How long a whole session may take, in milliseconds. */
const SESSION_MS = 30_000

/** How often one peer may start a sync with us: a burst when it has just started, then one every two seconds. */
const INBOUND_RATE = { capacity: 16, perSecond: 0.5 }
const INBOUND_PEERS_MAX = 1024

/** How many sessions one peer may have open with us: one of its schedule, one that its user has asked for. */
const INBOUND_PER_PEER_MAX = 2

/** How many peers are told of our departure one by one; the others hear it from them. */
const GOODBYES_MAX = 16

export interface SyncerOptions {
  readonly host: Host
  readonly store: CatalogStore
  readonly reader: RecordReader
  readonly schedule: SyncSchedule
  readonly scope: TaskScope
  readonly inboundMax: number
  readonly clock: Clock
  readonly metrics: DiscoveryMetrics
  readonly logger: Logger
  /** Told of records by which a peer became known or departed, and that came by sync, so that others may lack them. */
  readonly onNews: (records: readonly ReceivedRecord[]) => void
  /** Told of a header that came without its content, and that is worth having. */
  readonly onLacking: (wanted: WantedContent, from: PeerId) => void
}

/** Runs catalog syncs: those that the schedule wants, those that the user wants, and those that others start with us. */
export class Syncer {
  readonly #options: SyncerOptions
  readonly #alarm: Alarm
  readonly #inboundRate = new KeyedLimiter(INBOUND_RATE, INBOUND_PEERS_MAX)
  /** With whom we are in a session that they have started; a peer more than once, when it has started several. */
  readonly #serving: PeerId[] = []

  constructor(options: SyncerOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock)
  }

  /** Serves others until the returned function is called. */
  serve(): () => void {
    return this.#options.host.handle(syncProtocol, (link, accept) => this.#serve(link, accept))
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { host, schedule, scope, clock } = this.#options
    const onConnections = (peers: ReadonlySet<PeerId>): void => {
      schedule.onConnections(peers, clock.monotonic())
      this.#alarm.ring()
    }
    const unsubscribe = host.connections.subscribe(onConnections)
    onConnections(host.connections.value)
    try {
      for (;;) {
        await this.#alarm.wait(schedule.dueAtMs, signal)
        for (const peer of schedule.start(clock.monotonic())) {
          scope.spawn('catalog sync', () => this.#syncAsScheduled(peer, signal))
        }
      }
    } finally {
      unsubscribe()
    }
  }

  /** Gossip has brought something that a sync can clear up. */
  doubt(): void {
    this.#options.schedule.onDoubt(this.#options.clock.monotonic())
    this.#alarm.ring()
  }

  /**
   * One sync, now. When it resolves, both sides hold the later record of every peer that either knew.
   *
   * @returns The peer.
   * @throws What `Host.open` throws; LinkClosedError or TimeoutError when the other side does not play its part; the
   *   signal's reason.
   */
  async sync(target: DialTarget, signal?: AbortSignal): Promise<PeerId> {
    const { host, clock, schedule } = this.#options
    const startedAtMs = clock.monotonic()
    using deadline = clock.deadline(SESSION_MS, signal)
    let link: Link | undefined
    try {
      const offer = this.#offer()
      link = await host.open(target, syncProtocol, {
        payload: { fingerprint: bytesOf(offer.fingerprint) },
        signal: deadline.signal,
      })
      const { peer } = link
      await runOpenerSide({
        link,
        offer,
        takeIn: (records) => this.#takeIn(records, peer),
        signal: deadline.signal,
      })
      schedule.onSynced(peer)
      this.#count('outbound', 'ok', startedAtMs)
      return peer
    } catch (error) {
      if (link) giveUp(link, error, deadline.signal)
      this.#count('outbound', resultOf(error), startedAtMs)
      throw error
    }
  }

  /** Tells connected peers that we leave, so that it is certain to have reached them. Resolves when all have answered, or the signal aborts. */
  async sayGoodbye(record: DepartureRecord & SignedRecord, signal: AbortSignal): Promise<void> {
    const { host } = this.#options
    const peers = [...host.connections.value].slice(0, GOODBYES_MAX)
    await Promise.allSettled(
      peers.map(async (peer) => {
        const link = await host.open({ peer }, syncProtocol, { payload: { departure: record.bytes }, signal })
        // The peer has accepted, and so it has taken the record in: there is nothing to wait for.
        link.abort(CloseReasons.Success)
      }),
    )
  }

  async #syncAsScheduled(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { host, schedule, clock, logger } = this.#options
    let succeeded = false
    try {
      await this.sync({ peer }, signal)
      succeeded = true
    } catch (error) {
      logger.debug('a catalog sync failed', { peer: shortId(peer), error: messageOf(error) })
    } finally {
      schedule.onEnd(peer, succeeded, host.connections.value.has(peer), clock.monotonic())
      this.#alarm.ring()
    }
  }

  async #serve(link: Link, accept: (payload?: unknown) => Promise<void>): Promise<void> {
    const opening = openSchema.safeParse(link.openPayload)
    if (!opening.success) {
      return link.close(closeReason(CloseReasons.ProtocolViolation, 'not the opening of a catalog sync'))
    }
    const { clock, inboundMax } = this.#options
    if (!this.#inboundRate.tryTake(link.peer, clock.monotonic())) {
      return link.close(CloseReasons.TooManyRequests)
    }
    if ('departure' in opening.data) return this.#hearGoodbye(link, accept, opening.data.departure)
    const ofThisPeer = this.#serving.filter((peer) => peer === link.peer).length
    if (this.#serving.length >= inboundMax || ofThisPeer >= INBOUND_PER_PEER_MAX) {
      return link.close(CloseReasons.NoCapacity)
    }

    const startedAtMs = clock.monotonic()
    using deadline = clock.deadline(SESSION_MS, this.#options.scope.signal)
    this.#serving.push(link.peer)
    try {
      const session = {
        link,
        offer: this.#offer(),
        takeIn: (records: readonly WireRecord[]) => this.#takeIn(records, link.peer),
        signal: deadline.signal,
      }
      await runAcceptorSide(session, opening.data.fingerprint, accept)
      this.#options.schedule.onSynced(link.peer)
      this.#count('inbound', 'ok', startedAtMs)
    } catch (error) {
      giveUp(link, error, deadline.signal)
      this.#count('inbound', resultOf(error), startedAtMs)
    } finally {
      this.#serving.splice(this.#serving.indexOf(link.peer), 1)
    }
  }

  async #hearGoodbye(
    link: Link,
    accept: (payload?: unknown) => Promise<void>,
    departure: Uint8Array,
  ): Promise<void> {
    const [received] = this.#read([{ record: departure, ageMs: 0 }], link.peer)
    if (received?.record.kind !== 'departure' || received.record.peer !== link.peer) {
      return link.close(closeReason(CloseReasons.ProtocolViolation, 'a goodbye that is not your own'))
    }
    this.#take([received])
    await accept()
    await link.close(CloseReasons.Success)
  }

  #offer(): SyncOffer {
    const { store, clock } = this.#options
    return new SyncOffer(store.ownRecord, store.state.records, clock.monotonic())
  }

  #takeIn(records: readonly WireRecord[], from: PeerId): void {
    this.#take(this.#read(records, from))
  }

  #take(received: readonly ReceivedRecord[]): void {
    const { store, schedule, clock, onNews } = this.#options
    const { news } = store.takeAll(received, 'sync')
    if (news.length === 0) return
    schedule.onNews(clock.monotonic())
    this.#alarm.ring()
    onNews(news)
  }

  /** Each record is verified for itself: a bad one is counted and left out. */
  #read(records: readonly WireRecord[], from: PeerId): ReceivedRecord[] {
    const { store, reader, metrics, clock, onLacking } = this.#options
    return records.flatMap(({ record: bytes, content, ageMs }) => {
      try {
        const header = reader.verify(reader.parse(bytes))
        const record = reader.complete(header, content, store.state.records.get(header.peer)?.record)
        if (record) return { record, ageMs }
        // It was taken for known, and was not.
        if (header.kind === 'entry' && store.refuse(header, ageMs) === undefined) {
          onLacking({ header, heardAtMs: clock.monotonic() - ageMs, via: 'sync' }, from)
        }
      } catch (error) {
        metrics.rejected.add(1, { reason: rejectionOf(error) })
      }
      return []
    })
  }

  #count(direction: 'inbound' | 'outbound', result: string, startedAtMs: number): void {
    const { metrics, clock } = this.#options
    metrics.syncs.add(1, { direction, result })
    if (result !== 'ok') return
    metrics.syncDuration.observe((clock.monotonic() - startedAtMs) / 1_000, { direction })
  }
}

/** Ends a link on which something went wrong, unless it has ended, or is about to end with a reason of its own. */
function giveUp(link: Link, error: unknown, signal: AbortSignal): void {
  const isTimeout = isMosaikError(error, 'TIMEOUT')
  if (signal.aborted) link.abort(isTimeout ? CloseReasons.Timeout : CloseReasons.Cancelled)
  else if (!isTimeout && !isMosaikError(error, 'LINK_CLOSED')) {
    link.abort(closeReason(CloseReasons.ProtocolViolation, messageOf(error)))
  }
}

function resultOf(error: unknown): string {
  if (isAbortError(error)) return 'cancelled'
  return results.get(codeOf(error) ?? '') ?? 'failed'
}

const results = new Map([
  ['LINK_CLOSED', 'closed'],
  ['TIMEOUT', 'timeout'],
  ['DIAL_FAILED', 'unreachable'],
])
