import type { Entry, Index } from '../../../framework/groups/raft/types.js'
import type { WatchedCommand, WatchedMember } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/**
 * A command takes effect at one index only, however often it was asked for (Ongaro 2014, §6.3). What is the same command
 * is told by its value, which no other has, and not by what sessions take for the same.
 */
export class ExactlyOnce implements Invariant {
  readonly name = 'exactly once'
  readonly #effectiveAt = new Map<string, Index>()

  applied({ id }: WatchedMember, { index }: Entry, applied: readonly WatchedCommand[]): void {
    for (const { command, isFirst } of applied) {
      const { input } = command
      if (!isFirst || input.kind === 'read') continue
      const first = this.#effectiveAt.get(input.value)
      if (first === undefined) this.#effectiveAt.set(input.value, index)
      else if (first !== index) {
        throw new ViolationError(
          this.name,
          `the ${input.kind} of ${input.value} takes effect at index ${first}, and at ${index} at ${id}`,
        )
      }
    }
  }
}
