import {
  CloseReasons,
  closeReason,
  LinkClosedError,
  type CloseReason,
  type Frame,
  type Link,
} from '#framework/network'
import { messageOf, type Clock, type PeerId } from '#framework/primitives'
import type { ConsumerEvent } from './consumer.js'
import { CreditWindow } from './credit.js'
import { DatumFrameReader } from './datum-frame.js'
import type { DatumViolation, FrameSource } from './inbox.js'
import {
  parseFromProducer,
  StreamProtocolError,
  type FromConsumer,
  type FromProducer,
  type Subscribed,
} from './wire.js'

/** Datums of one life of a producer that are lost. */
export type Gap = Omit<Extract<ConsumerEvent, { type: 'gap' }>, 'type'>

/** Where what an intake receives goes. */
export interface IntakeSink {
  /** Datums have arrived. */
  onFrame(
    source: FrameSource,
    reader: DatumFrameReader,
    arrival: { lostBefore: number; receivedAtMs: number },
  ): void
  /** Datums are known to be missing: `count` of them, below `sequence`. */
  onLost(gap: Gap): void
  onTaken(byteLength: number): void
  onInvalid(): void
}

export interface IntakeOptions {
  readonly link: Link
  readonly greeting: Subscribed
  readonly windowBytes: number
  readonly clock: Clock
  readonly sink: IntakeSink
  /** Datums of the same epoch that went by while there was no subscription. */
  readonly missed: number
}

/** The consumer's end of one subscription: checks what arrives, accounts for what is missing, and grants credit. */
export class Intake implements FrameSource {
  readonly envelopeHead: { readonly producer: PeerId; readonly epoch: string }
  readonly #link: Link
  readonly #clock: Clock
  readonly #sink: IntakeSink
  readonly #credit: CreditWindow
  /** Everything below has arrived or is lost. */
  #expected: number
  /** The last datum that arrived is the one before. */
  #arrived: number
  /** Everything below was taken by the application or is lost. */
  #taken: number
  /** Lost datums that no frame has told of yet. */
  #lostBefore: number
  /** The producer wants to know when everything below was taken. */
  #drainTarget: number | undefined
  #isGranting = false
  #isDiscarded = false

  constructor(options: IntakeOptions) {
    const { link, greeting, windowBytes, clock, sink, missed } = options
    this.envelopeHead = { producer: link.peer, epoch: greeting.epoch }
    this.#link = link
    this.#clock = clock
    this.#sink = sink
    this.#credit = new CreditWindow(windowBytes)
    this.#expected = greeting.sequence
    this.#arrived = greeting.sequence
    this.#taken = greeting.sequence
    this.#lostBefore = missed
    if (missed > 0) this.#onLost(missed, greeting.sequence)
  }

  get isDiscarded(): boolean {
    return this.#isDiscarded
  }

  /** The sequence number of the next datum to arrive. */
  get expected(): number {
    return this.#expected
  }

  /** Receives until the link ends, and says why it did. Never rejects. */
  async run(): Promise<CloseReason> {
    try {
      for (;;) this.#handleFrame(await this.#link.recv())
    } catch (error) {
      if (error instanceof LinkClosedError) return error.reason
      // Whatever else is thrown says that the producer broke the protocol.
      await this.#link.close(closeReason(CloseReasons.ProtocolViolation, messageOf(error)))
      return this.#link.closed
    }
  }

  onDatumTaken(sequence: number, byteLength: number): void {
    // What is lost behind the last datum that arrived counts as taken together with it.
    this.#taken = sequence + 1 === this.#arrived ? this.#expected : sequence + 1
    this.#sink.onTaken(byteLength)
    this.#grantIfDue()
  }

  onFrameTaken(bodyBytes: number): void {
    this.#credit.take(bodyBytes)
    this.#grantIfDue()
  }

  onDiscarded(count: number, sequence: number): void {
    if (count > 0) this.#onLost(count, sequence)
  }

  onInvalid({ kind, message }: DatumViolation): void {
    this.#isDiscarded = true
    this.#sink.onInvalid()
    const reason =
      kind === 'undecodable'
        ? closeReason(CloseReasons.ProtocolViolation, `a datum cannot be decoded: ${message}`)
        : closeReason(CloseReasons.SchemaMismatch, `a datum does not satisfy the schema: ${message}`)
    // run() is waiting for the end of the link.
    void this.#link.close(reason)
  }

  #handleFrame(frame: Frame): void {
    if (frame.kind === 'bytes') this.#handleDatums(new DatumFrameReader(frame.bytes))
    else this.#handleMessage(parseFromProducer(frame.value))
  }

  #handleDatums(reader: DatumFrameReader): void {
    if (!this.#credit.receive(reader.byteLength))
      throw new StreamProtocolError('a producer sent more than was granted')
    this.#advanceTo(reader.first)
    this.#arrived = reader.first + reader.count
    this.#expected = this.#arrived
    const lostBefore = this.#lostBefore
    this.#lostBefore = 0
    this.#sink.onFrame(this, reader, { lostBefore, receivedAtMs: this.#clock.now() })
  }

  #handleMessage(message: FromProducer): void {
    switch (message.kind) {
      case 'gap':
      case 'end':
        this.#advanceTo(message.sequence)
        break
      case 'drain':
        this.#advanceTo(message.sequence)
        this.#drainTarget = message.sequence
        break
    }
    this.#grantIfDue()
  }

  /** Everything below the sequence number that did not arrive is lost. */
  #advanceTo(sequence: number): void {
    const lost = sequence - this.#expected
    if (lost < 0) throw new StreamProtocolError('sequence numbers do not go back')
    if (lost === 0) return
    if (this.#taken >= this.#arrived) this.#taken = sequence
    this.#expected = sequence
    this.#lostBefore += lost
    this.#onLost(lost, sequence)
  }

  #onLost(count: number, sequence: number): void {
    this.#sink.onLost({ ...this.envelopeHead, sequence, count })
  }

  get #isDrained(): boolean {
    return this.#drainTarget !== undefined && this.#taken >= this.#drainTarget
  }

  /** One grant at a time: what is due meanwhile goes with the next. */
  #grantIfDue(): void {
    if (this.#isGranting || !(this.#credit.isGrantDue || this.#isDrained)) return
    this.#isGranting = true
    if (this.#isDrained) this.#drainTarget = undefined
    const grant: FromConsumer = { kind: 'credit', bytes: this.#credit.grant(), sequence: this.#taken }
    const onSent = (): void => {
      this.#isGranting = false
      this.#grantIfDue()
    }
    // A link that fails ends by itself, and run() sees it.
    this.#link.send(grant).then(onSent, () => {})
  }
}
