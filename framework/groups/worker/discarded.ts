import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import { decodeSubmission } from '../machine/submission.js'
import type { Index } from '../raft/index.js'
import type { GroupStorage } from '../storage/index.js'

/** How many commands are handed to the application at most: the last ones. */
const commandsMax = 10_000

/** What a member had carried out, or would have, and gives up. */
export interface Discarded<C> {
  /** Application indices of all of it. */
  readonly from: Index
  readonly to: Index
  /** In their order; the last 10 000 that are in the log still. */
  readonly commands: readonly C[]
}

/**
 * The commands of a log behind those that the other part has as well, for the application to do with them what it thinks
 * fit. All that is stored, and not only what was applied: somebody may have been told that it is done who is not there any
 * more, and this member may have started again and not heard since how much is committed. So there may be some among them
 * that have never taken effect, or that their clients have submitted to the other part again.
 *
 * @param to The last entry that is stored.
 * @param shared Up to which application index the other part has the same.
 * @throws What reading the storage throws.
 */
export async function discardedUpTo<C, R, Q, A>(
  machine: ReplicatedMachine<C, R, Q, A>,
  storage: GroupStorage,
  to: Index,
  shared: Index,
): Promise<Discarded<C>> {
  const { command: codec } = machine.codecs
  const commands: C[] = []
  /** The last submission of each session: one that was submitted again, or too early, was not applied there. */
  const sequences = new Map<string, number>()
  const base = storage.currentSnapshot()?.facts.index ?? 0
  let { applicationIndex } = machine
  let from = base + 1
  while (from <= to) {
    const entries = await storage.readEntries(from, to)
    for (const entry of entries) {
      if (entry.kind !== 'command') continue
      applicationIndex = Math.max(applicationIndex, entry.applicationIndex)
      const { session, sequence, commands: encoded } = decodeSubmission(entry.payload)
      const last = sequences.get(session) ?? (base === 0 ? 0 : sequence - 1)
      if (sequence !== last + 1) continue
      sequences.set(session, sequence)
      if (entry.applicationIndex <= shared) continue
      for (const bytes of encoded) commands.push(codec.decode(bytes))
    }
    if (commands.length > 2 * commandsMax) commands.splice(0, commands.length - commandsMax)
    from = entries.at(-1)!.index + 1
  }
  return { ...discardedRange({ applicationIndex }, shared), commands: commands.slice(-commandsMax) }
}

/** Which application indices there are up to one, behind those that the other part has as well. */
export function discardedRange(
  { applicationIndex }: { readonly applicationIndex: Index },
  shared: Index,
): Pick<Discarded<never>, 'from' | 'to'> {
  return { from: Math.min(shared, applicationIndex) + 1, to: applicationIndex }
}
