import type { PeerEntry } from '#framework/discovery'
import { CloseReasons, closeReason, LinkClosedError, type CloseReason, type Link } from '#framework/network'
import { isMosaikError, messageOf, type PeerId } from '#framework/primitives'
import type { ConsumerEvent } from '../consumer.js'
import { initialCreditBytes } from '../credit.js'
import type { DatumFrameForm } from '../codec/datum-frame.js'
import type { StreamDefinition } from '../definition.js'
import { Intake, type IntakeOwner, type IntakeSink } from './intake.js'
import { ProducerProgress, type Acknowledging } from './producer-progress.js'
import type { ResumePoints } from './resume-points.js'
import { learnEntry, type StreamsContext } from '../streams-context.js'
import { parseSubscribed, type Greeting, type Subscribed, type SubscribeRequest } from '../wire.js'

/** What all subscriptions of one consumer have in common. */
export interface AttemptOwner {
  readonly context: StreamsContext
  readonly stream: StreamDefinition<unknown>
  readonly windowBytes: number
  /** Which form the frames of datums have. */
  readonly form: DatumFrameForm
  /** What producers that ask for acknowledgements are told. */
  readonly acknowledging: Acknowledging
  readonly resumePoints: ResumePoints
  /** Opens a link to a producer: over the network, or within this node. */
  open(entry: PeerEntry, request: SubscribeRequest, signal: AbortSignal): Promise<Link>
  /** What to say to a producer. Each request outranks all those before it, whichever subscription they were for. */
  request(resume: SubscribeRequest['resume'], windowBytes: number): SubscribeRequest
  /** Tells whoever listens to the consumer's events. */
  emit(event: ConsumerEvent): void
}

/** Where what comes of an attempt goes. */
export interface AttemptSink extends IntakeSink {
  /** Datums may arrive from now on. */
  onConnected(): void
  /** It is over. Told once, and nothing after it. */
  onEnded(outcome: AttemptOutcome): void
  /** A mistake of ours has ended it, in the place of {@link onEnded}. */
  onFailed(cause: unknown): void
}

export interface AttemptOutcome {
  /** Why the subscription ended, or did not begin. */
  readonly reason: CloseReason
  /** How long there was a subscription, in milliseconds; 0 when there was none. */
  readonly connectedMs: number
}

/**
 * One subscription to one producer, from its first word to its end. Each has an intake of its own, so that nothing of an
 * earlier one can be taken for a later one's. It is told of the end rather than waiting for it: a function that waits keeps
 * a kilobyte for as long as it does, and a node may have thousands of subscriptions on which nothing comes.
 */
export class SubscriptionAttempt implements IntakeOwner {
  readonly #owner: AttemptOwner
  readonly #sink: AttemptSink
  /** What was known of the producer when this began; once it has greeted, what it says of itself. */
  #entry: PeerEntry
  /** Undefined when there is nothing left to open: most subscriptions live far longer than it takes to open them. */
  #opening: AbortController | undefined = new AbortController()
  #link: Link | undefined
  #intake: Intake | undefined
  #connectedSince: number | undefined
  #isLeft = false
  /** The entry in the greeting is being taken in. */
  #isBeingGreeted = false
  #hasToldEnd = false

  constructor(owner: AttemptOwner, entry: PeerEntry, sink: AttemptSink) {
    this.#owner = owner
    this.#entry = entry
    this.#sink = sink
  }

  /** What comes of it, the sink is told, but not before this returns. */
  begin(): void {
    this.#subscribe().then(
      (refusal) => {
        if (refusal !== undefined) this.onReceptionEnded(refusal)
      },
      (cause: unknown) => this.#sink.onFailed(cause),
    )
  }

  /** From the intake; or because there never was one. */
  onReceptionEnded(reason: CloseReason): void {
    this.#endSubscription(reason)
    const { clock } = this.#owner.context
    const connectedMs = this.#connectedSince === undefined ? 0 : clock.monotonic() - this.#connectedSince
    this.#sink.onEnded({ reason, connectedMs })
  }

  /** Ends it for a reason. Nothing arrives from now on; the sink is told soon. */
  leave(reason: CloseReason): void {
    this.#isLeft = true
    // Not when the link is closed: the next subscription to the same producer may have begun by then.
    this.#endSubscription(reason)
    this.#opening?.abort()
    void this.#link?.close(reason)
  }

  /** The producer says something else about itself than when this began: no need to wait until what is dead shows that. */
  onEntry(entry: PeerEntry): void {
    if (this.#isBeingGreeted) {
      // It is whoever says this that the link is to.
      this.#entry = entry
      return
    }
    const { version, addresses } = entry
    const isSuccessor = version.run > this.#entry.version.run
    if (isSuccessor) {
      this.#link?.abort(closeReason(CloseReasons.UnexpectedClose, 'the producer has been restarted'))
    }
    const isElsewhere =
      addresses.length > 0 && !addresses.some((address) => this.#entry.addresses.includes(address))
    if (isSuccessor || isElsewhere) this.#opening?.abort()
  }

  /** @returns Why there is no subscription; undefined when there is one. */
  async #subscribe(): Promise<CloseReason | undefined> {
    const { context, resumePoints, windowBytes } = this.#owner
    const { signal } = this.#opening!
    const last = resumePoints.get(this.#entry.peer)
    const resume = last && { epoch: last.epoch, sequence: last.expected, taken: last.taken }
    const initialBytes = initialCreditBytes(windowBytes, last?.heldBytes ?? 0)
    let link: Link
    try {
      signal.throwIfAborted()
      link = await this.#owner.open(this.#entry, this.#owner.request(resume, initialBytes), signal)
    } catch (error) {
      return this.#isLeft ? CloseReasons.Cancelled : reasonOf(error)
    }
    this.#link = link
    this.#opening = undefined
    if (signal.aborted) {
      // To a producer, Cancelled is a goodbye: from one who only looks for it elsewhere, it would lose its place for it.
      const reason = this.#isLeft ? CloseReasons.Cancelled : CloseReasons.UnexpectedClose
      await link.close(reason)
      return reason
    }
    const greeting = this.#greetingOf(link, resume)
    if ('reason' in greeting) {
      await link.close(greeting.reason)
      return greeting.reason
    }
    if (link.peer !== context.host.peerId) this.#learn(link.peer, greeting.entry)
    // The consumer may not want the producer, seeing that. It has closed the link then.
    if (this.#isLeft) return link.closed
    // What follows lives as long as the subscription: without the entries that were said on opening.
    link.forgetPayloads()
    const { epoch, sequence, ack = false } = greeting
    this.#receive(link, { epoch, sequence, ack }, last, initialBytes)
    return undefined
  }

  #receive(
    link: Link,
    greeting: Pick<Greeting, 'epoch' | 'sequence' | 'ack'>,
    last: ProducerProgress | undefined,
    initialBytes: number,
  ): void {
    const { windowBytes, form, context, acknowledging, resumePoints } = this.#owner
    const { epoch, sequence, ack: isAcknowledged = false } = greeting
    const producer = link.peer
    const isSameLife = last?.epoch === epoch
    this.#connectedSince = context.clock.monotonic()
    if (last !== undefined && !isSameLife)
      this.#owner.emit({ type: 'epoch', producer, epoch, before: last.epoch })
    const resumed = isSameLife && last.expected === sequence
    this.#owner.emit({ type: 'subscribed', producer, epoch, sequence, resumed })
    const progress = isSameLife
      ? last
      : new ProducerProgress({
          producer,
          epoch,
          first: sequence,
          acknowledging: isAcknowledged ? acknowledging : 'never',
          before: last,
        })
    const intake = new Intake({
      link,
      first: sequence,
      form,
      windowBytes,
      initialBytes,
      isAcknowledged,
      progress,
      clock: context.clock,
      sink: this.#sink,
      owner: this,
    })
    this.#intake = intake
    resumePoints.set(progress)
    this.#sink.onConnected()
    intake.start()
  }

  /** There is no subscription any more, if there was one. */
  #endSubscription(reason: CloseReason): void {
    if (this.#intake === undefined || this.#hasToldEnd) return
    this.#hasToldEnd = true
    this.#intake.stop()
    this.#owner.emit({ type: 'unsubscribed', producer: this.#entry.peer, reason })
  }

  #learn(peer: PeerId, record: Uint8Array): void {
    this.#isBeingGreeted = true
    try {
      learnEntry(this.#owner.context, peer, record)
    } finally {
      this.#isBeingGreeted = false
    }
  }

  #greetingOf(link: Link, resume: SubscribeRequest['resume']): Subscribed | { readonly reason: CloseReason } {
    const { stream } = this.#owner
    try {
      const greeting = parseSubscribed(link.acceptPayload)
      if (greeting.stream !== stream.id) return { reason: CloseReasons.StreamNotFound }
      if (greeting.fingerprint !== stream.fingerprint) return { reason: CloseReasons.SchemaMismatch }
      if (greeting.codec !== stream.codec.id) {
        const detail = `datums are encoded as ${greeting.codec} there, and as ${stream.codec.id} here`
        return { reason: closeReason(CloseReasons.SchemaMismatch, detail) }
      }
      if (greeting.epoch === resume?.epoch && greeting.sequence < resume.sequence) {
        return { reason: closeReason(CloseReasons.ProtocolViolation, 'sequence numbers do not go back') }
      }
      return greeting
    } catch (error) {
      return { reason: closeReason(CloseReasons.ProtocolViolation, messageOf(error)) }
    }
  }
}

/** The reason for which a link could not be opened. */
function reasonOf(error: unknown): CloseReason {
  if (error instanceof LinkClosedError) return error.reason
  const base = isMosaikError(error, 'TIMEOUT') ? CloseReasons.Timeout : CloseReasons.UnexpectedClose
  return closeReason(base, messageOf(error))
}
