// The messages of `/mosaik/streams/1.0`. The consumer opens the link; datums flow one way as BYTES frames (codec/datum-frame.ts),
// everything else is one of these. Maps tolerate unknown fields, so that more can be added without a new protocol.
import { z } from 'zod'
import type { LinkProtocol } from '#framework/network'
import { bytesOf, digestFromRaw, messageOf, MosaikError, type Digest } from '#framework/primitives'
import { compileCriteria } from './criteria/compile-criteria.js'

export const streamsProtocol: LinkProtocol = {
  id: '/mosaik/streams/1.0',
  frameBytesMax: 1024 * 1024,
  // One for each consumer of the peer and stream; each costs a queue here only while it is used.
  maxInboundPerPeer: 1024,
}

/**
 * How long the body of a frame of datums becomes before it is sent, in bytes; one datum may be longer. Just under 128 KiB
 * with its header, so that it fits into one read: each frame wakes threads of the transport at both ends.
 */
export const bodyBytesTarget = 128 * 1024 - 64

/** Longer shapes are not sent: a refusal then says that the schemas differ, but not where. */
export const shapeCharsMax = 16 * 1024

const digestBytes = z
  .custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength === 32, 'expected 32 bytes')
  .transform((bytes): Digest => digestFromRaw(bytes))
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes')
const sequence = z.int().min(0)
const criteria = z.unknown().superRefine((value, context) => {
  try {
    compileCriteria(value)
  } catch (error) {
    context.addIssue(messageOf(error))
  }
})

/** What a consumer says when it opens the link. */
const subscribeSchema = z.object({
  stream: digestBytes,
  name: z.string().max(256),
  fingerprint: digestBytes,
  shape: z.string().max(shapeCharsMax).optional(),
  /** The credit that the producer starts with; 0 when the consumer still holds a window full of what it got before. */
  windowBytes: sequence,
  /** The consumer's own signed entry: a producer that has not heard of it yet need not ask anybody. */
  entry: bytes,
  /** Which consumer of the peer this is; random, for the life of the consumer. */
  subscriber: z.string().min(1).max(64),
  /** Whether that name outlives the consumer: then its place is kept although it said goodbye. */
  durable: z.boolean().optional(),
  /** Counts the requests of that consumer: a later one takes the place of an earlier one. */
  attempt: z.int().min(1),
  /**
   * Where the last subscription to this producer ended: everything below `sequence` arrived or is known to be lost, and the
   * application has taken everything below `taken`; all of it, if that is absent.
   */
  resume: z.object({ epoch: z.string().min(1).max(64), sequence, taken: sequence.optional() }).optional(),
  /** Where to begin when there is nothing to resume and the producer keeps a replay. Absent: with the newest. */
  start: z.enum(['oldest', 'newest']).optional(),
  /** Which datums to send, as `criteria/criteria.ts` has it. With criteria, frames of datums have their other form. */
  criteria: criteria.optional(),
})

/** What the producer answers. */
const subscribedSchema = z.object({
  stream: digestBytes,
  fingerprint: digestBytes,
  /** Which life of the producer this is; random. */
  epoch: z.string().min(1).max(64),
  /** How datums are encoded: the `id` of a codec. */
  codec: z.string().max(64),
  /** Whether the producer wants to be told what is acknowledged. */
  ack: z.boolean().optional(),
  /** The sequence number of the first datum that this subscription is to get. */
  sequence,
  /** The producer's own signed entry. */
  entry: bytes,
})

/** What the producer says between datums. */
const fromProducerSchema = z.discriminatedUnion('kind', [
  /**
   * Everything below `sequence` that did not arrive is accounted for: `lost` of them are lost, by default all; the others
   * did not meet the criteria. Said when no datum follows that would show it.
   */
  z.object({ kind: z.literal('gap'), sequence, lost: sequence.optional() }),
  /** Asks for a credit message once everything below `sequence` was taken by the application. */
  z.object({ kind: z.literal('drain'), sequence }),
  /** Asks for a credit message at once: it shows whether the application takes anything. */
  z.object({ kind: z.literal('probe') }),
  /** No more datums; `sequence` would have been the next one's. Followed by GracefulShutdown. */
  z.object({ kind: z.literal('end'), sequence }),
])

/** What the consumer says. */
const fromConsumerSchema = z.object({
  kind: z.literal('credit'),
  /** Everything granted since the subscription began, in bytes of datum frames. */
  bytes: sequence,
  /** Everything below was taken by the application, or is known to be lost. */
  sequence,
  /** Everything below was acknowledged, or is known to be lost. Only for producers that asked to be told. */
  acked: sequence.optional(),
})

export type Subscribe = z.output<typeof subscribeSchema>
export type Subscribed = z.output<typeof subscribedSchema>
/** What is said of the subscription itself. Who says it is shown when the message leaves the node. */
export type SubscribeRequest = Omit<Subscribe, 'entry'>
export type Greeting = Omit<Subscribed, 'entry'>
export type FromProducer = z.output<typeof fromProducerSchema>
export type FromConsumer = z.output<typeof fromConsumerSchema>

/** The other side said what this protocol does not allow. Code `STREAM_PROTOCOL_VIOLATED`. */
export class StreamProtocolError extends MosaikError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('STREAM_PROTOCOL_VIOLATED', message, options)
  }
}

/** Each throws a {@link StreamProtocolError} for what another version, or no mosaik at all, has sent. */
export const parseSubscribe = (payload: unknown): Subscribe => parse(subscribeSchema, payload)
export const parseSubscribed = (payload: unknown): Subscribed => parse(subscribedSchema, payload)
export const parseFromProducer = (message: unknown): FromProducer => parse(fromProducerSchema, message)
export const parseFromConsumer = (message: unknown): FromConsumer => parse(fromConsumerSchema, message)

function parse<T>(schema: z.ZodType<T>, message: unknown): T {
  const result = schema.safeParse(message)
  if (result.success) return result.data
  throw new StreamProtocolError(`a message is not as expected: ${z.prettifyError(result.error)}`, {
    cause: result.error,
  })
}

/** A message with digests as it travels: as bytes, which are half the size of their text. */
export function openingPayload(message: Subscribe | Subscribed): unknown {
  return { ...message, stream: bytesOf(message.stream), fingerprint: bytesOf(message.fingerprint) }
}
