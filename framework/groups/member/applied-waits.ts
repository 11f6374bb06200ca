import { raceSignal } from '#framework/primitives'
import type { Index } from '../raft/index.js'

interface Wait {
  readonly index: Index
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** Who waits for how much to be applied. */
export class AppliedWaits {
  readonly #waits = new Set<Wait>()

  /** @throws The signal's reason, or the cause with which all are rejected. */
  async until(index: Index, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const wait: Wait = { index, resolve, reject }
    this.#waits.add(wait)
    try {
      await raceSignal(promise, signal)
    } finally {
      this.#waits.delete(wait)
    }
  }

  /** Everything up to this index is applied. */
  release(appliedIndex: Index): void {
    for (const wait of this.#waits) if (wait.index <= appliedIndex) wait.resolve()
  }

  rejectAll(cause: unknown): void {
    for (const wait of this.#waits) wait.reject(cause)
  }
}
