import { z } from 'zod'
import { decode, encode } from '#framework/primitives'
import type { ClusterId, HardState, MemberId, SnapshotFacts, Verdict } from '../../raft/types.js'
import type { JournalShape } from '../journal/segment.js'
import { corrupt } from '../storage-error.js'
import { openRecord, placeOf, sealRecord } from './checked-record.js'

// These records are few and small. They are MessagePack maps, which may grow fields.

const whole = z.number().int().nonnegative()
const memberId = z.string().transform((text) => text as MemberId)
const members = z.array(memberId)
const clusterId = z.string().transform((text) => text as ClusterId)

const hardStateSchema = z.object({
  clusterId: clusterId.optional(),
  term: whole,
  votedFor: memberId.optional(),
})

const originSchema = z.object({
  clusterId,
  lastTerm: whole,
  lastIndex: whole,
  committed: whole,
})

const verdictSchema = z.object({ winner: clusterId, loser: clusterId, shared: whole, isAgreed: z.boolean() })

const factsSchema = z.object({
  index: whole,
  term: whole,
  applicationIndex: whole,
  hash: whole,
  configuration: z.object({
    voters: members,
    learners: members,
    lineage: z.array(originSchema).optional(),
    verdicts: z.array(verdictSchema).optional(),
  }),
})

const snapshotSchema = z.object({
  facts: factsSchema,
  number: whole,
  byteLength: whole,
  chunkCount: whole,
})

const identitySchema = z.object({
  number: whole,
  incarnation: z.string().regex(/^[0-9a-f]{16}$/),
  gaveWay: z.array(verdictSchema).optional(),
})

const journalSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  segmentBytes: whole,
  checkpointed: whole,
})

/** A snapshot that is in force, and under which number its chunks are stored. */
export interface SnapshotRecord {
  readonly facts: SnapshotFacts
  readonly number: number
  readonly byteLength: number
  readonly chunkCount: number
}

/** Which number a group has in the keys of its records, who its member is, and what that has given up before. */
export interface GroupIdentity {
  readonly number: number
  readonly incarnation: string
  readonly gaveWay?: readonly Verdict[] | undefined
}

/** Which journal belongs to an environment, and how much of that is in there already. */
export interface JournalPosition extends JournalShape {
  /** The last batch whose changes have been made here. */
  readonly checkpointed: number
}

/** How a value of one type is stored under a key. */
export interface StateRecord<T> {
  seal(key: Uint8Array, value: T): Uint8Array
  /** @throws GroupStorageError `GROUP_STORAGE_CORRUPT`. */
  open(key: Uint8Array, record: Uint8Array): T
}

export const hardStateRecord = stateRecord<HardState>('the hard state', (value) => {
  const { clusterId, term, votedFor } = hardStateSchema.parse(value)
  return { clusterId, term, votedFor }
})
export const baseRecord = stateRecord<SnapshotFacts>('the base of the log', (value) =>
  factsSchema.parse(value),
)
export const snapshotRecord = stateRecord<SnapshotRecord>('the snapshot', (value) =>
  snapshotSchema.parse(value),
)
export const identityRecord = stateRecord<GroupIdentity>('the identity', (value) =>
  identitySchema.parse(value),
)
export const journalRecord = stateRecord<JournalPosition>('the position in the journal', (value) =>
  journalSchema.parse(value),
)

function stateRecord<T>(name: string, parse: (value: unknown) => T): StateRecord<T> {
  return {
    seal: (key, value) => sealRecord(placeOf(key), encode(value)),
    open: (key, record) => {
      const contents = openRecord(placeOf(key), record, name)
      try {
        return parse(decode(contents))
      } catch (error) {
        // The checksum matches: a program wrote this that means something else by it.
        throw corrupt(name, `this is none: ${String(error)}`)
      }
    },
  }
}
