import type { Bond } from '../bond/bond.js'
import type { Member } from '../member/member.js'
import { tickMs, type Ticking } from './ticker.js'

/** What a member says in the handshake if it can do without heartbeats while its leader is quiescent. */
export const quiescence = 'quiescence'

/** How many ticks lie between two attempts. */
const tryEveryTicks = 10

export interface QuiescingOptions {
  readonly ticking: Ticking
  readonly bonds: Iterable<Pick<Bond, 'member' | 'capabilities'>>
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
  /** Whether nothing is under way outside of consensus that has to be looked at again. */
  readonly isIdle: () => boolean
  /** Whether a leader knows of nothing to change about the members. */
  readonly isSettled: () => boolean
}

/**
 * Lets a group in which nothing happens cost nothing: neither heartbeats nor ticks (quiescence, as CockroachDB calls it;
 * hibernation in TiKV). Who is gone is noticed by the heartbeats of bonds, which all groups of two nodes share.
 */
export class Quiescing {
  readonly #options: QuiescingOptions
  #ticksSinceTry = 0

  constructor(options: QuiescingOptions) {
    this.#options = options
  }

  /** After everything else that a tick brings about. */
  onTick(ticks: number): void {
    const { ticking, isIdle, isSettled } = this.#options
    const member = this.#options.member()
    if (member === undefined || member.isOver || !isIdle()) return
    if (member.isQuiescent) return ticking.pause()
    this.#ticksSinceTry += ticks
    if (this.#ticksSinceTry < tryEveryTicks || !member.mayQuiesce) return
    this.#ticksSinceTry = 0
    if (this.#isEverybodyHere(member) && isSettled()) member.quiesce()
  }

  /** Something is about to happen that the member may have to do with: it must know how late it is. */
  resume(): void {
    const missed = this.#options.ticking.resume()
    if (missed !== undefined) this.#options.member()?.tick(missed.ticks, missed.nowTick)
  }

  /**
   * Something is about to happen, or is wrong.
   *
   * @param silentMs For how long nothing has come from the leader, at least.
   */
  wake(silentMs = 0): void {
    this.resume()
    this.#options.member()?.wake(Math.floor(silentMs / tickMs))
  }

  /** Who is out of reach would not be missed, and who does not know of quiescence would miss the leader. */
  #isEverybodyHere({ id, configuration }: Member): boolean {
    const here = new Set([id])
    for (const { member, capabilities } of this.#options.bonds) {
      if (!capabilities.includes(quiescence)) return false
      here.add(member)
    }
    return [...configuration.voters, ...configuration.learners].every((member) => here.has(member))
  }
}
