import { decodeConfiguration } from './configuration.js'
import type { CoreFaults } from './faults.js'
import type { AppendRequest } from './messages.js'
import type { Replica } from './replica.js'
import type { Entry, Index, Term } from './types.js'

/** What an append means for a log. */
export type AppendVerdict =
  /** The log equals the leader's up to `lastIndex` once it ends before `truncateFrom` and goes on with `entries`. */
  | {
      readonly type: 'matched'
      readonly lastIndex: Index
      readonly truncateFrom: Index | undefined
      readonly entries: readonly Entry[]
    }
  /** There is no such entry as the leader says comes first: another one, or none (term and index 0). */
  | { readonly type: 'rejected'; readonly conflictTerm: Term; readonly conflictIndex: Index }
  /** One of both logs is wrong where none can be. */
  | { readonly type: 'diverged'; readonly index: Index; readonly reason: string }
  /** The entry at this index is not what its hash says. */
  | { readonly type: 'corrupt'; readonly index: Index }
  | { readonly type: 'malformed' }

/** Looks at every entry of the message, not only at the first. Changes nothing. */
export function judgeAppend(replica: Replica, request: AppendRequest, faults: CoreFaults): AppendVerdict {
  const { log, commitIndex } = replica
  const { prevIndex, prevTerm, prevHash, entries } = request
  if (entries.some((entry, at) => entry.index !== prevIndex + 1 + at || entry.term > request.term))
    return { type: 'malformed' }
  const lastIndex = prevIndex + entries.length
  if (prevIndex < log.base.index) return judgeOverlap(replica, request, lastIndex, faults)

  const previous = log.positionAt(prevIndex)
  if (previous === undefined) return { type: 'rejected', conflictTerm: 0, conflictIndex: 0 }
  if (!faults.skipsPrevCheck) {
    if (previous.term !== prevTerm) {
      if (prevIndex <= commitIndex && !faults.truncatesBelowCommit)
        return {
          type: 'diverged',
          index: prevIndex,
          reason: 'a committed entry has another term at the leader',
        }
      const conflictIndex = log.firstIndexOfTermAt(prevIndex)
      return { type: 'rejected', conflictTerm: previous.term, conflictIndex }
    }
    if (previous.hash !== prevHash) return differentEntries(prevIndex)
  }

  let last = { index: prevIndex, term: prevTerm, hash: prevHash, applicationIndex: previous.applicationIndex }
  for (const [at, entry] of entries.entries()) {
    const own = log.entryAt(entry.index)
    if (own?.term === entry.term) {
      // Log matching (Raft, §5.3): equal index and term mean equal entries.
      if (own.hash !== entry.hash) return differentEntries(entry.index)
    } else {
      if (own !== undefined && entry.index <= commitIndex && !faults.truncatesBelowCommit)
        return {
          type: 'diverged',
          index: entry.index,
          reason: 'the leader has another entry than the committed one',
        }
      const rest = entries.slice(at)
      for (const fresh of rest) {
        if (fresh.term < last.term) return { type: 'malformed' }
        if (!replica.isChained(last, fresh)) return { type: 'corrupt', index: fresh.index }
        if (fresh.kind === 'configuration' && decodeConfiguration(fresh.payload) === undefined)
          return { type: 'malformed' }
        last = fresh
      }
      return { type: 'matched', lastIndex, truncateFrom: own && entry.index, entries: rest }
    }
    last = own
  }
  // What is behind the message stays: it may have been overtaken by a later one (Raft, figure 2).
  const cutsOff = faults.truncatesBelowCommit && log.lastIndex > lastIndex
  return { type: 'matched', lastIndex, truncateFrom: cutsOff ? lastIndex + 1 : undefined, entries: [] }
}

/**
 * The message begins before what is in memory. All of that is committed, so the leader has it too; what can be compared
 * is compared, and the rest of the message is judged from the base on.
 */
function judgeOverlap(
  replica: Replica,
  request: AppendRequest,
  lastIndex: Index,
  faults: CoreFaults,
): AppendVerdict {
  const { base } = replica.log
  if (lastIndex < base.index) return { type: 'matched', lastIndex, truncateFrom: undefined, entries: [] }
  const skipped = base.index - request.prevIndex
  const atBase = request.entries[skipped - 1]!
  if (atBase.hash !== base.hash || atBase.term !== base.term) return differentEntries(base.index)
  const rest = {
    ...request,
    prevIndex: base.index,
    prevTerm: base.term,
    prevHash: base.hash,
    entries: request.entries.slice(skipped),
  }
  return judgeAppend(replica, rest, faults)
}

function differentEntries(index: Index): AppendVerdict {
  return { type: 'diverged', index, reason: 'two entries of the same index and term are different' }
}
