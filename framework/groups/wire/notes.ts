// What members tell each other besides consensus, as MessagePack: few and small.
import { z } from 'zod'
import { decode, encode } from '#framework/primitives'
import { originsMax, type ClusterId, type MemberId, type MergeMessage } from '../raft/index.js'
import { MalformedMessageError } from './raft-wire.js'

const whole = z.int().min(0)
const memberId = z.string().transform((text) => text as MemberId)
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const refusal = z.enum(['not-leader', 'busy', 'refused'])

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
const verdict = z.object({ winner: standing, loser: standing })

/** On the control lane: what a member says of itself when there is a bond, and again when it changes. */
const noteSchema = z.object({
  /** The cluster it belongs to, and who that has. Absent: none. */
  cluster: z
    .object({
      id: clusterId,
      voters: z.array(memberId),
      learners: z.array(memberId),
      lineage: lineage.optional(),
    })
    .optional(),
  /** Where its log ends. Only while it has given the majority of its cluster up for lost and may go on without. */
  survivor: z.object({ lastTerm: whole, lastIndex: whole }).optional(),
  /**
   * That the cluster it was in before gives way, by an entry that was committed there. Who did not hear of that entry
   * would wait for a majority of members that are gone.
   */
  gaveWay: verdict.optional(),
  /** It is about to go. */
  isLeaving: z.boolean(),
})

/** On the control lane: what the leaders of two clusters tell each other. */
const mergeSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('standing'), standing }),
  z.object({ type: z.literal('verdict'), verdict }),
])

/** On the forward lane: what a member asks of the leader, and the answers. */
const requestSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('submit'),
    id: whole,
    /** Payload of the entry that opens the session, if it belongs in front. */
    opening: bytes.optional(),
    /** Payloads of entries, and how many commands each has. */
    submissions: z.array(z.object({ payload: bytes, commandCount: z.int().min(1) })).min(1),
    /** Nobody waits to hear where they are in the log: it is answered only when they are refused. */
    isQuiet: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('read'), id: whole, consistency: z.enum(['strong', 'lease']) }),
  z.object({ type: z.literal('transfer'), id: whole, to: memberId }),
  z.object({ type: z.literal('appended'), id: whole, term: whole, firstIndices: z.array(whole) }),
  z.object({ type: z.literal('readable'), id: whole, index: whole }),
  z.object({ type: z.literal('transferring'), id: whole }),
  z.object({ type: z.literal('refused'), id: whole, reason: refusal }),
])

export type Note = z.infer<typeof noteSchema>
export type ForwardMessage = z.infer<typeof requestSchema>
export type ForwardRequest = Extract<ForwardMessage, { type: 'submit' | 'read' | 'transfer' }>
export type ForwardAnswer = Exclude<ForwardMessage, ForwardRequest>
export type ForwardRefusal = z.infer<typeof refusal>

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

export function encodeForward(message: ForwardMessage): Uint8Array {
  return encode(message)
}

/** @throws MalformedMessageError */
export function decodeForward(message: Uint8Array): ForwardMessage {
  return parsed(requestSchema, message)
}

function parsed<T>(schema: z.ZodType<T>, message: Uint8Array): T {
  try {
    return schema.parse(decode(message))
  } catch {
    throw new MalformedMessageError('it is not what members tell each other')
  }
}
