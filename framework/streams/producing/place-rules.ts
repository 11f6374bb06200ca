import { CloseReasons, type CloseReason } from '#framework/network'
import type { SubscribeRequest } from '../wire.js'

/** With these a consumer says that it goes. */
const goodbyes: ReadonlySet<number> = new Set([
  CloseReasons.Cancelled.code,
  CloseReasons.Success.code,
  CloseReasons.GracefulShutdown.code,
])
/** After these a consumer does not come back as the one it was. */
const placeLostReasons: ReadonlySet<number> = new Set([
  CloseReasons.NotAllowed.code,
  CloseReasons.SchemaMismatch.code,
  CloseReasons.ProtocolViolation.code,
  CloseReasons.TooSlow.code,
])

/**
 * Whether a producer with acknowledgement keeps what waits for a consumer after the end of its subscription. Not for one
 * that has said goodbye, unless it has a name under which to come back; nor for one that is not wanted any more, or does
 * not keep up.
 *
 * @param isDurable Whether the consumer has a name that outlives it.
 */
export function isPlaceKeptAfter({ code }: CloseReason, isDurable: boolean): boolean {
  return !placeLostReasons.has(code) && (isDurable || !goodbyes.has(code))
}

/** What decides where a consumer begins. */
export interface StartOptions {
  readonly request: Pick<SubscribeRequest, 'resume' | 'start'>
  /** Which life of the producer this is. */
  readonly epoch: string
  /** What was kept for the consumer, if it is. */
  readonly place: { readonly acknowledgedUpTo: number; readonly writtenUpTo: number } | undefined
  /** What the producer still has: from `oldest` up to and without `next`. */
  readonly log: { readonly oldest: number; readonly next: number }
}

/** The sequence number of the first datum for a consumer: where it was, or where it wants to begin, as far as that is kept. */
export function startSequence({ request, epoch, place, log }: StartOptions): number {
  const { resume, start } = request
  const resumed = resume?.epoch === epoch ? Math.min(resume.sequence, log.next) : undefined
  if (place !== undefined) {
    return Math.min(Math.max(resumed ?? 0, place.acknowledgedUpTo), place.writtenUpTo)
  }
  if (resumed === undefined && start !== 'oldest') return log.next
  return Math.max(resumed ?? 0, log.oldest)
}
