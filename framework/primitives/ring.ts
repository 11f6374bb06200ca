import { invariant } from './errors.js'

const SLOTS_MIN = 16
/** Of all rings that hold nothing yet: many never will. Never written to, because a ring grows before it takes the first item. */
const NO_SLOTS: never[] = []

/**
 * A first-in first-out queue of bounded length, in a circular array that grows with what it holds: every operation
 * takes constant time (growing is amortised), and none allocates once it has grown.
 */
export class Ring<T> {
  readonly capacity: number
  /** Always a power of two long, so that positions wrap around with a mask. */
  #slots: (T | undefined)[] = NO_SLOTS
  #head = 0
  #length = 0

  /** @param capacity How many items it holds at most; an integer of at least 1. */
  constructor(capacity: number) {
    invariant(Number.isSafeInteger(capacity) && capacity >= 1, `a ring cannot hold ${capacity} items`)
    this.capacity = capacity
  }

  get length(): number {
    return this.#length
  }

  /** Adds an item at the end. False, and not added, when the ring is full. */
  pushBack(item: T): boolean {
    if (this.#length === this.capacity) return false
    if (this.#length === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item
    this.#length++
    return true
  }

  /** Takes the oldest item; undefined when there is none. */
  popFront(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#slots[this.#head]
    // An item that was taken must not be kept alive by the slot it was in.
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#length--
    return item
  }

  /** The oldest item, without taking it; undefined when there is none. */
  peekFront(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head]
  }

  /** Lets go of every item and of the memory. */
  clear(): void {
    this.#slots = NO_SLOTS
    this.#head = 0
    this.#length = 0
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = Array.from<T | undefined>({ length: Math.max(2 * old.length, SLOTS_MIN) })
    for (let i = 0; i < this.#length; i++) this.#slots[i] = old[(this.#head + i) & (old.length - 1)]
    this.#head = 0
  }
}
