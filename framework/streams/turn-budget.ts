/**
 * How much may be sent between two turns of the event loop: a few milliseconds of judging and encoding, for which the
 * requests of others wait, and enough for a turn to cost next to nothing beside it.
 */
const datumsPerTurn = 1024
const bytesPerTurn = 256 * 1024

/**
 * Says when a producer that never has to wait must let the event loop turn: sockets, timers and its own consumers would
 * starve under `for (;;) await send(…)` otherwise. Pure.
 */
export class TurnBudget {
  #datums = 0
  #bytes = 0

  /** Counts a datum. True when the turn is used up; the count then starts anew. */
  spend(bytes: number): boolean {
    this.#datums++
    this.#bytes += bytes
    if (this.#datums < datumsPerTurn && this.#bytes < bytesPerTurn) return false
    this.#datums = 0
    this.#bytes = 0
    return true
  }
}
