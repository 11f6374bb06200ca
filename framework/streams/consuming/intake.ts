import {
  CloseReasons,
  closeReason,
  type CloseReason,
  type Frame,
  type FrameReceiver,
  type Link,
  type LinkClosedError,
} from '#framework/network'
import { messageOf, nextTurn, type Clock } from '#framework/primitives'
import type { DatumDecodeError } from '../codec/datum-codec.js'
import type { ConsumerEvent } from '../consumer.js'
import { CreditWindow } from '../credit.js'
import { DatumFrameReader, type DatumFrameForm } from '../codec/datum-frame.js'
import type { FrameSource, ReceivedFrame } from './inbox.js'
import type { ProducerProgress } from './producer-progress.js'
import { parseFromProducer, StreamProtocolError, type FromConsumer, type FromProducer } from '../wire.js'

/** Datums of one life of a producer that are lost. */
export type Gap = Omit<Extract<ConsumerEvent, { type: 'gap' }>, 'type'>

/** Where what an intake receives goes. */
export interface IntakeSink {
  /** Datums have arrived. */
  onFrame(frame: ReceivedFrame): void
  /** Datums are known to be missing: `count` of them, below `sequence`. */
  onLost(gap: Gap): void
  onInvalid(): void
}

/** Who is told of the end of an intake. */
export interface IntakeOwner {
  /** The link has ended. Nothing has arrived since, and nothing will. */
  onReceptionEnded(reason: CloseReason): void
}

export interface IntakeOptions {
  readonly link: Link
  /** The first datum that the producer sends. */
  readonly first: number
  readonly form: DatumFrameForm
  readonly windowBytes: number
  /** How much of the window the producer was granted when this subscribed. */
  readonly initialBytes: number
  /** Whether the producer wants to be told what is acknowledged. */
  readonly isAcknowledged: boolean
  /** How far the consumer is with this life of the producer. */
  readonly progress: ProducerProgress
  readonly clock: Clock
  readonly sink: IntakeSink
  readonly owner: IntakeOwner
}

/** The consumer's end of one subscription: checks what arrives, accounts for what is missing, and grants credit. */
export class Intake implements FrameSource, FrameReceiver {
  readonly progress: ProducerProgress
  readonly #link: Link
  readonly #form: DatumFrameForm
  readonly #isAcknowledged: boolean
  readonly #clock: Clock
  readonly #sink: IntakeSink
  readonly #owner: IntakeOwner
  readonly #credit: CreditWindow
  readonly #unfollow: () => void
  /** The producer wants to know when everything below was taken. */
  #drainTarget: number | undefined
  /** What the producer knows to be acknowledged; undefined when that is not known here. */
  #toldAcknowledged: number | undefined
  #isAcknowledgementDue = false
  /** The producer wants to hear from this consumer. */
  #isProbed = false
  #isTelling = false
  #isDiscarded = false
  #isStopped = false

  constructor(options: IntakeOptions) {
    const { link, first, form, windowBytes, initialBytes, isAcknowledged, progress } = options
    this.progress = progress
    this.#link = link
    this.#form = form
    this.#isAcknowledged = isAcknowledged
    this.#clock = options.clock
    this.#sink = options.sink
    this.#owner = options.owner
    this.#credit = new CreditWindow(windowBytes, initialBytes)
    this.#advanceTo(first)
    this.#unfollow = progress.follow(() => this.#onProgress())
    // A subscription before this one may not have told everything.
    this.#onProgress()
  }

  get isDiscarded(): boolean {
    return this.#isDiscarded
  }

  /** Receives until the link ends. */
  start(): void {
    this.#link.deliverTo(this)
  }

  /** From the link. */
  onFrame(frame: Frame): void {
    if (this.#isStopped) return
    try {
      if (frame.kind === 'bytes') this.#handleDatums(new DatumFrameReader(frame.bytes, this.#form))
      else this.#handleMessage(parseFromProducer(frame.value))
    } catch (error) {
      // Whatever is thrown says that the producer broke the protocol.
      void this.#link.close(closeReason(CloseReasons.ProtocolViolation, messageOf(error)))
    }
  }

  /** From the link. */
  onEnded({ reason }: LinkClosedError): void {
    // Whoever has ended the link is in the middle of something: the application, that takes a datum, for one.
    queueMicrotask(() => this.#owner.onReceptionEnded(reason))
  }

  /** Lets nothing in any more: what the producer still sends is as if it had been sent after the end. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    // Whoever takes the place of this consumer is to get no more again than it must.
    if (this.#isUntold) this.#tell()
    this.#unfollow()
  }

  onDiscarded(count: number, sequence: number): void {
    if (count > 0) this.#onLost(count, sequence)
  }

  onInvalid({ kind, message }: DatumDecodeError): void {
    this.#isDiscarded = true
    this.#sink.onInvalid()
    const reason =
      kind === 'undecodable'
        ? closeReason(CloseReasons.ProtocolViolation, `a datum cannot be decoded: ${message}`)
        : closeReason(CloseReasons.SchemaMismatch, `a datum does not satisfy the schema: ${message}`)
    void this.#link.close(reason)
  }

  #handleDatums(reader: DatumFrameReader): void {
    if (!this.#credit.receive(reader.byteLength))
      throw new StreamProtocolError('a producer sent more than was granted')
    this.#advanceTo(reader.first, reader.lost)
    const lostBefore = this.progress.arrive(reader)
    this.#sink.onFrame({ source: this, reader, lostBefore, receivedAtMs: this.#clock.now() })
  }

  #handleMessage(message: FromProducer): void {
    if (message.kind === 'probe') {
      this.#isProbed = true
      return this.#onProgress()
    }
    const { kind, sequence } = message
    // Later datums than those that a drain asks about may have gone with them.
    if (kind !== 'drain' || sequence > this.progress.expected)
      this.#advanceTo(sequence, kind === 'gap' ? message.lost : undefined)
    if (kind === 'drain') {
      this.#drainTarget = sequence
      this.progress.notifyAt = sequence
    }
    this.#onProgress()
  }

  /** Nothing below the sequence number will arrive any more. */
  #advanceTo(sequence: number, lost?: number): void {
    const count = this.progress.advanceTo(sequence, lost)
    if (count > 0) this.#onLost(count, sequence)
  }

  #onLost(count: number, sequence: number): void {
    const { producer, epoch } = this.progress
    this.#sink.onLost({ producer, epoch, sequence, count })
  }

  get #isDrained(): boolean {
    return this.#drainTarget !== undefined && this.progress.taken >= this.#drainTarget
  }

  get #isUntold(): boolean {
    return this.#isAcknowledged && this.progress.acknowledged !== this.#toldAcknowledged
  }

  /** One message at a time: what is due meanwhile goes with the next. */
  #onProgress(): void {
    if (this.#isTelling) return
    if (this.#isDrained || this.#isProbed || this.#credit.isGrantDue(this.progress.heldBytes)) this.#tell()
    else if (this.#isUntold) this.#tellSoon()
  }

  /** Whatever is acknowledged in a turn of the event loop goes in one message, however little it is: the producer may wait for it. */
  #tellSoon(): void {
    if (this.#isAcknowledgementDue) return
    this.#isAcknowledgementDue = true
    void nextTurn().then(() => {
      this.#isAcknowledgementDue = false
      if (this.#isUntold && !this.#isTelling) this.#tell()
    })
  }

  #tell(): void {
    const { progress } = this
    const message: FromConsumer = {
      kind: 'credit',
      bytes: this.#credit.grant(progress.heldBytes),
      sequence: progress.taken,
      ...(this.#isAcknowledged && { acked: progress.acknowledged }),
    }
    if (this.#isDrained) {
      this.#drainTarget = undefined
      progress.notifyAt = Number.POSITIVE_INFINITY
    }
    this.#isProbed = false
    this.#toldAcknowledged = message.acked
    this.#isTelling = true
    const onSent = (): void => {
      this.#isTelling = false
      this.#onProgress()
    }
    // A link that fails ends by itself, and says so.
    this.#link.send(message).then(onSent, () => {})
  }
}
