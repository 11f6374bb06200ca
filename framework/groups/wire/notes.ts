// What members tell each other besides consensus, as MessagePack: few and small.
import { z } from 'zod'
import { decode, encode } from '#framework/primitives'
import { originsMax, verdictsMax, type ClusterId, type MemberId, type MergeMessage } from '../raft/index.js'
import { MalformedMessageError } from './message-bytes.js'

const whole = z.int().min(0)
const memberId = z.string().transform((text) => text as MemberId)

const clusterId = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .transform((text) => text as ClusterId)
const lineage = z
  .array(z.object({ clusterId, lastTerm: whole, lastIndex: whole, committed: whole }))
  .max(originsMax)
  .readonly()

const standing = z.object({
  clusterId,
  committed: whole,
  lastTerm: whole,
  lineage: lineage.optional(),
})
const verdict = z.object({ winner: clusterId, loser: clusterId, shared: whole, isAgreed: z.boolean() })
const verdicts = z.array(verdict).max(verdictsMax).readonly()

/** On the control lane: what a member says of itself when there is a bond, and again when it changes. */
const noteSchema = z.object({
  /** The cluster it belongs to, and who that has. Absent: none. */
  cluster: z
    .object({
      id: clusterId,
      voters: z.array(memberId),
      learners: z.array(memberId),
      lineage: lineage.optional(),
      /** Those that are committed there: whoever is in a cluster that has given way may hear of it from anybody here. */
      verdicts: verdicts.optional(),
    })
    .optional(),
  /** Where its log ends. Only while it has given the majority of its cluster up for lost and may go on without. */
  survivor: z.object({ lastTerm: whole, lastIndex: whole }).optional(),
  /** That it gives its cluster up, or did, because that has given way: as long as the other one does not have it in its log. */
  gaveWay: verdicts.optional(),
  /** It is about to go. */
  isLeaving: z.boolean(),
})

/** On the control lane: what the leaders of two clusters tell each other. */
const mergeSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('standing'), standing }),
  z.object({ type: z.literal('verdict'), verdict }),
])

export type Note = z.infer<typeof noteSchema>

export function encodeNote(note: Note): Uint8Array {
  return encode(note)
}

/** @throws MalformedMessageError */
export function decodeNote(message: Uint8Array): Note {
  return parsed(noteSchema, message)
}

export function encodeMerge(message: MergeMessage): Uint8Array {
  return encode(message)
}

/** @throws MalformedMessageError */
export function decodeMerge(message: Uint8Array): MergeMessage {
  return parsed(mergeSchema, message)
}

function parsed<T>(schema: z.ZodType<T>, message: Uint8Array): T {
  try {
    return schema.parse(decode(message))
  } catch {
    throw new MalformedMessageError('it is not what members tell each other')
  }
}
