import type { Batch } from './batch.js'

/** What of a journal is to be done again. */
export interface ReplayPlan {
  /** In their order, the first one right behind what has been checkpointed. */
  readonly batches: readonly Batch[]
  /** What the journal had and has lost, so that what is behind it cannot be relied on. */
  readonly missing?: { readonly sequence: number; readonly foundBehind: number }
}

/**
 * Which batches to do again. A batch is written only when the one before it is durable, so one that is there proves that
 * all before it were, and had been acknowledged: a gap is damage. What was torn by a power failure is the last one, was
 * never acknowledged, and leaves no gap. Pure.
 *
 * @param checkpointed The last batch that is in the database already.
 * @param found Intact batches above that, in any order.
 */
export function planReplay(checkpointed: number, found: readonly Batch[]): ReplayPlan {
  const batches: Batch[] = []
  for (const batch of found.toSorted((a, b) => a.sequence - b.sequence)) {
    const sequence = checkpointed + batches.length + 1
    if (batch.sequence !== sequence) return { batches, missing: { sequence, foundBehind: batch.sequence } }
    batches.push(batch)
  }
  return { batches }
}
