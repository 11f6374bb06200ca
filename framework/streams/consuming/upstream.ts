import type { PeerEntry } from '#framework/discovery'
import { describeCloseReason, type CloseReason } from '#framework/network'
import { messageOf, type BackoffOptions, type PeerId } from '#framework/primitives'
import type { BackoffPolicy } from '../consumer.js'
import { GuardedBackoff } from './guarded-backoff.js'
import type { ReceivedFrame } from './inbox.js'
import type { Gap, IntakeSink } from './intake.js'
import type { ProducerState } from './producer-places.js'
import { RetryPolicy } from './retry.js'
import { peerLabel } from '../streams-context.js'
import { SubscriptionAttempt, type AttemptOwner, type AttemptSink } from './subscription-attempt.js'
import { SubscriptionSnapshot, type StatusCounters } from '../subscription-snapshot.js'
import type { SubscriptionState, SubscriptionStatus } from '../subscription-status.js'

/** What all upstreams of one consumer have in common. */
export interface UpstreamOwner extends AttemptOwner, IntakeSink {
  readonly backoff: Partial<BackoffOptions> | (() => BackoffPolicy)
  /** The state of a subscription has changed. */
  onStatus(upstream: Upstream): void
  /** The retry policy would have another attempt made now: {@link Upstream.start} makes it, now or later. */
  onIdle(upstream: Upstream): void
}

/**
 * - `active`: there is a subscription, or an attempt at one;
 * - `waiting`: the retry policy does not want another attempt yet;
 * - `idle`: it does, and the consumer has not said so.
 */
type Phase = 'active' | 'waiting' | 'idle'

/**
 * A consumer's relation to one producer, for as long as that producer qualifies: subscribes, and subscribes again after
 * each end as its retry policy says.
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
  /** Ends the wait that there is, if there is one. */
  #wake: (() => void) | undefined
  /** The producer, or this node, has said something new about itself since the last attempt began. */
  #isProducerChanged = false
  #isOwnChanged = false
  #datums = 0
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

  /** Keeps the subscription up until {@link stop}. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      const delayMs = await this.#attemptOnce()
      if (!this.#isStopped) await this.#pause(delayMs)
      if (!this.#isStopped) await this.#whenStarted()
    }
  }

  /** Makes the next attempt, if it is time for one. */
  start(): void {
    if (this.#phase !== 'idle') return
    this.#phase = 'active'
    this.#wake?.()
  }

  /** Leaves the producer for a reason. {@link run} ends soon after. */
  stop(reason: CloseReason): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#current?.leave(reason)
    this.#wake?.()
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

  /** From the attempt that there is, as are the other three: counts what arrives, and passes it on. */
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

  /** @returns How long to wait before the next attempt, in milliseconds; undefined to wait until something changes. */
  async #attemptOnce(): Promise<number | undefined> {
    const { logger } = this.#owner.context
    this.#isProducerChanged = false
    this.#isOwnChanged = false
    this.#attempt++
    const attempt = new SubscriptionAttempt(this.#owner, this.#entry, this)
    this.#current = attempt
    this.#show('connecting')
    const datumsBefore = this.#datums
    const { reason, connectedMs } = await attempt.run()
    this.#current = undefined
    this.#connectedAtMs = undefined
    this.#lastClose = reason
    this.#retry ??= this.#newRetryPolicy()
    const delayMs = this.#retry.onEnded(reason, { connectedMs, datums: this.#datums - datumsBefore })
    if (!this.#isStopped) {
      const level = this.#retry.verdict === 'refused' ? 'warn' : 'debug'
      logger[level](`no subscription to the producer at ${peerLabel(this.#entry)}`, {
        reason: describeCloseReason(reason),
        retryInMs: delayMs === undefined ? 'never' : Math.round(delayMs),
      })
    }
    return delayMs
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

  async #pause(delayMs: number | undefined): Promise<void> {
    const { clock } = this.#owner.context
    this.#phase = 'waiting'
    const { promise, resolve } = Promise.withResolvers<void>()
    const isOver = this.#isWorthAnAttempt
    const timer = isOver || delayMs === undefined ? undefined : clock.after(delayMs, () => this.#wake?.())
    this.#wake = () => {
      timer?.cancel()
      resolve()
    }
    if (isOver) this.#wake()
    else if (delayMs !== undefined) this.#retryAtMs = clock.now() + delayMs
    // Whoever is shown this may leave the producer.
    this.#show('closed')
    await promise
    this.#wake = undefined
  }

  async #whenStarted(): Promise<void> {
    this.#phase = 'idle'
    this.#retryAtMs = undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    this.#owner.onIdle(this)
    // Whoever is told may have made it start, or left the producer.
    if (this.#phase === 'idle' && !this.#isStopped) this.#show('closed')
    await promise
    this.#wake = undefined
  }

  /** Whether something has changed that makes an attempt worth while, whatever the wait is for. */
  get #isWorthAnAttempt(): boolean {
    return (
      this.#isProducerChanged || (this.#isOwnChanged && this.#retry?.isWorthRetryingAfterOwnChange === true)
    )
  }

  #endWaitIfChanged(): void {
    if (this.#phase === 'waiting' && this.#isWorthAnAttempt) this.#wake?.()
  }

  #show(state: SubscriptionState): void {
    this.#state = state
    if (state !== 'closed') this.#retryAtMs = undefined
    this.#owner.onStatus(this)
  }
}
