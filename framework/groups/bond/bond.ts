import type { PeerEntry } from '#framework/discovery'
import {
  CloseReasons,
  LinkClosedError,
  bytesFrame,
  closeReason,
  type CloseReason,
  type ClosedBy,
  type Link,
} from '#framework/network'
import {
  TaskScope,
  invariant,
  messageOf,
  type Clock,
  type Digest,
  type GroupId,
  type PeerId,
} from '#framework/primitives'
import type { MemberId } from '../raft/types.js'
import type { BondLimits } from './bond-limits.js'
import { BondCloseReasons } from './close-reasons.js'
import type { GroupTiming } from './group-timing.js'
import type { BondRole, BondTerms } from './handshake.js'
import type { Hearts, Pulse } from './hearts.js'
import { LaneSender, type SendResult } from './lane-sender.js'
import { frameBytesMaxOf, openedLanes, type Lane, type OpenedLane } from './lanes.js'
import type { BondCounters } from './metrics.js'

/** How a bond has ended, and whose doing that was. */
export interface BondEnd {
  readonly reason: CloseReason
  readonly by: ClosedBy
}

/** Whom a bond tells what happens on it. Called synchronously. */
export interface BondEvents {
  /**
   * A message has arrived. While a promise is pending that this returns, nothing more is read from the lane, and the
   * sender is held back; other lanes go on. When it throws, the message was none, and the bond ends with
   * ProtocolViolation (400).
   *
   * @param message May be a view into something larger, and keep it alive.
   */
  onMessage(bond: Bond, lane: Lane, message: Uint8Array): void | Promise<void>
  /** Nothing has come from the peer for longer than it should, on any bond, for so many milliseconds at least. */
  onDoubt(bond: Bond, silentMs: number): void
  /** The bond is over. Nothing arrives on it any more. */
  onEnded(bond: Bond, end: BondEnd): void
}

export interface BondOptions {
  readonly group: GroupId
  readonly peer: PeerId
  readonly terms: BondTerms
  /** The entry that the peer was let in by. */
  readonly entry: PeerEntry
  /** The link of the handshake, which becomes the control lane. */
  readonly control: Link
  readonly openLane: (bond: Bond, lane: OpenedLane, signal: AbortSignal) => Promise<Link>
  readonly events: BondEvents
  readonly timing: GroupTiming
  readonly limits: BondLimits
  readonly counters: BondCounters
  readonly hearts: Hearts
  readonly clock: Clock
}

/** An empty frame on the control lane: a sign of life, when there is nothing else to say. */
const PING = bytesFrame(new Uint8Array(0), frameBytesMaxOf('control'))

/**
 * An authenticated, persistent pair of members of one group, over which they exchange messages that mean nothing to it:
 * in order within each lane, at most once, and lost when the bond ends.
 */
export class Bond {
  readonly group: GroupId
  readonly peer: PeerId
  /** The other side as a member of the group. */
  readonly member: MemberId
  readonly role: BondRole
  /** The same on both sides, and known to nobody else. */
  readonly id: Digest
  /** What both sides can do beyond the version of bonds. */
  readonly capabilities: readonly string[]
  /** Resolves when the bond is over and its links are closed. Never rejects. */
  readonly closed: Promise<BondEnd>
  /** The newest entry of the peer that this node knows. */
  entry: PeerEntry

  readonly #options: BondOptions
  readonly #senders: Readonly<Record<Lane, LaneSender>>
  readonly #inbound = new Map<Lane, Link>()
  readonly #pulse: Pulse
  readonly #scope = new TaskScope()
  readonly #closed = Promise.withResolvers<BondEnd>()
  #end: BondEnd | undefined

  constructor(options: BondOptions) {
    const { group, peer, terms, entry, control, timing, hearts, events } = options
    this.group = group
    this.peer = peer
    this.member = `${peer}/${terms.incarnation}` as MemberId
    this.role = terms.role
    this.id = terms.id
    this.capabilities = terms.capabilities
    this.closed = this.#closed.promise
    this.entry = entry
    this.#options = options
    this.#senders = {
      control: this.#sender('control', control),
      ...(Object.fromEntries(
        openedLanes.map((lane) => [lane, this.#sender(lane, () => this.#openLane(lane))]),
      ) as Record<OpenedLane, LaneSender>),
    }
    this.#pulse = hearts.join(peer, timing, {
      ping: () => this.#ping(),
      onDoubt: (silentMs) => events.onDoubt(this, silentMs),
      onSilence: (missed) => this.#onSilence(missed),
    })
  }

  /** Begins to read. Apart from the constructor, so that the owner knows the bond first. */
  start(): void {
    this.#read('control', this.#options.control)
  }

  /** How it has ended; undefined while it has not. */
  get end(): BondEnd | undefined {
    return this.#end
  }

  /**
   * Sends a message. Never waits: a message that finds too much waiting already is refused, and `busy` says so.
   *
   * @throws {FrameTooLargeError} FRAME_TOO_LARGE for a message that is longer than its lane takes: 64 KiB on the control
   *   lane, 4 MiB on the others, one byte less.
   */
  send(lane: Lane, message: Uint8Array): SendResult {
    return this.sendFrame(lane, frameOf(lane, message))
  }

  /** {@link send} for what {@link frameOf} has made: the same frame may go to any number of bonds. */
  sendFrame(lane: Lane, frame: Uint8Array): SendResult {
    if (this.#end !== undefined) return 'closed'
    const result = this.#senders[lane].send(frame)
    const { counters } = this.#options
    if (result === 'busy') counters.refused(lane)
    if (result !== 'sent') return result
    counters.sent(lane, frame.byteLength)
    // On any other lane it may be held up for long.
    if (lane === 'control') this.#pulse.onSent()
    return 'sent'
  }

  /**
   * Resolves when a lane that was busy takes a message of that length and has emptied by half, and when the bond is over.
   *
   * @throws The signal's reason.
   */
  room(lane: Lane, byteLength: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#senders[lane].room(byteLength, options.signal)
  }

  /**
   * Takes in a lane that the other side has opened.
   *
   * @returns Whether it was accepted; otherwise it was closed.
   */
  async acceptLane(lane: OpenedLane, link: Link, accept: () => Promise<void>): Promise<boolean> {
    if (this.#end !== undefined || this.#inbound.has(lane)) {
      await link.close(
        this.#end?.reason ?? closeReason(CloseReasons.ProtocolViolation, 'the lane is open already'),
      )
      return false
    }
    this.#inbound.set(lane, link)
    await accept()
    this.#read(lane, link)
    return true
  }

  /** Ends the bond at once, for a reason that the other side is told. Idempotent: the first reason counts. */
  close(reason: CloseReason): Promise<BondEnd> {
    this.#finish({ reason, by: 'local' })
    return this.closed
  }

  /** Leaves in good order: sends what waits on the control lane, then says goodbye. Takes `departureMs` at most. */
  async depart(): Promise<void> {
    const { clock, limits } = this.#options
    const startMs = clock.monotonic()
    using patience = clock.deadline(limits.departureMs)
    await this.#senders.control.idle(patience.signal).catch(() => {
      // The other side does not read: it will find out by itself.
    })
    const restMs = limits.departureMs - (clock.monotonic() - startMs)
    this.#finish({ reason: CloseReasons.GracefulShutdown, by: 'local' }, Math.max(restMs, 1))
    await this.closed
  }

  #sender(lane: Lane, link: Link | (() => Promise<Link>)): LaneSender {
    return new LaneSender({
      link,
      bytesMax: this.#options.limits.laneBytesMax[lane],
      onFailed: (cause) => this.#finish(endBy(cause)),
    })
  }

  async #openLane(lane: OpenedLane): Promise<Link> {
    const link = await this.#options.openLane(this, lane, this.#scope.signal)
    if (this.#end !== undefined) {
      void link.close(this.#end.reason)
      throw new LinkClosedError(this.#end.reason, 'local', link)
    }
    this.#scope.spawn(`end of the ${lane} lane`, async () => {
      try {
        await link.recv()
        this.#violation('a word on a lane that this side has opened')
      } catch (cause) {
        this.#finish(endBy(cause))
      }
    })
    return link
  }

  #read(lane: Lane, link: Link): void {
    this.#scope.spawn(`${lane} lane`, async (signal) => {
      try {
        while (!signal.aborted) {
          const frame = await link.recv()
          this.#pulse.onReceived()
          if (frame.kind !== 'bytes') return this.#violation('a message where bytes were due')
          if (frame.bytes.byteLength > 0) await this.#deliver(lane, frame.bytes)
          else if (lane !== 'control') return this.#violation('an empty message')
        }
      } catch (cause) {
        this.#finish(endBy(cause))
      }
    })
  }

  async #deliver(lane: Lane, message: Uint8Array): Promise<void> {
    if (this.#end !== undefined) return
    const { events, counters } = this.#options
    counters.received(lane, message.byteLength)
    try {
      // Most messages are dealt with at once, and then cost no turn of the event loop.
      const pending = events.onMessage(this, lane, message)
      if (pending !== undefined) await pending
    } catch (error) {
      this.#violation(messageOf(error))
    }
  }

  #violation(message: string): void {
    void this.close(closeReason(CloseReasons.ProtocolViolation, message))
  }

  #ping(): boolean {
    // While something waits on the lane, a ping would only wait behind it.
    return this.#senders.control.isIdle && this.#senders.control.send(PING) === 'sent'
  }

  #onSilence(missed: number): void {
    const message = `nothing was heard for ${missed} heartbeats`
    void this.close(closeReason(BondCloseReasons.Timeout, message))
  }

  #finish(end: BondEnd, closeMs = this.#options.limits.departureMs): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#pulse.stop()
    const { counters, control, events } = this.#options
    const links = new Set<Link>([control, ...this.#inbound.values()])
    for (const sender of Object.values(this.#senders)) {
      sender.close()
      if (sender.link !== undefined) links.add(sender.link)
    }
    counters.ended(end)
    events.onEnded(this, end)
    void this.#closeLinks(links, closeMs)
  }

  async #closeLinks(links: Iterable<Link>, timeoutMs: number): Promise<void> {
    const { reason } = this.#end!
    await Promise.all([...links].map((link) => link.close(reason, { timeoutMs })))
    // What the owner still does with a message is not waited for: it may be what has closed the bond.
    void this.#scope.close()
    this.#closed.resolve(this.#end!)
  }
}

/**
 * The frame of a message, to be sent on any number of bonds without being encoded again.
 *
 * @throws {FrameTooLargeError} As {@link Bond.send}.
 */
export function frameOf(lane: Lane, message: Uint8Array): Uint8Array {
  invariant(message.byteLength > 0, 'a message on a bond has at least one byte')
  return bytesFrame(message, frameBytesMaxOf(lane))
}

/** A link of the bond is over, and with it the bond. */
function endBy(cause: unknown): BondEnd {
  if (cause instanceof LinkClosedError) return { reason: cause.reason, by: cause.by }
  return { reason: closeReason(CloseReasons.UnexpectedClose, messageOf(cause)), by: 'transport' }
}
