import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import { decodeSubmission } from '../machine/submission.js'
import type { Index } from '../raft/index.js'
import type { GroupStorage } from '../storage/index.js'

/** How many commands are handed to the application at most: the last ones. */
const commandsMax = 10_000

/** What a member had carried out and gives up. */
export interface Discarded<C> {
  /** Application indices of all of it. */
  readonly from: Index
  readonly to: Index
  /** In their order; the last 10 000 that are in the log still. */
  readonly commands: readonly C[]
}

/**
 * The commands of a log up to an entry, for the application to do with them what it thinks fit.
 *
 * @throws What reading the storage throws.
 */
export async function discardedUpTo<C, R, Q, A>(
  machine: ReplicatedMachine<C, R, Q, A>,
  storage: GroupStorage,
  to: Index,
): Promise<Discarded<C>> {
  const { command: codec } = machine.codecs
  const commands: C[] = []
  let from = (storage.currentSnapshot()?.facts.index ?? 0) + 1
  while (from <= to) {
    const entries = await storage.readEntries(from, to)
    for (const entry of entries) {
      if (entry.kind !== 'command') continue
      for (const bytes of decodeSubmission(entry.payload).commands) commands.push(codec.decode(bytes))
    }
    if (commands.length > 2 * commandsMax) commands.splice(0, commands.length - commandsMax)
    from = entries.at(-1)!.index + 1
  }
  return { from: 1, to: machine.applicationIndex, commands: commands.slice(-commandsMax) }
}
