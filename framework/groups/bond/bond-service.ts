import { Introductions, type Catalog } from '#framework/discovery'
import { CloseReasons, closeReason } from '#framework/network'
import {
  MosaikError,
  isMosaikError,
  shortId,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type GroupId,
  type Logger,
  type Random,
} from '#framework/primitives'
import type { BondContext, BondDiscovery, BondHost } from './bond-context.js'
import { BondDirectory } from './bond-directory.js'
import { bondLimitsOf, type BondLimits } from './bond-limits.js'
import { BondCloseReasons } from './close-reasons.js'
import { GroupBonds, type MembershipOptions } from './group-bonds.js'
import { groupIdOf } from './group-id.js'
import type { Incoming } from './handshakes.js'
import { readHello } from './handshake-messages.js'
import { bondProtocol, laneProtocol, readLaneOpening } from './lanes.js'
import { Hearts } from './hearts.js'
import { BondMetrics } from './metrics.js'

export interface BondServiceOptions {
  readonly host: BondHost
  readonly discovery: BondDiscovery
  readonly limits?: Partial<BondLimits>
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/**
 * The bonds of one node in all its groups. Closed before the discovery and the host that it uses, so that others are told.
 */
export class BondService implements AsyncDisposable {
  readonly #context: BondContext
  readonly #groups = new Map<GroupId, GroupBonds>()
  readonly #stops: readonly (() => void)[]
  #catalog: Catalog
  #closed: Promise<void> | undefined

  /** @throws {MosaikError} `PROTOCOL_TAKEN`, when the host has such a service already; `LIMIT_INVALID`. */
  constructor(options: BondServiceOptions) {
    const { host, discovery, clock = systemClock, random = systemRandom, logger = silentLogger } = options
    const limits = bondLimitsOf(options.limits ?? {})
    const introductions = new Introductions(host, discovery)
    const metrics = new BondMetrics(host.metrics)
    const directory = new BondDirectory()
    const hearts = new Hearts({ clock, random })
    this.#context = {
      host,
      discovery,
      introductions,
      directory,
      hearts,
      limits,
      metrics,
      clock,
      random,
      logger,
    }
    this.#catalog = discovery.catalog.value
    this.#stops = [
      () => introductions[Symbol.dispose](),
      host.handle(bondProtocol, (link, accept) => this.#onBond({ link, accept })),
      host.handle(laneProtocol, (link, accept) => this.#onLane({ link, accept })),
      discovery.catalog.subscribe((catalog) => this.#onCatalog(catalog)),
      metrics.mirror(() => [...this.#groups].map(([id, { mesh }]) => [id, mesh.size] as const)),
    ]
  }

  /**
   * Joins a group: announces it, unless as a reader, and has bonds with its members from now on.
   *
   * @throws {MosaikError} `GROUP_ALREADY_JOINED`; `GROUPS_TOO_MANY`, when this node is in 1024; `GROUPS_CLOSED`;
   *   `DISCOVERY_ENTRY_TOO_LARGE` when there is no room for the announcement; `DISCOVERY_CLOSED`.
   */
  join(options: MembershipOptions): GroupBonds {
    const { discovery, limits } = this.#context
    if (this.#closed !== undefined)
      throw new MosaikError('GROUPS_CLOSED', 'the groups of this node were closed')
    if (this.#groups.size >= limits.groupsMax) {
      throw new MosaikError('GROUPS_TOO_MANY', `a node is in at most ${limits.groupsMax} groups`)
    }
    const id = groupIdOf(options.key, options.parameters)
    if (this.#groups.has(id)) {
      throw new MosaikError('GROUP_ALREADY_JOINED', `this node is in group ${shortId(id)} already`)
    }
    if (options.role !== 'reader') discovery.addGroups(id)
    const group = new GroupBonds(this.#context, id, options)
    this.#groups.set(id, group)
    group.start()
    return group
  }

  /** Leaves a group in good order: takes back the announcement, and says goodbye to all. Idempotent. */
  async leave(group: GroupBonds): Promise<void> {
    if (this.#groups.get(group.id) === group) {
      this.#groups.delete(group.id)
      this.#withdraw(group)
    }
    await group.leave()
  }

  /** Leaves all groups, and serves no others. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #withdraw(group: GroupBonds): void {
    if (group.role !== 'member') return
    try {
      this.#context.discovery.removeGroups(group.id)
    } catch (error) {
      // Discovery was closed first: then this node has said goodbye altogether.
      if (!isMosaikError(error, 'DISCOVERY_CLOSED')) throw error
    }
  }

  #onCatalog(catalog: Catalog): void {
    const changed = new Set(catalog.changedSince(this.#catalog))
    this.#catalog = catalog
    for (const group of this.#groups.values()) group.onCatalog(catalog, changed)
  }

  async #onBond(incoming: Incoming): Promise<void> {
    const { metrics } = this.#context
    const { link } = incoming
    const hello = readHello(link.openPayload)
    if (hello === undefined) {
      metrics.handshake(undefined, 'acceptor', 'malformed')
      await link.close(closeReason(BondCloseReasons.InvalidHandshake, 'that is no hello of this version'))
      return
    }
    const group = this.#groups.get(hello.group)
    if (group === undefined) {
      metrics.handshake(undefined, 'acceptor', 'no_group')
      await link.close(BondCloseReasons.GroupNotFound)
      return
    }
    await group.answer(hello, incoming)
  }

  async #onLane({ link, accept }: Incoming): Promise<void> {
    const said = readLaneOpening(link.openPayload)
    if (said === undefined) {
      await link.close(closeReason(CloseReasons.ProtocolViolation, 'that is no lane of a bond'))
      return
    }
    const bond = await this.#context.directory.find(said.bond)
    if (bond === undefined || bond.peer !== link.peer) {
      await link.close(closeReason(CloseReasons.NotFound, 'there is no such bond'))
      return
    }
    await bond.acceptLane(said.lane, link, accept)
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => this.leave(group)))
    for (const stop of this.#stops) stop()
  }
}
