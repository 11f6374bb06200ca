import type { PeerEntry } from '#framework/discovery'
import {
  CloseReasons,
  closeReason,
  describeCloseReason,
  LinkClosedError,
  type CloseReason,
  type Link,
} from '#framework/network'
import { isMosaikError, messageOf, type BackoffOptions, type PeerId } from '#framework/primitives'
import type { ConsumerEvent } from './consumer.js'
import type { StreamDefinition } from './definition.js'
import { Intake, type IntakeSink } from './intake.js'
import { RetryPolicy } from './retry.js'
import { learnEntry, peerLabel, type StreamsContext } from './streams-context.js'
import type { SubscriptionState, SubscriptionStatus } from './subscription-status.js'
import { parseSubscribed, type Subscribe, type Subscribed } from './wire.js'

/** Opens a link to a producer: over the network, or within this node. */
export type OpenSubscription = (entry: PeerEntry, request: Subscribe, signal: AbortSignal) => Promise<Link>

/** What all subscriptions of one consumer have in common. */
export interface UpstreamOwner extends IntakeSink {
  readonly context: StreamsContext
  readonly stream: StreamDefinition<unknown>
  readonly windowBytes: number
  readonly backoff: Partial<BackoffOptions>
  readonly open: OpenSubscription
  /** What to say to a producer. Each request outranks all those before it, whichever subscription they were for. */
  readonly request: () => Subscribe
  /** Tells whoever listens to the consumer's events. */
  emit(event: ConsumerEvent): void
  /** The state of a subscription has changed. */
  onStatus(upstream: Upstream): void
}

/**
 * A consumer's relation to one producer, for as long as that producer qualifies: subscribes, and subscribes again after
 * each end as its retry policy says. Each attempt has an intake of its own, so that nothing of an earlier one can be
 * taken for a later one's.
 */
export class Upstream {
  readonly producer: PeerId
  readonly #owner: UpstreamOwner
  readonly #retry: RetryPolicy
  readonly #stopping = new AbortController()
  #entry: PeerEntry
  #state: SubscriptionState = 'connecting'
  #attempt = 0
  #connectedAtMs: number | undefined
  /** The same on the monotonic clock. */
  #connectedSince: number | undefined
  #lastClose: CloseReason | undefined
  #retryAtMs: number | undefined
  /** Ends the wait for the next attempt. */
  #wake: (() => void) | undefined
  /** There was a change that makes an attempt worth while, and no wait that it could end. */
  #isChanged = false
  #link: Link | undefined
  /** The process of the producer that the link leads to. */
  #run = 0
  /** Where the last subscription ended. */
  #last: { readonly epoch: string; readonly expected: number } | undefined
  #datums = 0
  #bytes = 0
  #lost = 0

  constructor(entry: PeerEntry, owner: UpstreamOwner) {
    this.producer = entry.peer
    this.#entry = entry
    this.#owner = owner
    this.#retry = new RetryPolicy(owner.backoff, owner.context.random)
  }

  /** What the catalog says about the producer now. */
  get entry(): PeerEntry {
    return this.#entry
  }

  get state(): SubscriptionState {
    return this.#state
  }

  /** Keeps the subscription up until {@link stop}. */
  async run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const delayMs = await this.#attemptOnce(signal)
      if (!signal.aborted) await this.#pause(delayMs, signal)
    }
  }

  /** Leaves the producer for a reason. {@link run} ends soon after. */
  stop(reason: CloseReason): void {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    // run() waits for the link to end.
    void this.#link?.close(reason)
    this.#wake?.()
  }

  /** The catalog says something about the producer. Returns whether that is new. */
  onEntry(entry: PeerEntry): boolean {
    if (entry === this.#entry) return false
    const { run, update } = this.#entry.version
    const isNewContent = entry.version.run !== run || entry.version.update !== update
    this.#entry = entry
    if (isNewContent) {
      this.#retry.onProducerChanged()
      this.#tryAgain()
    }
    // The process that the link leads to is dead, which its connection may take seconds to show.
    if (entry.version.run > this.#run) {
      this.#link?.abort(closeReason(CloseReasons.UnexpectedClose, 'the producer has been restarted'))
    }
    return true
  }

  /** This node says something new about itself, which may be what a producer that refused it was missing. */
  onOwnEntry(): void {
    if (this.#retry.isWorthRetryingAfterOwnChange) this.#tryAgain()
  }

  /** This end of the subscription as others see it. */
  status(): SubscriptionStatus {
    const { stream, context } = this.#owner
    const counts = (): { datums: number; bytes: number; lost: number } => ({
      datums: this.#datums,
      bytes: this.#bytes,
      lost: this.#lost,
    })
    return {
      stream: stream.id,
      name: stream.name,
      role: 'consumer',
      producer: this.producer,
      consumer: context.host.peerId,
      state: this.#state,
      peer: this.#entry,
      connectedAtMs: this.#connectedAtMs,
      lastClose: this.#lastClose,
      retryAtMs: this.#retryAtMs,
      attempt: this.#attempt,
      get datums() {
        return counts().datums
      },
      get bytes() {
        return counts().bytes
      },
      get dropped() {
        return counts().lost
      },
    }
  }

  /** @returns How long to wait before the next attempt, in milliseconds. */
  async #attemptOnce(signal: AbortSignal): Promise<number> {
    const { clock, logger } = this.#owner.context
    this.#isChanged = false
    this.#attempt++
    this.#show('connecting')
    const datumsBefore = this.#datums
    const reason = await this.#subscribe(signal)
    const connectedMs = this.#connectedSince === undefined ? 0 : clock.monotonic() - this.#connectedSince
    this.#connectedSince = undefined
    this.#connectedAtMs = undefined
    this.#link = undefined
    this.#lastClose = reason
    const delayMs = this.#retry.onEnded(reason, { connectedMs, datums: this.#datums - datumsBefore })
    if (!signal.aborted) {
      const level = this.#retry.verdict === 'refused' ? 'warn' : 'debug'
      logger[level](`no subscription to the producer at ${peerLabel(this.#entry)}`, {
        reason: describeCloseReason(reason),
        retryInMs: Math.round(delayMs),
      })
    }
    return delayMs
  }

  /** One subscription from its first word to its end. @returns Why it ended, or did not begin. */
  async #subscribe(signal: AbortSignal): Promise<CloseReason> {
    const { context, windowBytes, open, request } = this.#owner
    let link: Link
    try {
      this.#run = this.#entry.version.run
      link = await open(this.#entry, request(), signal)
    } catch (error) {
      return reasonOf(error)
    }
    this.#link = link
    if (signal.aborted) {
      await link.close(CloseReasons.Cancelled)
      return CloseReasons.Cancelled
    }
    const greeting = this.#greetingOf(link)
    if ('reason' in greeting) {
      await link.close(greeting.reason)
      return greeting.reason
    }
    if (link.peer !== context.host.peerId) learnEntry(context, greeting.entry)
    const intake = new Intake({
      link,
      greeting,
      windowBytes,
      clock: context.clock,
      missed: this.#missedSince(greeting),
      sink: {
        onFrame: (source, reader, arrival) => {
          this.#datums += reader.count
          this.#bytes += reader.payloadBytes
          this.#owner.onFrame(source, reader, arrival)
        },
        onLost: (gap) => {
          this.#lost += gap.count
          this.#owner.onLost(gap)
        },
        onTaken: (byteLength) => this.#owner.onTaken(byteLength),
        onInvalid: () => this.#owner.onInvalid(),
      },
    })
    this.#connectedAtMs = context.clock.now()
    this.#connectedSince = context.clock.monotonic()
    this.#show('connected')
    const reason = await intake.run()
    this.#last = { epoch: greeting.epoch, expected: intake.expected }
    return reason
  }

  #greetingOf(link: Link): Subscribed | { readonly reason: CloseReason } {
    const { stream } = this.#owner
    try {
      const greeting = parseSubscribed(link.acceptPayload)
      if (greeting.stream !== stream.id) return { reason: CloseReasons.StreamNotFound }
      if (greeting.fingerprint !== stream.fingerprint) return { reason: CloseReasons.SchemaMismatch }
      if (greeting.epoch === this.#last?.epoch && greeting.sequence < this.#last.expected) {
        return { reason: closeReason(CloseReasons.ProtocolViolation, 'sequence numbers do not go back') }
      }
      return greeting
    } catch (error) {
      return { reason: closeReason(CloseReasons.ProtocolViolation, messageOf(error)) }
    }
  }

  /** How many datums of the same life of the producer went by since the last subscription. */
  #missedSince({ epoch, sequence }: Subscribed): number {
    return this.#last?.epoch === epoch ? sequence - this.#last.expected : 0
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#owner.context
    this.#retryAtMs = clock.now() + (this.#isChanged ? 0 : delayMs)
    this.#show('closed')
    // Whoever was shown this may have left the producer.
    if (this.#isChanged || signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = clock.after(delayMs, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }

  #tryAgain(): void {
    this.#isChanged = true
    this.#wake?.()
  }

  #show(state: SubscriptionState): void {
    this.#state = state
    if (state !== 'closed') this.#retryAtMs = undefined
    this.#owner.onStatus(this)
  }
}

/** The reason for which a link could not be opened. */
function reasonOf(error: unknown): CloseReason {
  if (error instanceof LinkClosedError) return error.reason
  const base = isMosaikError(error, 'TIMEOUT') ? CloseReasons.Timeout : CloseReasons.UnexpectedClose
  return closeReason(base, messageOf(error))
}
