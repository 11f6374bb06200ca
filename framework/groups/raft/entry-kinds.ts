import type { EntryKind } from './types.js'

/** What stands for a kind in hashes, on disks and on the wire: never to be renumbered. */
export const entryKindCodes: Readonly<Record<EntryKind, number>> = {
  command: 1,
  session: 2,
  noop: 3,
  configuration: 4,
}

const kinds = new Map(Object.entries(entryKindCodes).map(([kind, code]) => [code, kind as EntryKind]))

/** Undefined for a code that stands for nothing. */
export function entryKindOf(code: number): EntryKind | undefined {
  return kinds.get(code)
}
