import { decode, encode, type Clock, type PeerId } from '#framework/primitives'
import { byteStreamPair, type ByteStreamPairOptions } from './byte-stream-pair.js'
import { openedLink } from './framed-link.js'
import type { Link, LinkLimits, LinkObserver, LinkProtocol } from './link.js'

export interface LinkPairOptions {
  readonly protocol: LinkProtocol
  /** Whose end is the first, opening one. */
  readonly peerA: PeerId
  /** Whose end is the second, accepting one. May be the same peer. */
  readonly peerB: PeerId
  /** What A says with opening; both see it as if it had travelled. */
  readonly openPayload?: unknown
  /** What B answers. */
  readonly acceptPayload?: unknown
  readonly limits?: Partial<LinkLimits>
  readonly clock?: Clock
  /** Counts both ends. */
  readonly observer?: LinkObserver
  readonly stream?: ByteStreamPairOptions
}

/**
 * Two ends of one link within one process, already open, for a node that talks to itself and for tests. Everything
 * else is as between two hosts: framing, limits, back-pressure, order, close reasons.
 *
 * @returns A's end, whose `peer` is B, and B's end, whose `peer` is A.
 * @throws {CodecError} When a payload cannot be encoded.
 */
export function linkPair(options: LinkPairOptions): [Link, Link] {
  const { protocol, peerA, peerB, openPayload, acceptPayload, limits, clock, observer } = options
  const [a, b] = byteStreamPair(options.stream)
  const shared = { protocol, limits, clock, observer }
  const payloads = { open: travelled(openPayload), accept: travelled(acceptPayload) }
  return [
    openedLink({ ...shared, stream: a, peer: peerB }, 'outbound', payloads),
    openedLink({ ...shared, stream: b, peer: peerA }, 'inbound', payloads),
  ]
}

/** What the other end of a wire would get: a copy, so that the two ends share no mutable state. */
function travelled(payload: unknown): unknown {
  return payload === undefined ? undefined : decode(encode(payload))
}
