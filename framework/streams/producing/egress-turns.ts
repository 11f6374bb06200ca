import type { Clock, CounterHandle, Timer } from '#framework/primitives'
import { EgressLimit, type EgressAllowance } from './egress-limit.js'
import type { EgressOptions } from '../producer.js'

/** Who sends under a limit. */
export interface EgressSender {
  /** Its turn: it may ask for an allowance now, and send one frame. */
  flush(): void
}

/**
 * Keeps the frames of all subscriptions of a producer to what it may send in all. Those that have to wait take turns, one
 * frame each, so that none is left behind. There is one timer, and only while somebody waits.
 */
export class EgressTurns {
  readonly #limit: EgressLimit
  readonly #clock: Clock
  readonly #waits: CounterHandle
  /** In the order of their turns. */
  readonly #waiting = new Set<EgressSender>()
  #turn: EgressSender | undefined
  #timer: Timer | undefined

  /** @param waits Counts how often a subscription had to wait. */
  constructor(options: EgressOptions, clock: Clock, waits: CounterHandle) {
    this.#limit = new EgressLimit(options, clock.monotonic())
    this.#clock = clock
    this.#waits = waits
  }

  /** What the next frame of somebody who has something to send may hold; undefined to wait for {@link EgressSender.flush}. */
  allowance(sender: EgressSender): EgressAllowance | undefined {
    const isTurn = this.#turn === sender
    this.#turn = undefined
    if (isTurn || this.#waiting.size === 0) {
      const allowance = this.#limit.allowance(this.#clock.monotonic(), this.#waiting.size + 1)
      if (allowance !== undefined) return allowance
    }
    this.#wait(sender)
    return undefined
  }

  /** Counts a frame that was sent. */
  spend(datums: number, bytes: number): void {
    this.#limit.spend(this.#clock.monotonic(), datums, bytes)
  }

  /** Somebody has nothing to send any more. */
  leave(sender: EgressSender): void {
    this.#waiting.delete(sender)
    if (this.#waiting.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #wait(sender: EgressSender): void {
    if (!this.#waiting.has(sender)) {
      this.#waiting.add(sender)
      this.#waits.add()
    }
    this.#arm()
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(this.#limit.waitMs(this.#clock.monotonic()), this.#onTimer)
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    // One round: who has more to send comes behind all others, and not in this round again.
    const round = Array.from(this.#waiting)
    for (const sender of round) {
      if (!this.#waiting.has(sender)) continue
      if (this.#limit.allowance(this.#clock.monotonic(), this.#waiting.size) === undefined) break
      this.#waiting.delete(sender)
      this.#turn = sender
      sender.flush()
      this.#turn = undefined
    }
    if (this.#waiting.size > 0) this.#arm()
  }
}
