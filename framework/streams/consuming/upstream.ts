import type { PeerEntry } from '#framework/discovery'
import { CloseReasons, describeCloseReason, type CloseReason } from '#framework/network'
import { messageOf, type BackoffOptions, type PeerId, type Timer } from '#framework/primitives'
import type { BackoffPolicy } from '../consumer.js'
import { GuardedBackoff } from './guarded-backoff.js'
import type { ReceivedFrame } from './inbox.js'
import type { Gap, IntakeSink } from './intake.js'
import type { ProducerState } from './producer-places.js'
import { RetryPolicy } from './retry.js'
import { peerLabel } from '../streams-context.js'
import {
  SubscriptionAttempt,
  type AttemptOutcome,
  type AttemptOwner,
  type AttemptSink,
} from './subscription-attempt.js'
import { SubscriptionSnapshot, type StatusCounters } from '../subscription-snapshot.js'
import type { SubscriptionState, SubscriptionStatus } from '../subscription-status.js'

/** What all upstreams of one consumer have in common. */
export interface UpstreamOwner extends AttemptOwner, IntakeSink {
  readonly backoff: Partial<BackoffOptions> | (() => BackoffPolicy)
  /** The state of a subscription has changed. */
  onStatus(upstream: Upstream): void
  /** The retry policy would have another attempt made now: {@link Upstream.start} makes it, now or later. */
  onIdle(upstream: Upstream): void
  /** A mistake of ours: the upstream does nothing more. */
  onFailed(cause: unknown): void
}

/**
 * - `active`: there is a subscription, or an attempt at one;
 * - `waiting`: the retry policy does not want another attempt yet;
 * - `idle`: it does, and the consumer has not said so.
 */
type Phase = 'active' | 'waiting' | 'idle'

/**
 * A consumer's relation to one producer, for as long as that producer qualifies: subscribes, and subscribes again after
 * each end as its retry policy says. Between two events nothing waits, so that all it takes is this object.
 */
export class Upstream implements AttemptSink {
  readonly producer: PeerId
  readonly #owner: UpstreamOwner
  /** Made when the first subscription ends: most never do. */
  #retry: RetryPolicy | undefined
  #entry: PeerEntry
  #phase: Phase = 'active'
  #state: SubscriptionState = 'connecting'
  #isStopped = false
  #current: SubscriptionAttempt | undefined
  #attempt = 0
  #connectedAtMs: number | undefined
  #lastClose: CloseReason | undefined
  #retryAtMs: number | undefined
  #retryTimer: Timer | undefined
  /** Resolves when it has been stopped, and the last attempt is over. */
  #over: PromiseWithResolvers<void> | undefined
  /** The producer, or this node, has said something new about itself since the last attempt began. */
  #isProducerChanged = false
  #isOwnChanged = false
  #datums = 0
  #datumsBeforeAttempt = 0
  #bytes = 0
  #lost = 0

  constructor(entry: PeerEntry, owner: UpstreamOwner) {
    this.producer = entry.peer
    this.#entry = entry
    this.#owner = owner
  }

  /** What the catalog says about the producer now. */
  get entry(): PeerEntry {
    return this.#entry
  }

  get state(): SubscriptionState {
    return this.#state
  }

  get counts(): StatusCounters['counts'] {
    return { datums: this.#datums, bytes: this.#bytes, dropped: this.#lost }
  }

  /** Whether its retry policy does not want another attempt yet. */
  get isWaiting(): boolean {
    return this.#phase === 'waiting'
  }

  get producerState(): ProducerState {
    if (this.#phase !== 'active') return 'idle'
    return this.#state === 'connected' ? 'connected' : 'connecting'
  }

  /** Makes the first attempt, and keeps the subscription up until {@link stop}. */
  begin(): void {
    this.#step(() => this.#attemptOnce())
  }

  /** Makes the next attempt, if it is time for one. */
  start(): void {
    if (this.#phase !== 'idle') return
    this.#phase = 'active'
    this.#soon(() => this.#attemptOnce())
  }

  /** Leaves the producer for a reason. Resolves when nothing more will come; its link may still be saying goodbye. Never rejects. */
  stop(reason: CloseReason): Promise<void> {
    if (this.#over !== undefined) return this.#over.promise
    this.#over = Promise.withResolvers()
    this.#isStopped = true
    this.#retryTimer?.cancel()
    if (this.#current === undefined) this.#over.resolve()
    else this.#current.leave(reason)
    return this.#over.promise
  }

  /** The catalog says something about the producer. Returns whether that is new. */
  onEntry(entry: PeerEntry): boolean {
    if (entry === this.#entry) return false
    const { run, update } = this.#entry.version
    const isNewContent = entry.version.run !== run || entry.version.update !== update
    this.#entry = entry
    if (isNewContent) {
      this.#retry?.onProducerChanged()
      this.#isProducerChanged = true
      this.#endWaitIfChanged()
      this.#current?.onEntry(entry)
    }
    return true
  }

  /** This node says something new about itself, which may be what a producer that refused it was missing. */
  onOwnEntry(): void {
    this.#isOwnChanged = true
    this.#endWaitIfChanged()
  }

  /** From the attempt that there is, as are the other five: counts what arrives, and passes it on. */
  onConnected(): void {
    this.#connectedAtMs = this.#owner.context.clock.now()
    this.#show('connected')
  }

  onFrame(frame: ReceivedFrame): void {
    this.#datums += frame.reader.count
    this.#bytes += frame.reader.payloadBytes
    this.#owner.onFrame(frame)
  }

  onLost(gap: Gap): void {
    this.#lost += gap.count
    this.#owner.onLost(gap)
  }

  onInvalid(): void {
    this.#owner.onInvalid()
  }

  onEnded(outcome: AttemptOutcome): void {
    this.#step(() => this.#handleEnded(outcome))
  }

  onFailed(cause: unknown): void {
    const attempt = this.#current
    this.#current = undefined
    this.#isStopped = true
    this.#retryTimer?.cancel()
    attempt?.leave(CloseReasons.UnexpectedClose)
    this.#over?.resolve()
    this.#owner.onFailed(cause)
  }

  /** This end of the subscription as others see it. */
  status(): SubscriptionStatus {
    const { stream, context } = this.#owner
    const status = {
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
    } as const
    return new SubscriptionSnapshot(status, this)
  }

  #attemptOnce(): void {
    this.#isProducerChanged = false
    this.#isOwnChanged = false
    this.#attempt++
    this.#datumsBeforeAttempt = this.#datums
    this.#current = new SubscriptionAttempt(this.#owner, this.#entry, this)
    this.#show('connecting')
    this.#current.begin()
  }

  #handleEnded({ reason, connectedMs }: AttemptOutcome): void {
    this.#current = undefined
    this.#connectedAtMs = undefined
    this.#lastClose = reason
    this.#retry ??= this.#newRetryPolicy()
    const datums = this.#datums - this.#datumsBeforeAttempt
    const delayMs = this.#retry.onEnded(reason, { connectedMs, datums })
    if (this.#isStopped) return this.#over?.resolve()
    const level = this.#retry.verdict === 'refused' ? 'warn' : 'debug'
    this.#owner.context.logger[level](`no subscription to the producer at ${peerLabel(this.#entry)}`, {
      reason: describeCloseReason(reason),
      retryInMs: delayMs === undefined ? 'never' : Math.round(delayMs),
    })
    this.#wait(delayMs)
  }

  #newRetryPolicy(): RetryPolicy {
    const { backoff, context, stream } = this.#owner
    const { random, logger } = context
    const guarded = new GuardedBackoff(backoff, random, (cause) => {
      logger.error(`the back-off of a consumer of stream "${stream.name}" failed`, {
        cause: messageOf(cause),
      })
    })
    const refusedMaxMs = typeof backoff === 'function' ? undefined : backoff.maxMs
    return new RetryPolicy(guarded, random, { refusedMaxMs })
  }

  /** @param delayMs How long until the next attempt; undefined to wait until something changes. */
  #wait(delayMs: number | undefined): void {
    const { clock } = this.#owner.context
    this.#phase = 'waiting'
    if (this.#isWorthAnAttempt) {
      this.#endWait()
    } else if (delayMs !== undefined) {
      this.#retryTimer = clock.after(delayMs, () => this.#endWait())
      this.#retryAtMs = clock.now() + delayMs
    }
    // Whoever is shown this may leave the producer.
    this.#show('closed')
  }

  #endWait(): void {
    this.#retryTimer?.cancel()
    this.#soon(() => this.#becomeIdle())
  }

  #becomeIdle(): void {
    // More than one thing may have ended the wait.
    if (this.#phase !== 'waiting') return
    this.#phase = 'idle'
    this.#retryAtMs = undefined
    this.#owner.onIdle(this)
    // Whoever is told may have made it start, or left the producer.
    if (this.#phase === 'idle' && !this.#isStopped) this.#show('closed')
  }

  /** When those are through who have brought this about, and may be in the middle of choosing between producers. */
  #soon(step: () => void): void {
    queueMicrotask(() => {
      if (!this.#isStopped) this.#step(step)
    })
  }

  #step(step: () => void): void {
    try {
      step()
    } catch (cause) {
      // Not at once: it may be the owner who is in the middle of something.
      queueMicrotask(() => this.onFailed(cause))
    }
  }

  /** Whether something has changed that makes an attempt worth while, whatever the wait is for. */
  get #isWorthAnAttempt(): boolean {
    return (
      this.#isProducerChanged || (this.#isOwnChanged && this.#retry?.isWorthRetryingAfterOwnChange === true)
    )
  }

  #endWaitIfChanged(): void {
    if (this.#phase === 'waiting' && this.#isWorthAnAttempt) this.#endWait()
  }

  #show(state: SubscriptionState): void {
    this.#state = state
    if (state !== 'closed') this.#retryAtMs = undefined
    this.#owner.onStatus(this)
  }
}
