/** Something that can be in one list at a time. The list sets these; nobody else does. */
export interface Linked<N> {
  previous: N | undefined
  next: N | undefined
}

/**
 * A list from whose middle nodes can be removed at once. For what comes and goes all the time, where a `Set` is no good:
 * each time a `Set` changes its size, V8 leaves the old table behind with everything that was in it and a reference to
 * the new one. As soon as one of these tables is old, a collection of young objects takes all that follow for alive: what
 * was removed from the set long ago stays until the whole heap is collected.
 */
export class LinkedList<N extends Linked<N>> {
  #first: N | undefined
  #last: N | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): N | undefined {
    return this.#first
  }

  get last(): N | undefined {
    return this.#last
  }

  /** Adds a node that is in no list, behind all others. */
  push(node: N): void {
    node.previous = this.#last
    if (this.#last === undefined) this.#first = node
    else this.#last.next = node
    this.#last = node
    this.#size++
  }

  /** Removes a node that is in this list. It refers to nothing afterwards, and so keeps nothing alive. */
  remove(node: N): void {
    const { previous, next } = node
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    node.previous = undefined
    node.next = undefined
    this.#size--
  }
}
