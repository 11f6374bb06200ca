import type { ConfirmedRead, ReadId } from './ready.js'
import type { Index } from './types.js'

interface PendingRead extends ConfirmedRead {
  /** The round that has to be answered by a majority, or any later one. */
  readonly round: number
}

/**
 * Reads that wait until it is certain that this leader was still the leader when they were asked for (ReadIndex, Ongaro
 * 2014, §6.4). All that come while a round is under way share the next one.
 */
export class ReadQueue {
  #pending: PendingRead[] = []
  #confirmed: ConfirmedRead[] = []

  get pendingCount(): number {
    return this.#pending.length
  }

  get hasConfirmed(): boolean {
    return this.#confirmed.length > 0
  }

  /** The round that the oldest read needs. Undefined when none waits. */
  get neededRound(): number | undefined {
    return this.#pending[0]?.round
  }

  add(id: ReadId, index: Index, round: number): void {
    this.#pending.push({ id, index, round })
  }

  addConfirmed(id: ReadId, index: Index): void {
    this.#confirmed.push({ id, index })
  }

  /** A majority has answered this round. */
  onRoundConfirmed(round: number): void {
    let count = 0
    while (count < this.#pending.length && this.#pending[count]!.round <= round) count++
    for (const { id, index } of this.#pending.splice(0, count)) this.#confirmed.push({ id, index })
  }

  takeConfirmed(): readonly ConfirmedRead[] {
    const confirmed = this.#confirmed
    if (confirmed.length > 0) this.#confirmed = []
    return confirmed
  }

  /** Leadership is over: nobody confirms what still waits. */
  takePending(): readonly ReadId[] {
    const ids = this.#pending.map(({ id }) => id)
    this.#pending = []
    return ids
  }
}
