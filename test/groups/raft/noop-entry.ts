import type { Entry } from '../../../framework/groups/raft/index.js'

/** An entry of which nothing matters but where it is, of which term, and what its hash is. */
export function noopEntry(index: number, term: number, hash: number): Entry {
  return {
    index,
    term,
    kind: 'noop',
    commandCount: 0,
    applicationIndex: 0,
    timestampMs: 0,
    payload: new Uint8Array(),
    hash,
  }
}
