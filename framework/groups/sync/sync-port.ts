import type { MemberId } from '../raft/index.js'

/** The way to other members, as bringing members up to date needs it. */
export interface SyncPort {
  /** `busy`: too much waits already. `closed`: there is no way to that member. Losing a message is harmless. */
  send(to: MemberId, message: Uint8Array): 'sent' | 'busy' | 'closed'
  /** Whom there is a way to. */
  members(): Iterable<MemberId>
}
