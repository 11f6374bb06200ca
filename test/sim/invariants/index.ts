import { AcknowledgedIsDurable } from './acknowledged-is-durable.js'
import { CommitMonotonic } from './commit-monotonic.js'
import { ElectionSafety } from './election-safety.js'
import { ExactlyOnce } from './exactly-once.js'
import type { Invariant } from './invariant.js'
import { LeaderCompleteness } from './leader-completeness.js'
import { LogMatching } from './log-matching.js'
import { NoDivergence } from './no-divergence.js'
import { ReadsNotStale } from './reads-not-stale.js'
import { SnapshotsBehindLog } from './snapshots-behind-log.js'
import { StateMachineSafety } from './state-machine-safety.js'
import { VotesAreDurable } from './votes-are-durable.js'

/** Every invariant, new, for one world. */
export function allInvariants(): Invariant[] {
  return [
    new ElectionSafety(),
    new VotesAreDurable(),
    new LogMatching(),
    new LeaderCompleteness(),
    new StateMachineSafety(),
    new CommitMonotonic(),
    new AcknowledgedIsDurable(),
    new SnapshotsBehindLog(),
    new ReadsNotStale(),
    new ExactlyOnce(),
    new NoDivergence(),
  ]
}
