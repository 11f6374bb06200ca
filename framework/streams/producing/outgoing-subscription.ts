import type { PeerEntry } from '#framework/discovery'
import {
  CloseReasons,
  closeReason,
  FrameBuilder,
  type CloseReason,
  type Frame,
  type FrameReceiver,
  type Link,
} from '#framework/network'
import { messageOf, nextTurn, type Clock, type PeerId, type Timer } from '#framework/primitives'
import type { ConsumerQueue } from './consumer-queue.js'
import { CreditBalance } from '../credit.js'
import { DatumFrameWriter, type DatumFrameForm } from '../codec/datum-frame.js'
import type { EgressAllowance } from './egress-limit.js'
import type { EgressSender, EgressTurns } from './egress-turns.js'
import type { DropCause, ProducerCounters } from '../metrics.js'
import type { Gap } from './send-queue.js'
import type { Stallable } from './stall-timer.js'
import { SubscriptionSnapshot } from '../subscription-snapshot.js'
import type { SubscriptionStatus } from '../subscription-status.js'
import { WriteWatch } from './write-watch.js'
import {
  bodyBytesTarget,
  parseFromConsumer,
  StreamProtocolError,
  streamsProtocol,
  type FromProducer,
  type SubscribeRequest,
} from '../wire.js'

/** How long the network may take for one frame, in milliseconds. */
const writeTimeoutMs = 30_000
/**
 * A consumer that wants none of many datums is told of them when they are so many, or after so long, in milliseconds: what
 * it takes and acknowledges is counted by their numbers.
 */
const unwantedMax = 1024
const unwantedMs = 1_000

export interface OutgoingSubscriptionOptions {
  readonly link: Link
  readonly request: SubscribeRequest
  readonly name: string
  readonly producer: PeerId
  readonly entry: PeerEntry
  /** What waits for this consumer: the producer's log from some place on, or a queue of its own. */
  readonly queue: ConsumerQueue
  /** Whether the consumer gets every datum, or those that meet its criteria. */
  readonly form: DatumFrameForm
  /** What the producer may send in all. Default: no limit. */
  readonly egress: EgressTurns | undefined
  /** Datums below are replayed: they were accepted before this consumer subscribed. */
  readonly liveFrom: number
  /** The consumer's application has taken everything below, in earlier subscriptions. */
  readonly takenUpTo: number
  /** Datums below were sent to this consumer before, in an earlier subscription. */
  readonly redeliveredBelow: number
  readonly counters: ProducerCounters
  readonly clock: Clock
  /** There is room in a queue that was full. Called with no datum half sent. */
  readonly onRoom: () => void
  /** The network has not taken a frame for too long. */
  readonly onBlocked: () => void
}

/** The producer's end of one subscription: a queue, the consumer's credit, and never more than one frame in flight. */
export class OutgoingSubscription implements EgressSender, FrameReceiver, Stallable {
  readonly consumer: PeerId
  readonly subscriber: string
  readonly attempt: number
  /** What the catalog says about the consumer now. */
  entry: PeerEntry

  readonly #options: OutgoingSubscriptionOptions
  readonly #link: Link
  readonly #queue: ConsumerQueue
  readonly #credit: CreditBalance
  readonly #builder = new FrameBuilder({ frameBytesMax: streamsProtocol.frameBytesMax })
  readonly #frame: DatumFrameWriter
  readonly #connectedAtMs: number
  /** Which process of the consumer's this is. */
  readonly #run: number
  /** Nothing is sent before the consumer was told that it is served, nor behind the end. */
  #phase: 'opening' | 'open' | 'ending' | 'over' = 'opening'
  #isWriting = false
  readonly #writeWatch: WriteWatch
  /** It has something to send, and waits for what the producer may send in all. */
  #isWaitingForTurn = false
  /** The consumer was told of everything below. */
  #told: number
  #toldTimer: Timer | undefined
  #sentDatums = 0
  #sentBytes = 0
  /** What the queue had dropped before this subscription, and what was counted of it since. */
  readonly #droppedBefore: number
  #droppedCounted: number
  /** The same of what it did not want. */
  #unwantedCounted: number
  /** Everything below was taken by the consumer's application. */
  #taken: number
  #acknowledged = 0
  #drainTarget: number
  #drainAsked: number
  readonly #drains = new Set<{ readonly target: number; readonly resolve: () => void }>()
  #emptied: PromiseWithResolvers<void> | undefined

  constructor(options: OutgoingSubscriptionOptions) {
    const { link, request, entry, queue, takenUpTo, form, clock, onBlocked } = options
    const firstSequence = queue.writtenUpTo
    this.#options = options
    this.#link = link
    this.consumer = link.peer
    this.subscriber = request.subscriber
    this.attempt = request.attempt
    this.entry = entry
    this.#run = entry.version.run
    this.#queue = queue
    this.#droppedBefore = queue.droppedCount
    this.#droppedCounted = queue.droppedCount
    this.#unwantedCounted = queue.unwantedCount
    this.#frame = new DatumFrameWriter(this.#builder, form, [options.redeliveredBelow, options.liveFrom])
    this.#told = firstSequence
    this.#credit = new CreditBalance(request.windowBytes)
    this.#writeWatch = new WriteWatch({ clock, timeoutMs: writeTimeoutMs, onBlocked })
    this.#connectedAtMs = clock.now()
    this.#taken = takenUpTo
    this.#drainTarget = takenUpTo
    this.#drainAsked = takenUpTo
  }

  /** What was written to the link, and what will never be. */
  get counts(): { readonly datums: number; readonly bytes: number; readonly dropped: number } {
    const dropped = this.#queue.droppedCount - this.#droppedBefore
    return { datums: this.#sentDatums, bytes: this.#sentBytes, dropped }
  }

  /** What the next subscription of this consumer goes on with, if there is to be one. */
  get queue(): ConsumerQueue {
    return this.#queue
  }

  /** Which datums the consumer wants. */
  get criteria(): unknown {
    return this.#options.request.criteria
  }

  /** Whether the consumer has said that it outlives its process. */
  get isDurable(): boolean {
    return this.#options.request.durable === true
  }

  /** Whether the consumer's entry is of a later process than the one that subscribed, which must then be dead. */
  isOfEarlierRunThan(entry: PeerEntry): boolean {
    return entry.version.run > this.#run
  }

  get takenMark(): number {
    return this.#sentDatums + this.#taken + this.#acknowledged
  }

  /** Whether it is for this consumer that a datum of this size cannot be sent: not if it only waits for its turn. */
  isHoldingUp(byteLength: number): boolean {
    return !this.#queue.hasRoomFor(byteLength) && !this.#isWaitingForTurn
  }

  /** Asks the consumer to say what it has taken. */
  probe(): void {
    // Where this does not get out, nothing was taken.
    this.#link.send({ kind: 'probe' } satisfies FromProducer).catch(() => {})
  }

  /** The link is open in both directions: serves it until it ends, and says why it did. Never rejects. */
  run(): Promise<CloseReason> {
    // It may have ended while the consumer was told: then what waits is for another subscription.
    if (this.#phase === 'opening') this.#phase = 'open'
    this.flush()
    this.#link.deliverTo(this)
    return this.#link.closed
  }

  /** From the link. */
  onFrame(frame: Frame): void {
    try {
      this.#handleFrame(frame)
    } catch (error) {
      // Whatever is thrown says that the consumer broke the protocol.
      void this.close(closeReason(CloseReasons.ProtocolViolation, messageOf(error)))
    }
  }

  /** From the link. Who serves this waits for the link to be over. */
  onEnded(): void {}

  /**
   * The link is over, or was never open: nobody waits for it any more. What was not sent is lost, unless it is kept for
   * the consumer to come back.
   */
  end({ isKept }: { readonly isKept: boolean }): void {
    this.#phase = 'over'
    this.#writeWatch[Symbol.dispose]()
    this.#toldTimer?.cancel()
    this.#options.egress?.leave(this)
    this.#countDrops('lagging')
    if (!isKept) this.#queue.clear()
    this.#countDrops('disconnected')
    for (const drain of this.#drains) drain.resolve()
    this.#emptied?.resolve()
  }

  /** Sends what may be sent. */
  flush(): void {
    this.#countDrops('lagging')
    if (this.#isWriting || this.#phase !== 'open') return
    this.#isWriting = true
    const lengthBefore = this.#queue.unwrittenCount
    let room: Promise<void> | undefined
    do {
      room = this.#write()
    } while (room === written)
    if (room === undefined) {
      this.#isWriting = false
      this.#goOnLater(lengthBefore)
    } else {
      this.#writeWatch.onBegun()
      // A link that fails ends by itself: there is nothing to be done about it here.
      void room.then(this.#onRoom, () => {})
    }
    if (this.#queue.unwrittenCount < lengthBefore) this.#options.onRoom()
    if (this.#queue.unwrittenCount === 0) this.#emptied?.resolve()
  }

  /**
   * Resolves when the consumer's application has taken everything below the sequence number, when the link has ended, or
   * when nobody wants to know any more.
   */
  drained(target: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#taken >= target || this.#phase === 'over') return Promise.resolve()
    return new Promise((resolve) => {
      const drain = {
        target,
        resolve: () => {
          signal?.removeEventListener('abort', drain.resolve)
          this.#drains.delete(drain)
          resolve()
        },
      }
      signal?.addEventListener('abort', drain.resolve)
      this.#drains.add(drain)
      this.#drainTarget = Math.max(this.#drainTarget, target)
      this.flush()
    })
  }

  /** Ends in good order: sends what is queued until the signal aborts, marks the end, and closes. Never rejects. */
  async finish(endSequence: number, signal: AbortSignal): Promise<void> {
    await this.#whenEmpty(signal)
    if (this.#phase !== 'over') this.#phase = 'ending'
    if (this.#options.form === 'selection') this.#tellRest()
    // Whether it gets out is the link's business: close() comes behind it, and is bounded.
    this.#link.send({ kind: 'end', sequence: endSequence } satisfies FromProducer).catch(() => {})
    await this.#link.close(CloseReasons.GracefulShutdown)
  }

  /** Ends for a reason. Resolves when the link is over; never rejects. */
  async close(reason: CloseReason): Promise<void> {
    await this.#link.close(reason)
  }

  /** This end of the subscription as others see it. */
  status(): SubscriptionStatus {
    const { request, name, producer } = this.#options
    const status = {
      stream: request.stream,
      name,
      role: 'producer',
      producer,
      consumer: this.consumer,
      state: 'connected',
      peer: this.entry,
      connectedAtMs: this.#connectedAtMs,
      attempt: this.attempt,
    } as const
    return new SubscriptionSnapshot(status, this)
  }

  /** @returns A promise of room; {@link written} when there is room already; undefined when nothing may be sent. */
  #write(): Promise<void> | undefined {
    const { form, egress } = this.#options
    const bytes = this.#fill()
    const { count } = this.#frame
    if (count > 0) {
      this.#credit.spend(this.#frame.bodyBytes)
      egress?.spend(count, bytes)
      this.#countSent(count, bytes)
      this.#told = this.#frame.next
      return this.#writeFrame(this.#frame.take())
    }
    const isDrainDue = this.#drainAsked < this.#drainTarget && this.#queue.writtenUpTo >= this.#drainTarget
    const gap = this.#queue.takeGap(isDrainDue ? 1 : unwantedMax)
    if (gap !== undefined) return this.#sendGap(gap)
    // In a selection, a datum that waits may be the one that shows what is before it.
    if (isDrainDue && (form === 'all' || this.#told >= this.#drainTarget)) {
      this.#drainAsked = this.#drainTarget
      return this.#link.send({ kind: 'drain', sequence: this.#drainTarget } satisfies FromProducer)
    }
    return undefined
  }

  /** @returns The bytes of the datums that were put into the frame. */
  #fill(): number {
    const creditBytes = this.#credit.available
    const { egress } = this.#options
    if (egress === undefined) return this.#queue.fill(this.#frame, { creditBytes, bodyBytesTarget })
    const allowance = this.#allowance(egress, creditBytes)
    if (allowance === undefined) return 0
    return this.#queue.fill(this.#frame, {
      creditBytes,
      bodyBytesTarget: Math.min(bodyBytesTarget, allowance.bytes),
      datumsMax: allowance.datums,
    })
  }

  #allowance(egress: EgressTurns, creditBytes: number): EgressAllowance | undefined {
    this.#isWaitingForTurn = false
    if (this.#queue.unwrittenCount === 0 || creditBytes <= 0) return undefined
    const allowance = egress.allowance(this)
    this.#isWaitingForTurn = allowance === undefined
    return allowance
  }

  #sendGap({ sequence, lost }: Gap): Promise<void> {
    this.#told = sequence
    const isSelection = this.#options.form === 'selection'
    return this.#link.send({ kind: 'gap', sequence, ...(isSelection && { lost }) } satisfies FromProducer)
  }

  /**
   * Nothing more can be written at this moment.
   *
   * @param lengthBefore How many datums were not written before.
   */
  #goOnLater(lengthBefore: number): void {
    const { clock, form } = this.#options
    const { unwrittenCount, writtenUpTo } = this.#queue
    if (form === 'all' || writtenUpTo <= this.#told) return
    if (unwrittenCount > 0 && unwrittenCount < lengthBefore) {
      // A part of what was kept was looked at, and nothing of it was wanted.
      void nextTurn().then(() => this.flush())
    } else if (unwrittenCount === 0) {
      this.#toldTimer ??= clock.after(unwantedMs, this.#tellUnwanted)
    }
  }

  /** Says what became of everything that was not sent: the end itself says that all of it is lost. */
  #tellRest(): void {
    this.#queue.clear()
    this.#countDrops('disconnected')
    const gap = this.#queue.takeGap()
    if (gap !== undefined) this.#sendGap(gap).catch(() => {})
  }

  readonly #tellUnwanted = (): void => {
    this.#toldTimer = undefined
    // While something is written, what follows it tells, or sets the timer again.
    if (this.#isWriting || this.#phase !== 'open') return
    const gap = this.#queue.takeGap()
    // A link that fails ends by itself.
    if (gap !== undefined) this.#sendGap(gap).catch(() => {})
  }

  #writeFrame(frame: Uint8Array): Promise<void> {
    const recycle = (): void => {
      if (this.#link.buffersReusable) this.#builder.recycle(frame)
    }
    const room = this.#link.sendFrame(frame)
    if (room !== undefined) return room.then(recycle)
    recycle()
    return written
  }

  readonly #onRoom = (): void => {
    this.#writeWatch.onTaken()
    this.#isWriting = false
    this.flush()
  }

  #handleFrame(frame: Frame): void {
    if (frame.kind !== 'message') throw new StreamProtocolError('a consumer sends no datums')
    const { bytes, sequence, acked } = parseFromConsumer(frame.value)
    if (!this.#credit.grant(bytes)) throw new StreamProtocolError('a consumer does not take credit back')
    this.#taken = Math.max(this.#taken, sequence)
    if (acked !== undefined) this.#acknowledge(acked)
    for (const drain of this.#drains) {
      if (this.#taken >= drain.target) drain.resolve()
    }
    this.flush()
  }

  #acknowledge(sequence: number): void {
    const lengthBefore = this.#queue.length
    this.#acknowledged = Math.max(this.#acknowledged, sequence)
    this.#queue.acknowledge(sequence)
    if (this.#queue.length < lengthBefore) this.#options.onRoom()
  }

  #whenEmpty(signal: AbortSignal): Promise<void> {
    if (this.#queue.unwrittenCount === 0 || this.#phase === 'over' || signal.aborted) return Promise.resolve()
    const emptied = Promise.withResolvers<void>()
    this.#emptied = emptied
    signal.addEventListener('abort', () => emptied.resolve(), { once: true })
    return emptied.promise
  }

  #countSent(datums: number, bytes: number): void {
    const { counters } = this.#options
    const [redelivered = 0, beforeLive = 0] = this.#frame.belowMarks
    this.#sentDatums += datums
    this.#sentBytes += bytes
    counters.sentItems.add(datums)
    counters.sentBytes.add(bytes)
    if (redelivered > 0) counters.redeliveredItems.add(redelivered)
    if (beforeLive > redelivered) counters.replayedItems.add(beforeLive - redelivered)
  }

  #countDrops(cause: DropCause): void {
    const { droppedCount, unwantedCount } = this.#queue
    const { counters } = this.#options
    counters.dropped(cause, droppedCount - this.#droppedCounted)
    if (unwantedCount > this.#unwantedCounted)
      counters.filteredItems.add(unwantedCount - this.#unwantedCounted)
    this.#droppedCounted = droppedCount
    this.#unwantedCounted = unwantedCount
  }
}

/** What {@link OutgoingSubscription.flush} goes on after at once: there is room for more. */
const written: Promise<void> = Promise.resolve()
