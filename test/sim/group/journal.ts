import type {
  Entry,
  HardState,
  Index,
  RestoredState,
  SnapshotFacts,
} from '../../../framework/groups/raft/types.js'
import type { Ready } from '../../../framework/groups/raft/ready.js'
import type { RegistersSnapshot } from './registers.js'

/** A state machine with the point in the log that it stands for. */
export interface Snapshot {
  readonly facts: SnapshotFacts
  readonly machine: RegistersSnapshot
}

/** One write of a member to its disk. */
export type JournalRecord =
  | { readonly kind: 'hard-state'; readonly hardState: HardState }
  /** A snapshot that came from another member. */
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot; readonly keepsEntries: boolean }
  /** A snapshot of this member, in place of every entry up to and including `base`. The entries behind it follow. */
  | { readonly kind: 'checkpoint'; readonly snapshot: Snapshot; readonly base: SnapshotFacts }
  | { readonly kind: 'truncate'; readonly from: Index }
  | { readonly kind: 'entry'; readonly entry: Entry }

/** What a journal says when it is read from its beginning. */
export interface Recovered {
  readonly restored: RestoredState
  readonly snapshot: Snapshot | undefined
}

/** Roughly what a record takes. */
export function bytesOfRecord(record: JournalRecord): number {
  switch (record.kind) {
    case 'hard-state':
      return 64
    case 'truncate':
      return 16
    case 'entry':
      return 48 + record.entry.payload.length
    case 'snapshot':
    case 'checkpoint':
      return 128 + 64 * (record.snapshot.machine.values.size + record.snapshot.machine.sessions.size)
  }
}

/** The writes of a Ready, in their order. @param machine The state of the installed snapshot, if there is one. */
export function recordsOf(ready: Ready, snapshot: Snapshot | undefined): JournalRecord[] {
  const records: JournalRecord[] = []
  if (ready.hardState) records.push({ kind: 'hard-state', hardState: ready.hardState })
  if (ready.snapshot && snapshot) {
    records.push({ kind: 'snapshot', snapshot, keepsEntries: ready.snapshot.keepsEntries })
  }
  if (ready.truncateFrom !== undefined) records.push({ kind: 'truncate', from: ready.truncateFrom })
  for (const entry of ready.entries) records.push({ kind: 'entry', entry })
  return records
}

export function recover(records: readonly JournalRecord[]): Recovered {
  let hardState: HardState = { clusterId: undefined, term: 0, votedFor: undefined }
  let snapshot: Snapshot | undefined
  let base: SnapshotFacts | undefined
  let entries: Entry[] = []
  for (const record of records) {
    switch (record.kind) {
      case 'hard-state':
        hardState = record.hardState
        break
      case 'snapshot': {
        snapshot = record.snapshot
        const { index } = record.snapshot.facts
        base = snapshot.facts
        entries = record.keepsEntries ? entries.filter((entry) => entry.index > index) : []
        break
      }
      case 'checkpoint':
        ;({ snapshot, base } = record)
        entries = []
        break
      case 'truncate':
        entries = entries.filter((entry) => entry.index < record.from)
        break
      case 'entry':
        entries.push(record.entry)
        break
    }
  }
  return { restored: { hardState, base, entries, appliedIndex: snapshot?.facts.index }, snapshot }
}
