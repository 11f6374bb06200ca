import type { PeerId } from '#framework/primitives'
import type { TransportKind } from './addresses.js'

/** Two connections opened within this time are taken for two peers that dialled each other. */
const SIMULTANEOUS_MS = 5_000

/** What decides between connections to the same peer. */
export interface Candidate {
  readonly peer: PeerId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: TransportKind
  /** Monotonic milliseconds. */
  readonly openedAt: number
  /** Which start of the peer is at the other end, if it has said. */
  readonly instance?: string | undefined
}

/**
 * Which of two connections between us and a peer to use: negative for the first. Both peers come to the same choice
 * about connections that they made at the same time, so that the other one can be closed. Pure.
 */
export function compareConnections(self: PeerId, a: Candidate, b: Candidate): number {
  // A peer that was killed and started again leaves a connection that nobody has missed yet.
  if (a.instance !== undefined && b.instance !== undefined && a.instance !== b.instance) {
    return b.openedAt - a.openedAt
  }
  const transport = preference(a) - preference(b)
  if (transport !== 0) return transport
  // The network may have lost the old one without either side having noticed: the newer one is the live one.
  if (Math.abs(a.openedAt - b.openedAt) > SIMULTANEOUS_MS) return b.openedAt - a.openedAt
  const smallerDials = Number(isDialledBySmaller(self, b)) - Number(isDialledBySmaller(self, a))
  return smallerDials === 0 ? a.openedAt - b.openedAt : smallerDials
}

/** Anything is better than a detour over a third party, and nothing better than QUIC. */
function preference({ transport }: Candidate): number {
  if (transport === 'quic') return 0
  return transport === 'relay' ? 2 : 1
}

function isDialledBySmaller(self: PeerId, { peer, direction }: Candidate): boolean {
  return self < peer === (direction === 'outbound')
}
