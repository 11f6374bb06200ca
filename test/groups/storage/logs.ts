import { crc32 } from 'node:zlib'
import { digestOf, encodeUtf8, seededRandom, type GroupId } from '#framework/primitives'
import type { ChainHasher } from '../../../framework/groups/raft/chain-hash.js'
import type {
  ChainHash,
  ClusterId,
  Configuration,
  Entry,
  Index,
  MemberId,
  SnapshotFacts,
} from '../../../framework/groups/raft/types.js'

/** A chain that is quick, and good enough to notice what tests do to it. */
export const hasher: ChainHasher = {
  next(previous, { index, term, kind, commandCount, applicationIndex, timestampMs, payload }) {
    const fields = [previous, index, term, kind, commandCount, applicationIndex, timestampMs].join()
    return 1 + crc32(payload, crc32(fields))
  },
}

export const group: GroupId = digestOf('orders')
export const otherGroup: GroupId = digestOf('trades')

const [first, second] = ['1', '2'].map((digit) => digit.repeat(32)) as [ClusterId, ClusterId]

export const configuration: Configuration = {
  voters: ['a/1' as MemberId],
  learners: [],
  lineage: [{ clusterId: first, lastTerm: 0, lastIndex: 0, committed: 0 }],
  verdicts: [{ winner: first, loser: second, shared: 0, isAgreed: true }],
}

/** Entries right behind `after` (default: the beginning), one for each text. */
export function entriesBehind(
  after: { readonly index: Index; readonly hash: ChainHash; readonly applicationIndex: Index } | undefined,
  texts: readonly (string | Uint8Array)[],
  { term = 1, kind = 'command' }: { term?: number; kind?: Entry['kind'] } = {},
): Entry[] {
  let { index, hash, applicationIndex } = after ?? { index: 0, hash: 0, applicationIndex: 0 }
  return texts.map((text) => {
    index++
    const commandCount = kind === 'command' ? 1 : 0
    applicationIndex += commandCount
    const payload = typeof text === 'string' ? encodeUtf8(text) : text
    const fields = {
      index,
      term,
      kind,
      commandCount,
      applicationIndex,
      timestampMs: 1_700_000_000_000 + index,
      payload,
    }
    hash = hasher.next(hash, fields)
    return { ...fields, hash }
  })
}

/** The facts of a snapshot up to and including an entry. */
export function factsOf({ index, term, applicationIndex, hash }: Entry): SnapshotFacts {
  return { index, term, applicationIndex, hash, configuration }
}

/** So many texts that are different from each other. */
export function texts(count: number, prefix = 'command'): string[] {
  return Array.from({ length: count }, (_, place) => `${prefix} ${place}`)
}

/** Bytes that look like nothing in particular. */
export function noise(length: number, seed = 1): Uint8Array {
  return seededRandom(seed).bytes(length)
}
