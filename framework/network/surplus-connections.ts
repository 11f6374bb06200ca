import { CloseReasons, closeReason, type CloseReason } from './close-reason.js'
import { isOfEveryConnection, isUnused } from './connection-use.js'
import type { PeerId } from '#framework/primitives'
import type { HostContext } from './host-context.js'
import type { ConnectionEntry, PeerConnection } from './peer-connection.js'

export interface SurplusParts {
  readonly context: Pick<HostContext, 'clock' | 'limits'>
  /** The admitted connections of a peer. */
  readonly admittedOf: (peer: PeerId) => readonly ConnectionEntry[]
  readonly best: (peer: PeerId) => PeerConnection | undefined
  readonly end: (entry: ConnectionEntry, reason: CloseReason) => Promise<void>
  /** Runs a task until the host closes. */
  readonly spawn: (name: string, run: (signal: AbortSignal) => Promise<void>) => void
}

const SURPLUS = closeReason(CloseReasons.Success, 'another connection between the two is in use')

/**
 * Closes the connections with a peer beside the one that is used: two peers that dialled each other at the same time
 * need only one, and a direct one takes the place of one over a relay.
 */
export class SurplusConnections {
  readonly #parts: SurplusParts

  constructor(parts: SurplusParts) {
    this.#parts = parts
  }

  /** There is more than one connection with the peer: after the grace, those that nobody uses are closed. */
  closeLater(peer: PeerId): void {
    this.#parts.spawn('surplus', (signal) => this.#close(peer, signal))
  }

  async #close(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { context, admittedOf, end } = this.#parts
    await context.clock.sleep(context.limits.surplusGraceMs, { signal })
    const best = this.#parts.best(peer)
    // The dialler of a connection closes it, so that not both sides do, and keeps it while anybody uses it.
    const dialled = admittedOf(peer).filter((entry) => entry !== best && entry.direction === 'outbound')
    const surplus = dialled.filter(isUnused)
    for (const entry of dialled) if (!surplus.includes(entry)) this.#closeWhenUnused(entry)
    await Promise.all(surplus.map((entry) => end(entry, SURPLUS)))
  }

  /** Looks again when something that uses a surplus connection has ended: a relay should not carry it for longer. */
  #closeWhenUnused(entry: ConnectionEntry): void {
    const inUse = entry.libp2p.streams.find((stream) => !isOfEveryConnection(stream))
    if (entry.transport !== 'relay' || entry.isClosedWhenUnused || inUse === undefined) return
    entry.isClosedWhenUnused = true
    const onStreamClose = (): void => {
      entry.isClosedWhenUnused = false
      this.closeLater(entry.peer)
    }
    inUse.addEventListener('close', onStreamClose, { once: true })
  }
}
