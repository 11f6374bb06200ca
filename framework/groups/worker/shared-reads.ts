/** How a read is confirmed. */
export type Confirmation = 'strong' | 'lease'

/**
 * Has reads that are asked for in one turn confirmed by one question. Never one that was asked before the read: what was
 * acknowledged in between would be missing.
 */
export class SharedReads {
  readonly #confirm: (consistency: Confirmation) => Promise<void>
  /** Not asked yet. */
  readonly #next = new Map<Confirmation, Promise<void>>()

  /** @param confirm Resolves when this node may answer from its own state. */
  constructor(confirm: (consistency: Confirmation) => Promise<void>) {
    this.#confirm = confirm
  }

  /** @throws What confirming throws. */
  confirmed(consistency: Confirmation): Promise<void> {
    let question = this.#next.get(consistency)
    if (question === undefined) {
      question = Promise.resolve().then(() => {
        this.#next.delete(consistency)
        return this.#confirm(consistency)
      })
      this.#next.set(consistency, question)
    }
    return question
  }
}
