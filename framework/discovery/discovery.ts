import { dialTargetOf, type DialTarget, type GossipTopic, type Host } from '#framework/network'
import {
  EventHub,
  MosaikError,
  TaskScope,
  messageOf,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type Digest,
  type GroupId,
  type Logger,
  type PeerId,
  type ReadonlyWatch,
} from '#framework/primitives'
import { ANNOUNCEMENT_BYTES_MAX, encodeSignOfLife, encodeWhole } from './announcement.js'
import { AnnouncePolicy } from './announce-policy.js'
import { Announcer } from './announcer.js'
import type { Catalog } from './catalog.js'
import { CatalogStore, type ReceivedRecord } from './catalog-store.js'
import { conditionsOf, type DiscoveryConditions } from './conditions.js'
import { Connector } from './connector.js'
import { DialPlan, type CandidateStatus } from './dial-plan.js'
import { PROTOCOL_VERSION, type EntryContent, type PeerEntry } from './entry.js'
import type { DiscoveryEvent } from './events.js'
import { Fetcher } from './fetch/fetcher.js'
import { RecordIntake } from './record-intake.js'
import { followRelays } from './relays.js'
import { declareMetrics } from './metrics.js'
import { peerInfoOf, type PeerInfo } from './peer-info.js'
import { settingsOf, type DiscoveryOptions } from './options.js'
import { OwnEntry } from './own-entry.js'
import { prefer, type Preference } from './ranking/preference.js'
import type { RankOptions } from './ranking/rank.js'
import type { Ranking, RankingOptions } from './ranking/ranking.js'
import { Rankings } from './ranking/rankings.js'
import type { RankingResult } from './ranking/result.js'
import { RecordReader } from './record-reader.js'
import { SyncSchedule } from './sync/sync-schedule.js'
import { Syncer } from './sync/syncer.js'
import { ticketIdOf, type Ticket } from './tickets.js'

/**
 * The gossip topic. One suffices: gossip reaches only peers that have shown that they are of our network. Short, because
 * it comes with every message.
 */
const ANNOUNCE_TOPIC = 'announce/1'

/** What a node may change about itself. */
export type OwnEntryChange = Partial<
  Pick<PeerEntry, 'addresses' | 'tags' | 'labels' | 'produces' | 'consumes' | 'groups' | 'tickets' | 'serves'>
>

/**
 * Keeps, on every node, an eventually consistent catalog of the peers of its network: where they are, what they call
 * themselves, and which streams they offer. Everything else learns of peers from here.
 *
 * Each node signs what it says about itself and gossips it, on every change and as a regular sign of life. Two peers
 * that meet compare catalogs. A peer that falls silent is forgotten, one that leaves says goodbye.
 */
export class Discovery implements AsyncDisposable {
  readonly #host: Host
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #departureMs: number
  readonly #store: CatalogStore
  readonly #events: EventHub<DiscoveryEvent>
  readonly #intake: RecordIntake
  readonly #topic: GossipTopic
  readonly #announcer: Announcer
  readonly #syncer: Syncer
  readonly #fetcher: Fetcher
  readonly #connector: Connector
  readonly #rankings: Rankings
  readonly #scope: TaskScope
  readonly #closed = Promise.withResolvers<unknown>()
  readonly #cleanups: (() => void)[] = []
  #addressesAreSet = false
  #closing: Promise<void> | undefined

  /**
   * Starts to announce this node, and to look for others. Resolves at once: being alone is no error.
   *
   * @throws MosaikError `DISCOVERY_OPTION_INVALID`, or as {@link update}.
   */
  // An async function, so that what is wrong with the options becomes a rejection.
  static async start(options: DiscoveryOptions): Promise<Discovery> {
    const discovery = new Discovery(options)
    discovery.#run()
    return discovery
  }

  private constructor(options: DiscoveryOptions) {
    const { host, clock = systemClock, random = systemRandom, logger = silentLogger } = options
    const settings = settingsOf(options)
    const { purgeAfterMs, maxDriftMs, peersMax, contentBytesMax, reconnect } = settings
    const metrics = declareMetrics(host.metrics)
    const nowMs = clock.monotonic()
    this.#host = host
    this.#clock = clock
    this.#logger = logger
    this.#departureMs = settings.departureMs
    this.#scope = new TaskScope({ onFailure: (cause, task) => this.#onFailure(cause, task) })

    this.#events = new EventHub({
      backlog: settings.eventsBacklog,
      onMissed: () => metrics.missedEvents.add(),
    })
    const reader = new RecordReader(host.network)
    this.#store = new CatalogStore({
      own: new OwnEntry(host.identity, host.network, firstContent(options), clock.now()),
      rules: {
        purgeAfterMs,
        tombstoneMs: 2 * purgeAfterMs,
        maxDriftMs,
        recordsMax: peersMax,
        contentBytesMax,
      },
      clock,
      events: this.#events,
      metrics,
      logger,
      learn: (peer, addresses) => host.learn(peer, addresses),
    })
    this.#fetcher = new Fetcher({
      host,
      store: this.#store,
      scope: this.#scope,
      clock,
      metrics,
      logger,
      onGivenUp: () => this.#syncer.doubt(),
    })
    this.#syncer = new Syncer({
      host,
      store: this.#store,
      reader,
      schedule: new SyncSchedule(
        { self: host.peerId, intervalMs: settings.syncIntervalMs, reconnect, random },
        nowMs,
      ),
      scope: this.#scope,
      inboundMax: settings.inboundSyncsMax,
      clock,
      metrics,
      logger,
      onNews: (records) => this.#spread(records),
      onLacking: (wanted, from) => this.#fetcher.want(wanted, from),
    })
    this.#intake = new RecordIntake({
      store: this.#store,
      reader,
      maxDriftMs,
      clock,
      metrics,
      onDoubt: () => this.#syncer.doubt(),
      onLacking: (wanted, from) => this.#fetcher.want(wanted, from),
    })
    this.#topic = host.gossip(ANNOUNCE_TOPIC, {
      validate: (data, from) => this.#intake.receive(data, from),
      messageBytesMax: ANNOUNCEMENT_BYTES_MAX,
    })
    this.#announcer = new Announcer({
      topic: this.#topic,
      policy: new AnnouncePolicy(
        {
          intervalMs: settings.announceIntervalMs,
          jitter: settings.announceJitter,
          purgeAfterMs,
          random,
        },
        nowMs,
      ),
      store: this.#store,
      clock,
      random,
      metrics,
      logger,
    })
    this.#connector = new Connector({
      host,
      store: this.#store,
      plan: new DialPlan({ meshPeers: settings.meshPeers, reconnect, random }),
      sources: options.bootstrap ?? [],
      scope: this.#scope,
      clock,
      random,
      metrics,
      logger,
    })
    this.#rankings = new Rankings({
      host,
      store: this.#store,
      events: this.#events,
      maxRttMs: settings.maxRttMs,
      meshPeers: settings.meshPeers,
      scope: this.#scope,
      clock,
      random,
      metrics,
      logger,
    })
    this.#cleanups.push(
      metrics.rankings.collect(() => this.#rankings.size),
      metrics.peers.collect(() => this.catalog.value.size),
      metrics.neighbors.collect(() => this.#topic.neighbours.value.size),
    )
  }

  /** What this node says about itself. */
  get me(): PeerEntry {
    return this.catalog.value.me
  }

  /**
   * The peers that are known. Changes when what a peer says changes, when one appears or leaves, and when this node
   * changes what it says; signs of life do not show.
   */
  get catalog(): ReadonlyWatch<Catalog> {
    return this.#store.catalog
  }

  /** Resolves when discovery has ended: with undefined after {@link close}, with the cause when it has failed. */
  get closed(): Promise<unknown> {
    return this.#closed.promise
  }

  /**
   * What happens from this call on. A subscriber that does not keep up loses the oldest events and is told so by one
   * of type `lagged`. A catalog that is read after an event reflects it. The iteration is over when discovery closes.
   *
   * @throws The signal's reason, when it aborts.
   */
  events(options?: { signal?: AbortSignal }): AsyncIterable<DiscoveryEvent> {
    return this.#events.subscribe(options)
  }

  /** Conditions on the catalog and on being connected, to be awaited. */
  when(): DiscoveryConditions {
    return conditionsOf(this.catalog, this.#host.connections)
  }

  /** What a peer says of itself, and how far away it is; undefined when it is not known. */
  info(peer: PeerId): PeerInfo | undefined {
    const entry = this.catalog.value.peers.get(peer)
    return entry && peerInfoOf(entry, this.#host.rttMs(peer))
  }

  /**
   * The peers in order of preference, now, and what counted for and against each. Nothing is measured for it: what is not
   * known is assumed.
   *
   * @param preference Default: all peers, the nearest first. See {@link prefer} and {@link nearest}.
   */
  rank(preference: Preference = prefer(), options: RankOptions = {}): RankingResult {
    return this.#rankings.rank(preference, options)
  }

  /**
   * A ranking that stays current until it is closed. While it is open, round trips that matter to it and that no
   * connection shows are measured, a few at a time. A candidate of a list need not be in the catalog yet.
   *
   * @throws MosaikError `RANKINGS_TOO_MANY`, when 256 are open; `DISCOVERY_CLOSED`.
   */
  ranking(preference: Preference = prefer(), options: RankingOptions = {}): Ranking {
    this.#assertOpen()
    return this.#rankings.open(preference, options)
  }

  /**
   * Changes what this node says about itself, at once; others are told by gossip, once for all changes of one turn of
   * the event loop. What is not different makes no new version and is not announced. Addresses that were set by hand
   * stay, whatever the host's become.
   *
   * @throws MosaikError `DISCOVERY_ENTRY_TOO_LARGE` when the entry would take more than 44 KiB,
   *   `DISCOVERY_ENTRY_INVALID` when it offers a stream twice with different schemas, `DISCOVERY_CLOSED`.
   */
  update(change: (entry: PeerEntry) => OwnEntryChange): void {
    this.#assertOpen()
    let setsAddresses = false
    this.#store.change((entry) => {
      const changes = change(entry)
      setsAddresses = changes.addresses !== undefined
      return changes
    })
    this.#addressesAreSet ||= setsAddresses
  }

  /** {@link update} for tags. */
  addTags(...tags: readonly string[]): void {
    this.update((entry) => ({ tags: [...entry.tags, ...tags] }))
  }

  /** {@link update} for tags. */
  removeTags(...tags: readonly string[]): void {
    this.update((entry) => ({ tags: entry.tags.filter((tag) => !tags.includes(tag)) }))
  }

  /** {@link update} for labels: those of other keys stay. */
  setLabels(labels: Readonly<Record<string, string>>): void {
    this.update((entry) => ({ labels: { ...entry.labels, ...labels } }))
  }

  /** {@link update} for labels. */
  removeLabels(...keys: readonly string[]): void {
    this.update(({ labels }) => ({
      labels: Object.fromEntries(Object.entries(labels).filter(([key]) => !keys.includes(key))),
    }))
  }

  /** {@link update} for groups. */
  addGroups(...groups: readonly GroupId[]): void {
    this.update((entry) => ({ groups: [...entry.groups, ...groups] }))
  }

  /** {@link update} for groups. */
  removeGroups(...groups: readonly GroupId[]): void {
    this.update((entry) => ({ groups: entry.groups.filter((group) => !groups.includes(group)) }))
  }

  /** {@link update} for tickets: others of its class stay. */
  addTicket(ticket: Ticket): void {
    this.update((entry) => ({ tickets: [...entry.tickets, ticket] }))
  }

  /** {@link update} for tickets: the one of that id, see `ticketIdOf`. */
  removeTicket(id: Digest): void {
    this.update((entry) => ({ tickets: entry.tickets.filter((ticket) => ticketIdOf(ticket) !== id) }))
  }

  /** {@link update} for tickets: all of that class. */
  removeTicketsOf(ticketClass: Digest): void {
    this.update((entry) => ({ tickets: entry.tickets.filter((ticket) => ticket.class !== ticketClass) }))
  }

  /** {@link update} for tickets: this one takes the place of all of its class, in one version. */
  replaceTicket(ticket: Ticket): void {
    this.update((entry) => ({
      tickets: [...entry.tickets.filter((other) => other.class !== ticket.class), ticket],
    }))
  }

  /**
   * One catalog sync with a peer, now. When it resolves, both hold the later record of every peer that either knew.
   *
   * @throws MosaikError `DISCOVERY_CLOSED`; LinkClosedError, TimeoutError or `DIAL_FAILED` when the peer cannot be
   *   reached or does not play its part; the signal's reason.
   */
  async syncWith(target: DialTarget, options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#assertOpen()
    using deadline = this.#clock.deadline(Infinity, this.#scope.signal, options.signal)
    await this.#syncer.sync(target, deadline.signal)
  }

  /**
   * Adds candidates to connect to, in addition to the bootstrap sources; see `seeds` for what an address is. They are
   * dialled soon, and again until they answer; {@link candidates} tells how that goes.
   *
   * @throws MosaikError `ADDRESS_INVALID`, naming what is no address; none has been added then. `DISCOVERY_CLOSED`.
   */
  dial(addresses: readonly string[]): void {
    this.#assertOpen()
    const targets = addresses.map(dialTargetOf)
    for (const target of targets) this.#connector.add(target, { source: 'dial', isLasting: true })
  }

  /** Whom this node tries to connect to besides the peers of the catalog, how often that failed, why, and what is next. */
  get candidates(): readonly CandidateStatus[] {
    return this.#connector.candidates
  }

  /**
   * Takes in a signed record that came by another way, for example in a handshake. True when it told us something: a
   * change, or a sign of life. False when it was refused, for what it says or because it is no record that its peer has
   * signed; refusals are counted.
   */
  feed(record: Uint8Array): boolean {
    this.#assertOpen()
    return this.#intake.feed(record)
  }

  /**
   * Adds an entry that no signature backs, for this node alone. False when it is refused: it is about this node or
   * another network, a signed entry of the peer is known, or a later one without signature.
   */
  insert(entry: PeerEntry): boolean {
    this.#assertOpen()
    return this.#store.insert(entry)
  }

  /** Removes an entry that was inserted by hand. False when there is none. */
  remove(peer: PeerId): boolean {
    this.#assertOpen()
    return this.#store.removeUnsigned([peer])
  }

  /** Removes all entries that were inserted by hand. False when there are none. */
  clearUnsigned(): boolean {
    this.#assertOpen()
    return this.#store.removeUnsigned(this.catalog.value.unsigned)
  }

  /** This node's current record, to be shown in handshakes: the other side can {@link feed} it. */
  signedEntry(): Uint8Array {
    return encodeWhole(this.#store.ownRecord)
  }

  /** {@link signedEntry} without what it says, for those who know that: much shorter when this node has many streams. */
  signOfLife(): Uint8Array {
    return encodeSignOfLife(this.#store.ownRecord)
  }

  /** Says goodbye, which takes 500 ms at most (`departureMs`), and stops. The host stays open. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close(undefined)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #run(): void {
    const { addresses } = this.#host
    this.#cleanups.push(
      this.#syncer.serve(),
      this.#fetcher.serve(),
      addresses.subscribe((value) => this.#onHostAddresses(value)),
      followRelays(this.#host, this.catalog),
    )
    this.#scope.spawn('announcer', (signal) => this.#announcer.run(signal))
    this.#scope.spawn('syncer', (signal) => this.#syncer.run(signal))
    this.#scope.spawn('fetcher', (signal) => this.#fetcher.run(signal))
    this.#scope.spawn('connector', (signal) => this.#connector.run(signal))
    this.#scope.spawn('rtt prober', (signal) => this.#rankings.measure(signal))
    this.#scope.spawn('departures', (signal) => this.#rankings.forgetDeparted(signal))
    this.#scope.spawn('host watcher', (signal) => this.#watchHost(signal))
  }

  #onHostAddresses(addresses: readonly string[]): void {
    if (this.#addressesAreSet) return
    try {
      this.#store.change(() => ({ addresses }))
    } catch (error) {
      // The entry was nearly full. What was announced before stays true for the addresses that are left.
      this.#logger.error('the addresses of this node cannot be announced', { error: messageOf(error) })
    }
  }

  /** Without its host, discovery has nothing left to do. */
  async #watchHost(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<'aborted'>((resolve) => {
      signal.addEventListener('abort', () => resolve('aborted'), { once: true })
    })
    const ended = await Promise.race([aborted, this.#host.closed.then((cause) => ({ cause }))])
    if (ended !== 'aborted') throw new MosaikError('DISCOVERY_HOST_CLOSED', 'the host was closed', ended)
  }

  #spread(records: readonly ReceivedRecord[]): void {
    // With one connection there is nobody to tell: it is where the records came from.
    if (this.#host.connections.value.size < 2) return
    this.#scope.spawn('spread', () => this.#announcer.spread(records))
  }

  #onFailure(cause: unknown, task: string): void {
    this.#logger.error('discovery has failed', { task, error: messageOf(cause) })
    this.#closing ??= this.#close(cause)
  }

  async #close(cause: unknown): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0)) cleanup()
    await this.#scope.close()
    if (this.#departureMs > 0) await this.#depart()
    await this.#topic.close()
    this.#store.close(cause)
    this.#closed.resolve(cause)
  }

  async #depart(): Promise<void> {
    using deadline = this.#clock.deadline(this.#departureMs)
    const record = this.#store.depart()
    await Promise.allSettled([
      this.#announcer.depart(record),
      this.#syncer.sayGoodbye(record, deadline.signal),
    ])
  }

  #assertOpen(): void {
    if (this.#closing) throw new MosaikError('DISCOVERY_CLOSED', 'discovery is closed')
  }
}

function firstContent({ host, tags = [], labels = {}, node }: DiscoveryOptions): EntryContent {
  return {
    protocol: PROTOCOL_VERSION,
    addresses: host.addresses.value,
    tags,
    labels,
    ...(node && { node }),
    produces: [],
    consumes: [],
    groups: [],
    tickets: [],
    serves: host.serves,
  }
}
