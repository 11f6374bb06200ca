import type { PeerId } from '#framework/primitives'

/**
 * How long a peer whose connection broke may take to be reached again before it counts as lost, in milliseconds. Together
 * with the time that a transport takes to notice, which is 3.5 s at most over QUIC, this has to stay below five seconds.
 */
const CONFIRM_MS = 900

/** So many attempts to reach it that have failed are enough, too. */
const ATTEMPTS_MAX = 2

/** The time between them, in milliseconds. */
const RETRY_MS = 300

/** How many peers are dialled for this at a time. When our own uplink fails, all of them are lost anyway. */
const CONCURRENT_MAX = 32

/** How long one attempt may take, in milliseconds. */
export const REDIAL_TIMEOUT_MS = CONFIRM_MS

interface Suspect {
  readonly sinceMs: number
  failures: number
  isRunning: boolean
  nextAtMs: number
}

/**
 * Which peers are lost: their last connection ended without a word, and they could not be reached again at once. Nobody
 * else's opinion is asked; that others may still hear the peer is found out later, when they pass on its next sign of
 * life. Pure; times are on the monotonic clock.
 */
export class LostPeers {
  readonly #suspects = new Map<PeerId, Suspect>()

  /** The last connection with the peer has ended without a goodbye. */
  onDisconnected(peer: PeerId, nowMs: number): void {
    if (this.#suspects.has(peer)) return
    this.#suspects.set(peer, { sinceMs: nowMs, failures: 0, isRunning: false, nextAtMs: nowMs })
  }

  /** There is a connection with the peer again, or it has said goodbye. */
  onCleared(peer: PeerId): void {
    this.#suspects.delete(peer)
  }

  /** An attempt that {@link next} has asked for has failed. */
  onRedialFailed(peer: PeerId, nowMs: number): void {
    const suspect = this.#suspects.get(peer)
    if (!suspect) return
    suspect.isRunning = false
    suspect.failures++
    suspect.nextAtMs = nowMs + RETRY_MS
  }

  /** Whom to dial now, each to be reported; who is lost, told once; and when to ask again at the latest. */
  next(nowMs: number): { redials: PeerId[]; lost: PeerId[]; atMs: number } {
    const redials: PeerId[] = []
    const lost: PeerId[] = []
    let atMs = Infinity
    let room = CONCURRENT_MAX
    for (const { isRunning } of this.#suspects.values()) if (isRunning) room--
    for (const [peer, suspect] of this.#suspects) {
      const lostAtMs = suspect.sinceMs + CONFIRM_MS
      if (suspect.failures >= ATTEMPTS_MAX || lostAtMs <= nowMs) {
        this.#suspects.delete(peer)
        lost.push(peer)
        continue
      }
      atMs = Math.min(atMs, lostAtMs)
      if (suspect.isRunning) continue
      if (suspect.nextAtMs <= nowMs && room > 0) {
        suspect.isRunning = true
        room--
        redials.push(peer)
      } else if (suspect.nextAtMs > nowMs) atMs = Math.min(atMs, suspect.nextAtMs)
    }
    return { redials, lost, atMs }
  }
}
