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
}

/**
 * Which of two connections between us and a peer to use: negative for the first. Both peers come to the same choice
 * about connections that they made at the same time, so that the other one can be closed. Pure.
 */
export function compareConnections(self: PeerId, a: Candidate, b: Candidate): number {
  const quicFirst = Number(b.transport === 'quic') - Number(a.transport === 'quic')
  if (quicFirst !== 0) return quicFirst
  // A peer that comes back has an old connection that nobody has missed yet: the newer one is the live one.
  if (Math.abs(a.openedAt - b.openedAt) > SIMULTANEOUS_MS) return b.openedAt - a.openedAt
  const smallerDials = Number(isDialledBySmaller(self, b)) - Number(isDialledBySmaller(self, a))
  return smallerDials === 0 ? a.openedAt - b.openedAt : smallerDials
}

function isDialledBySmaller(self: PeerId, { peer, direction }: Candidate): boolean {
  return self < peer === (direction === 'outbound')
}
