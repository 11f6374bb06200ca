import { InvariantError } from '#framework/primitives'

interface Event {
  readonly at: number
  /** Breaks ties between events of the same time, so that they run in the order in which they were planned. */
  readonly order: number
  readonly run: () => void
}

/** Simulated time: a binary heap of what is to happen, and the moment of what happened last. */
export class Timeline {
  /** Each event is no earlier than the one at half its place. */
  readonly #heap: Event[] = []
  #planned = 0
  #nowMs = 0

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  get pendingCount(): number {
    return this.#heap.length
  }

  /** Plans `run` for `delayMs` from now. */
  after(delayMs: number, run: () => void): void {
    // No invariant(): its text would be made for each of millions of events.
    if (!(delayMs >= 0 && delayMs < Infinity)) {
      throw new InvariantError(`an event cannot happen ${delayMs} ms from now`)
    }
    const event = { at: this.#nowMs + delayMs, order: this.#planned++, run }
    const heap = this.#heap
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >>> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = event
  }

  /** Lets the next event happen. False when there is none until `untilMs`; then it is that time. */
  step(untilMs: number): boolean {
    const next = this.#heap[0]
    if (!next || next.at > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs)
      return false
    }
    this.#removeFirst()
    this.#nowMs = next.at
    next.run()
    return true
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let place = 0
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
