import type { PeerEntry } from '#framework/discovery'
import { CloseReasons, closeReason, type CloseReason } from '#framework/network'
import type { Digest } from '#framework/primitives'
import type { Ineligible, Judgement } from './eligibility.js'
import { schemaDifferences } from '../schema/schema-diff.js'

/** Who asks to subscribe. */
export interface Applicant {
  /** What the catalog holds about it, its own handshake included; undefined when it knows nothing. */
  readonly entry: PeerEntry | undefined
  readonly fingerprint: Digest
  readonly shape: string | undefined
  /** How to call it in a refusal. */
  readonly label: string
}

/** The producer that is asked. */
export interface AdmissionRules {
  readonly name: string
  readonly fingerprint: Digest
  readonly shape: string
  readonly label: string
  /** Subscriptions that would count besides this one: without those it takes the place of. */
  readonly consumerCount: number
  readonly maxConsumers: number
  /** Never throws. */
  readonly judge: (entry: PeerEntry) => Judgement
}

/** How the outcome of an admission is called in metrics. */
export type AdmissionResult =
  | 'accepted'
  | 'malformed'
  | 'unknown_peer'
  | 'no_stream'
  | 'capacity'
  | 'predicate'
  | 'ticket'
  | 'rtt'
  | 'schema'

/** Why a subscription is refused. */
export interface Refusal {
  readonly reason: CloseReason
  readonly result: Exclude<AdmissionResult, 'accepted'>
}

/**
 * Whether a producer serves a consumer; undefined means yes. The checks and their order are those of streams.md §5.1 and
 * §5.2; the schema comes last, because a refusal that explains it is only for who would be served. Pure.
 *
 * @param rules Undefined when the stream is not produced here.
 */
export function admissionRefusal(
  applicant: Applicant,
  rules: AdmissionRules | undefined,
): Refusal | undefined {
  if (applicant.entry === undefined) {
    return refusal(CloseReasons.UnknownPeer, 'unknown_peer', 'the catalog has no entry of this peer')
  }
  if (rules === undefined) return streamNotFound
  if (rules.consumerCount >= rules.maxConsumers) {
    return refusal(
      CloseReasons.NoCapacity,
      'capacity',
      `stream "${rules.name}" serves at most ${rules.maxConsumers} consumers here`,
    )
  }
  const judgement = rules.judge(applicant.entry)
  if (!judgement.isEligible) {
    return Object.freeze({ reason: notAllowed(rules.name, judgement), result: judgement.cause })
  }
  if (applicant.fingerprint !== rules.fingerprint) {
    return refusal(CloseReasons.SchemaMismatch, 'schema', mismatchText(rules, applicant))
  }
  return undefined
}

/** What a consumer is told that its producer does not serve, or not any more. */
export function notAllowed(stream: string, { message }: Ineligible): CloseReason {
  return closeReason(
    CloseReasons.NotAllowed,
    `the producer of stream "${stream}" does not serve this peer: ${message}`,
  )
}

export const streamNotFound: Refusal = refusal(
  CloseReasons.StreamNotFound,
  'no_stream',
  'the stream is not produced here',
)

/** Names both sides and what differs, because each side logs this and only one of them has to change. */
function mismatchText(producer: AdmissionRules, consumer: Applicant): string {
  const differences = consumer.shape === undefined ? [] : schemaDifferences(producer.shape, consumer.shape)
  const where = differences.length > 0 ? differences.join('; ') : 'their fingerprints differ'
  return `producer ${producer.label} and consumer ${consumer.label} define stream "${producer.name}" differently: ${where}`
}

function refusal(base: CloseReason, result: Refusal['result'], message: string): Refusal {
  return Object.freeze({ reason: closeReason(base, message), result })
}
