import type { Clock, PeerId, Random, Timer } from '#framework/primitives'
import type { GroupTiming } from './group-timing.js'
import { Heartbeat } from './heartbeat.js'

/** A bond, as far as it shares a heart with others. */
export interface Beating {
  /** Says something, if nothing waits to be said already. @returns Whether it did. */
  ping(): boolean
  /** The peer has been silent for longer than it should, and for so long at least; it may be gone. */
  onDoubt(silentMs: number): void
  /** The peer was silent for that many heartbeats in a row. */
  onSilence(missed: number): void
}

/** A bond's part in the heart that it shares. */
export interface Pulse {
  /** Anything has arrived. */
  onReceived(): void
  /** Anything was said that cannot be held up for long. */
  onSent(): void
  /** The bond is over. */
  stop(): void
}

/**
 * The heartbeats of all bonds of a node: one for each peer, and for each timing where groups have different ones. What
 * shows that a peer is alive on one bond shows it for all bonds with it, so that two nodes with a hundred groups in common
 * say no more for that, and look no more often, than with one.
 */
export class Hearts {
  readonly #clock: Clock
  readonly #random: Random
  readonly #hearts = new Map<string, Heart>()

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock
    this.#random = random
  }

  /** Takes another bond with a peer in, of which something has been heard just now. */
  join(peer: PeerId, timing: GroupTiming, bond: Beating): Pulse {
    const { heartbeatIntervalMs, heartbeatJitterMs, missedHeartbeatsMax } = timing
    const key = [peer, heartbeatIntervalMs, heartbeatJitterMs, missedHeartbeatsMax].join()
    const heart = this.#hearts.get(key) ?? new Heart(this.#clock, this.#random, timing)
    this.#hearts.set(key, heart)
    heart.add(bond)
    return {
      onReceived: () => heart.heartbeat.onReceived(),
      onSent: () => heart.heartbeat.onSent(),
      stop: () => {
        if (heart.remove(bond)) this.#hearts.delete(key)
      },
    }
  }
}

class Heart {
  readonly heartbeat: Heartbeat
  readonly #clock: Clock
  readonly #bonds = new Set<Beating>()
  #timer: Timer

  constructor(clock: Clock, random: Random, timing: GroupTiming) {
    this.#clock = clock
    this.heartbeat = new Heartbeat({ timing, random }, clock.monotonic())
    this.#timer = this.#arm()
  }

  add(bond: Beating): void {
    this.#bonds.add(bond)
    this.heartbeat.onReceived()
  }

  /** @returns Whether it was the last one; then the heart stands still. */
  remove(bond: Beating): boolean {
    if (!this.#bonds.delete(bond) || this.#bonds.size > 0) return false
    this.#timer.cancel()
    return true
  }

  #arm(): Timer {
    return this.#clock.after(this.heartbeat.dueMs - this.#clock.monotonic(), () => this.#tick())
  }

  #tick(): void {
    const beat = this.heartbeat.tick(this.#clock.monotonic())
    // Before the bonds are told, each of which may be the last to go.
    this.#timer = this.#arm()
    const { missed, isDoubtful, silentMs } = this.heartbeat
    if (beat === 'dead') for (const bond of this.#bonds) bond.onSilence(missed)
    else if (isDoubtful) for (const bond of this.#bonds) bond.onDoubt(silentMs)
    if (beat === 'ping') for (const bond of this.#bonds) if (bond.ping()) return
  }
}
