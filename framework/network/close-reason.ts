import { MosaikError, shortId, type PeerId } from '#framework/primitives'

/**
 * Why a link was closed, as both sides see it. Reasons are compared by `code` alone; the name is for people and
 * travels with the code, so that a reason which only a newer peer knows is still readable.
 */
export interface CloseReason {
  /** An unsigned 32-bit number. */
  readonly code: number
  readonly name: string
  /** What happened in this very case, in words. */
  readonly message?: string
}

/** Whose doing the end of a link was: ours, the other side's, or neither's (the connection failed). */
export type ClosedBy = 'local' | 'remote' | 'transport'

function reason(code: number, name: string): CloseReason {
  return Object.freeze({ code, name })
}

/**
 * The close reasons that mosaik's own protocols use (network.md §7). Codes below 1000 belong to links themselves,
 * 10000 and above to streams. Other protocols may bring their own codes and names.
 */
export const CloseReasons = Object.freeze({
  /** The acceptor was wired to another protocol. */
  InvalidAlpn: reason(100, 'InvalidAlpn'),
  /** The two sides are not of the same network; nothing else was said. */
  DifferentNetwork: reason(101, 'DifferentNetwork'),
  /** The side that closed was told to stop. */
  Cancelled: reason(102, 'Cancelled'),
  /** The link ended without a reason: end of stream, reset, or a lost connection. */
  UnexpectedClose: reason(103, 'UnexpectedClose'),
  /** The other side did not say in time what it had to say. */
  Timeout: reason(104, 'Timeout'),
  /** The exchange is complete. */
  Success: reason(200, 'Success'),
  /** The side that closed is shutting down in good order. */
  GracefulShutdown: reason(204, 'GracefulShutdown'),
  /** The side that closed has more connections than it needs, and is there when it is needed. */
  Pruned: reason(205, 'Pruned'),
  /** The other side sent what the protocol does not allow. */
  ProtocolViolation: reason(400, 'ProtocolViolation'),
  /** The acceptor has no entry of the connecting peer in its catalog: sync, then try again. */
  UnknownPeer: reason(401, 'UnknownPeer'),
  /** The acceptor does not have what was asked for. */
  NotFound: reason(404, 'NotFound'),
  /** A frame was announced that is longer than the protocol allows. */
  FrameTooLarge: reason(413, 'FrameTooLarge'),
  /** The other side asks more often than it is served. */
  TooManyRequests: reason(429, 'TooManyRequests'),
  /** The producer does not serve this consumer. */
  NotAllowed: reason(10403, 'NotAllowed'),
  /** The acceptor does not produce the stream. */
  StreamNotFound: reason(10404, 'StreamNotFound'),
  /** Producer and consumer define the stream's datum differently. */
  SchemaMismatch: reason(10409, 'SchemaMismatch'),
  /** The consumer does not keep up. */
  TooSlow: reason(10413, 'TooSlow'),
  /** The producer serves as many consumers as it may. */
  NoCapacity: reason(10509, 'NoCapacity'),
})

/** The same reason with words about this very case. An empty message is no message. */
export function closeReason(base: CloseReason, message: string): CloseReason {
  const { code, name } = base
  return Object.freeze(message === '' ? { code, name } : { code, name, message })
}

/** A reason as people read it: `401 UnknownPeer: not in my catalog`. */
export function describeCloseReason({ code, name, message }: CloseReason): string {
  return message === undefined ? `${code} ${name}` : `${code} ${name}: ${message}`
}

/** A link is over, and the operation could not be done. The reason is the one that ended the link first. */
export class LinkClosedError extends MosaikError {
  readonly reason: CloseReason
  readonly by: ClosedBy

  constructor(
    reason: CloseReason,
    by: ClosedBy,
    link: { readonly peer: PeerId; readonly protocol: string },
    options?: { cause?: unknown },
  ) {
    const { peer, protocol } = link
    super(
      'LINK_CLOSED',
      `link ${protocol} with peer ${shortId(peer)} was closed (${by}): ${describeCloseReason(reason)}`,
      { ...options, details: { reason, by, peer, protocol } },
    )
    this.reason = reason
    this.by = by
  }
}
