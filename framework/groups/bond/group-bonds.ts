import {
  ExpiryAlarm,
  ticketIdOf,
  type Catalog,
  type PeerEntry,
  type Ticket,
  type TicketValidator,
} from '#framework/discovery'
import { CloseReasons, type CloseReason, type Link } from '#framework/network'
import {
  TaskScope,
  messageOf,
  rethrowLater,
  shortId,
  type GroupId,
  type PeerId,
  type Timer,
} from '#framework/primitives'
import { attachmentRank, bondsWantedBy } from './attachment.js'
import { Bond, frameOf, type BondEnd } from './bond.js'
import type { BondContext } from './bond-context.js'
import { BondCloseReasons, BondRefusedError, failureReason } from './close-reasons.js'
import { DialArbiter, type Attempt } from './dial-arbiter.js'
import type { GroupParameters } from './group-id.js'
import type { GroupKey } from './group-key.js'
import { Handshakes, learn, type Incoming, type Proven } from './handshakes.js'
import type { BondRole } from './handshake.js'
import type { Hello } from './handshake-messages.js'
import { laneProtocol, openLanePayload, type Lane, type OpenedLane } from './lanes.js'
import { BondTable, type Mesh } from './mesh.js'
import { resultOf, type BondCounters } from './metrics.js'
import { ReconnectPlan } from './reconnect-plan.js'
import { TicketGate } from './ticket-gate.js'

/** Whom a group tells what happens on its bonds. Called synchronously. */
export interface GroupEvents {
  /** There is a bond with a member. Where it takes the place of another, that one was lost before. */
  onBonded?(bond: Bond): void
  /**
   * A message has arrived. While a promise is pending that this returns, nothing more is read from the lane. Throwing
   * says that it is no message, and ends the bond with ProtocolViolation (400).
   *
   * @param message May be a view into something larger, and keep it alive.
   */
  onMessage(bond: Bond, lane: Lane, message: Uint8Array): void | Promise<void>
  /** Nothing has come from the peer for longer than it should, on any bond, for so many milliseconds at least. */
  onDoubt?(bond: Bond, silentMs: number): void
  /** The bond is over. Nothing arrives on it any more. */
  onLost?(bond: Bond, end: BondEnd): void
}

/** How a node is in a group. */
export interface MembershipOptions {
  readonly key: GroupKey
  readonly parameters: Omit<GroupParameters, 'validators'> & {
    readonly validators: readonly TicketValidator[]
  }
  /** Which life of this node's storage this is: 8 random bytes, hexadecimal. */
  readonly incarnation: string
  /**
   * A `member` is announced, and has a bond with every other one. A `reader` is not, so that nobody looks for it: it
   * finds three members itself. Default `member`.
   */
  readonly role?: BondRole
  /** What this node can do beyond the version of bonds. Default: nothing. */
  readonly capabilities?: readonly string[]
  readonly events: GroupEvents
}

/**
 * The bonds of one group on one node: finds the other members in the catalog, dials them and answers them, lets in who has
 * the key and the tickets, and sees to it that there is one bond with each for as long as that holds.
 */
export class GroupBonds {
  readonly id: GroupId
  readonly role: BondRole
  readonly #context: BondContext
  readonly #options: MembershipOptions
  readonly #gate: TicketGate
  readonly #arbiter: DialArbiter
  readonly #plan: ReconnectPlan
  readonly #handshakes: Handshakes
  readonly #alarm: ExpiryAlarm
  readonly #table = new BondTable()
  readonly #counters: BondCounters
  /** Of the attempts that are under way. */
  readonly #aborts = new Map<Attempt, AbortController>()
  readonly #scope = new TaskScope()
  #timer: Timer | undefined
  #ownTickets: readonly Ticket[]
  #incarnation: string
  #left: Promise<void> | undefined

  /** @param id As `groupIdOf` derives it from key and parameters. */
  constructor(context: BondContext, id: GroupId, options: MembershipOptions) {
    const { host, discovery, clock, random, limits, metrics } = context
    const { key, parameters, role = 'member', capabilities = [] } = options
    const self = host.peerId
    this.id = id
    this.role = role
    this.#context = context
    this.#options = options
    this.#gate = new TicketGate(parameters.validators)
    this.#arbiter = new DialArbiter(self)
    this.#plan = new ReconnectPlan({
      self,
      random,
      bondsWanted: Math.min(bondsWantedBy(role), limits.bondsMax),
      dialsMax: limits.dialsMax,
      ...(role === 'reader' && { rank: (peer: PeerId) => attachmentRank(self, peer) }),
    })
    this.#handshakes = new Handshakes({
      context,
      group: this.id,
      proofKey: key.proofKey,
      role,
      incarnation: () => this.#incarnation,
      capabilities,
      admit: (attempt) => this.#admit(attempt),
      keep: (attempt, proven) => this.#keep(attempt, proven),
    })
    this.#alarm = new ExpiryAlarm(clock, () => this.#onExpiry())
    this.#counters = metrics.forGroup(this.id)
    this.#ownTickets = discovery.me.tickets
    this.#incarnation = options.incarnation
  }

  /** The bonds there are. */
  get mesh(): Mesh {
    return this.#table
  }

  /** Begins to look for the other members. */
  start(): void {
    const catalog = this.#context.discovery.catalog.value
    this.onCatalog(catalog, new Set(catalog.peers.keys()))
  }

  /**
   * Sends one message on several bonds, encoded once.
   *
   * @param to Default: all.
   * @returns Those on which it was refused, because too much waits there already or because they are over.
   * @throws {FrameTooLargeError} As {@link Bond.send}.
   */
  broadcast(lane: Lane, message: Uint8Array, to: Iterable<Bond> = this.#table): readonly Bond[] {
    const frame = frameOf(lane, message)
    return [...to].filter((bond) => bond.sendFrame(lane, frame) !== 'sent')
  }

  /** What these peers say of themselves has changed. */
  onCatalog(catalog: Catalog, changed: ReadonlySet<PeerId>): void {
    if (this.#left !== undefined) return
    const { host, clock } = this.#context
    const nowMs = clock.monotonic()
    let isNews = changed.has(host.peerId) && this.#onOwnEntry(catalog.me, nowMs)
    for (const peer of changed) {
      if (peer !== host.peerId && this.#consider(peer, catalog.get(peer), nowMs)) isNews = true
    }
    if (isNews) this.#settle()
  }

  /** A peer has said hello, and named this group. Never rejects. */
  async answer(hello: Hello, incoming: Incoming): Promise<void> {
    const { link } = incoming
    const attempt = this.#answerable(hello, link.peer)
    if ('code' in attempt) {
      this.#onFailed('acceptor', link.peer, new BondRefusedError(attempt))
      await link.close(attempt)
      return
    }
    await this.#run(attempt, (signal) => this.#handshakes.answer(attempt, hello, incoming, signal))
  }

  /** This node is another member from now on: bonds of the one it was end, and others are made at once, whatever failed before. */
  renew(incarnation: string): void {
    if (incarnation === this.#incarnation) return
    this.#incarnation = incarnation
    for (const abort of this.#aborts.values()) abort.abort(new BondRefusedError(CloseReasons.Cancelled))
    for (const bond of this.#table) void bond.close(CloseReasons.Cancelled)
    this.#plan.retryAll(this.#context.clock.monotonic())
    this.#settle()
  }

  /** Ends all bonds in good order, within `departureMs`. Idempotent. */
  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  // Whom to have a bond with

  /** Whoever refused this node for its tickets may think better of it now. */
  #onOwnEntry(me: PeerEntry, nowMs: number): boolean {
    const isNews = !haveSameIds(me.tickets, this.#ownTickets)
    if (isNews) this.#plan.retryAll(nowMs)
    this.#ownTickets = me.tickets
    return isNews
  }

  /** @returns Whether the peer has to do with the group: most of a large network has not. */
  #consider(peer: PeerId, entry: PeerEntry | undefined, nowMs: number): boolean {
    const bond = this.#table.get(peer)
    const isMember = entry?.groups.includes(this.id) === true
    if (!isMember && bond === undefined && !this.#plan.has(peer)) return false
    const isAllowed = entry !== undefined && this.#isAllowed(entry)
    if (isAllowed && isMember) {
      this.#plan.offer(peer, nowMs)
      if (bond !== undefined) this.#plan.bonded(peer, nowMs)
    } else {
      this.#plan.withdraw(peer)
    }
    if (bond !== undefined && entry !== undefined) {
      bond.entry = entry
      if (!isAllowed) void bond.close(BondCloseReasons.NotAllowed)
    }
    return true
  }

  #isAllowed(entry: PeerEntry): boolean {
    return this.#gate.judge(entry, this.#context.clock.now()) !== 'refused'
  }

  #onExpiry(): void {
    for (const bond of this.#table) {
      if (!this.#isAllowed(bond.entry)) void bond.close(BondCloseReasons.NotAllowed)
    }
    this.#settle()
  }

  /** Something has changed: sees to it that whatever is due next is done in time. */
  #settle(): void {
    if (this.#left !== undefined) return
    const { clock } = this.#context
    const nowMs = clock.now()
    const admissions = [...this.#table].map(({ entry }) => this.#gate.judge(entry, nowMs))
    this.#alarm.set(admissions.filter((admission) => admission !== 'refused'))
    this.#timer?.cancel()
    this.#timer = clock.after(this.#plan.nextMs - clock.monotonic(), () => this.#dialDue())
  }

  #dialDue(): void {
    const nowMs = this.#context.clock.monotonic()
    for (const peer of this.#plan.take(nowMs)) {
      const attempt = this.#table.has(peer) ? undefined : this.#arbiter.dial(peer)
      if (attempt === undefined) this.#plan.failed(peer, nowMs)
      else
        this.#scope.spawn('dial', () =>
          this.#run(attempt, (signal) => this.#handshakes.dial(attempt, signal)),
        )
    }
    this.#settle()
  }

  // Attempts

  /** The attempt that answers a hello, or why there is none. */
  #answerable(hello: Hello, peer: PeerId): Attempt | CloseReason {
    learn(this.#context, hello.entry)
    const refusal = this.#refusal(peer)
    if (refusal !== undefined) return refusal
    const answer = this.#arbiter.answer(peer)
    if ('refused' in answer) return BondCloseReasons.AlreadyBonded
    if (answer.displaced !== undefined) {
      this.#aborts.get(answer.displaced)?.abort(new BondRefusedError(BondCloseReasons.AlreadyBonded))
    }
    return answer.attempt
  }

  #refusal(peer: PeerId): CloseReason | undefined {
    const entry = this.#context.discovery.catalog.value.get(peer)
    if (this.#left !== undefined) return BondCloseReasons.GroupNotFound
    if (entry === undefined) return CloseReasons.UnknownPeer
    if (!this.#isAllowed(entry)) return BondCloseReasons.NotAllowed
    const isFull = this.#table.size >= this.#context.limits.bondsMax && !this.#table.has(peer)
    return isFull ? BondCloseReasons.NoCapacity : undefined
  }

  #admit(attempt: Attempt): PeerEntry | CloseReason {
    const entry = this.#context.discovery.catalog.value.get(attempt.peer)
    if (!this.#arbiter.isCurrent(attempt)) return BondCloseReasons.AlreadyBonded
    return this.#refusal(attempt.peer) ?? entry ?? CloseReasons.UnknownPeer
  }

  async #run(attempt: Attempt, handshake: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { metrics, clock } = this.#context
    const { peer, side } = attempt
    const abort = new AbortController()
    this.#aborts.set(attempt, abort)
    try {
      await handshake(abort.signal)
      metrics.handshake(this.id, side, 'bonded')
    } catch (error) {
      this.#onFailed(side, peer, error)
      if (side === 'dialler') this.#plan.failed(peer, clock.monotonic())
    } finally {
      this.#arbiter.end(attempt)
      this.#aborts.delete(attempt)
      this.#settle()
    }
  }

  #onFailed(side: Attempt['side'], peer: PeerId, error: unknown): void {
    const { metrics, logger } = this.#context
    const result = resultOf(failureReason(error))
    metrics.handshake(this.id, side, result)
    // Nobody without the key knows what to call the group: it is a mistake, or somebody tries.
    const level = result === 'proof' ? 'warn' : 'debug'
    logger[level]('no bond', {
      group: shortId(this.id),
      peer: shortId(peer),
      side,
      cause: messageOf(error),
    })
  }

  // Bonds

  #keep(attempt: Attempt, { link, terms, entry }: Proven): Bond {
    const { clock, limits, directory, hearts } = this.#context
    const { peer } = attempt
    // The peer dials when it has no bond, whatever this side believes.
    void this.#table.get(peer)?.close(BondCloseReasons.AlreadyBonded)
    const bond = new Bond({
      group: this.id,
      peer,
      terms,
      entry,
      control: link,
      openLane: (of, lane, signal) => this.#openLane(of, lane, signal),
      events: {
        onMessage: (of, lane, message) => this.#options.events.onMessage(of, lane, message),
        onDoubt: (of, silentMs) => this.#tell(() => this.#options.events.onDoubt?.(of, silentMs)),
        onEnded: (of, end) => this.#onEnded(of, end),
      },
      timing: this.#options.parameters.timing,
      limits,
      counters: this.#counters,
      hearts,
      clock,
    })
    directory.add(bond)
    this.#table.put(bond)
    this.#plan.bonded(peer, clock.monotonic())
    this.#tell(() => this.#options.events.onBonded?.(bond))
    bond.start()
    this.#settle()
    return bond
  }

  #openLane({ peer, id }: Bond, lane: OpenedLane, signal: AbortSignal): Promise<Link> {
    const { host, limits } = this.#context
    const payload = openLanePayload({ bond: id, lane })
    return host.open({ peer }, laneProtocol, { payload, signal, timeoutMs: limits.handshakeTimeoutMs })
  }

  #onEnded(bond: Bond, end: BondEnd): void {
    const { clock, directory } = this.#context
    const hasLeft = end.by === 'remote' && end.reason.code === CloseReasons.GracefulShutdown.code
    directory.remove(bond.id)
    this.#table.remove(bond)
    this.#plan.lost(bond.peer, clock.monotonic(), hasLeft)
    this.#tell(() => this.#options.events.onLost?.(bond, end))
    this.#settle()
  }

  /** What the owner throws is not the fault of the peer. */
  #tell(event: () => void): void {
    try {
      event()
    } catch (error) {
      rethrowLater(error)
    }
  }

  async #leave(): Promise<void> {
    this.#timer?.cancel()
    this.#alarm.cancel()
    for (const abort of this.#aborts.values()) {
      abort.abort(new BondRefusedError(CloseReasons.GracefulShutdown))
    }
    await Promise.all([...this.#table].map((bond) => bond.depart()))
    await this.#scope.close()
    this.#table.end()
    this.#counters[Symbol.dispose]()
  }
}

function haveSameIds(a: readonly Ticket[], b: readonly Ticket[]): boolean {
  return a === b || a.map(ticketIdOf).join() === b.map(ticketIdOf).join()
}
