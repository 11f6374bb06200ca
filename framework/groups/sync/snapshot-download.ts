import { MosaikError, raceSignal, type Clock } from '#framework/primitives'
import type { ClusterId, MemberId } from '../raft/index.js'
import type { GroupStorage, StagedSnapshot } from '../storage/index.js'
import { encodeSync, type Absent, type Piece, type SnapshotOffer } from './sync-messages.js'
import type { SyncPort } from './sync-port.js'

/** How long it takes to try again when there is no room for a request, in milliseconds. */
const busyRetryMs = 10

/** A snapshot did not arrive. Nothing has happened. Code `GROUP_SNAPSHOT_UNAVAILABLE`. */
export class SnapshotUnavailableError extends MosaikError {
  constructor(why: string) {
    super('GROUP_SNAPSHOT_UNAVAILABLE', `the snapshot did not arrive: ${why}`)
  }
}

export interface SnapshotDownloadOptions {
  readonly clusterId: ClusterId
  readonly member: MemberId
  readonly snapshot: SnapshotOffer
  readonly storage: GroupStorage
  readonly port: SyncPort
  readonly clock: Clock
  /** How long a piece may take, in milliseconds. */
  readonly timeoutMs: number
  readonly nextRequestId: () => number
  readonly onPiece: () => void
}

/** Fetches a snapshot from one member, piece by piece, into the storage. */
export class SnapshotDownload {
  readonly #options: SnapshotDownloadOptions
  #pending: { readonly requestId: number; readonly settle: PromiseWithResolvers<Piece | Absent> } | undefined

  constructor(options: SnapshotDownloadOptions) {
    this.#options = options
  }

  get member(): MemberId {
    return this.#options.member
  }

  onAnswer(answer: Piece | Absent): void {
    if (this.#pending?.requestId === answer.requestId) this.#pending.settle.resolve(answer)
  }

  /**
   * @param install Gets the snapshot, complete and not in force, and says whether it is of use.
   * @throws SnapshotUnavailableError; TimeoutError when a piece takes too long; the signal's reason; what the storage throws.
   */
  async run(signal: AbortSignal, install: (staged: StagedSnapshot) => boolean): Promise<void> {
    const { storage, snapshot, onPiece } = this.#options
    const writer = storage.stageSnapshot(snapshot.facts)
    try {
      for (let offset = 0; offset < snapshot.byteLength;) {
        const bytes = await this.#fetch(offset, signal)
        await writer.write(bytes)
        offset += bytes.byteLength
        onPiece()
      }
      const staged = await writer.finish()
      signal.throwIfAborted()
      if (!install(staged)) throw new SnapshotUnavailableError('it is not needed any more')
    } catch (error) {
      await writer.abandon()
      throw error
    }
  }

  async #fetch(offset: number, signal: AbortSignal): Promise<Uint8Array> {
    const { clock, timeoutMs, nextRequestId, snapshot } = this.#options
    signal.throwIfAborted()
    using deadline = clock.deadline(timeoutMs, signal)
    const requestId = nextRequestId()
    const settle = Promise.withResolvers<Piece | Absent>()
    this.#pending = { requestId, settle }
    try {
      await this.#request(requestId, offset, deadline.signal)
      const answer = await raceSignal(settle.promise, deadline.signal)
      if (answer.type === 'absent') throw new SnapshotUnavailableError('another one has taken its place')
      const { bytes } = answer
      const isExpected =
        answer.offset === offset && bytes.byteLength > 0 && offset + bytes.byteLength <= snapshot.byteLength
      if (!isExpected) throw new SnapshotUnavailableError('a piece is not what was asked for')
      return bytes
    } finally {
      this.#pending = undefined
    }
  }

  async #request(requestId: number, offset: number, signal: AbortSignal): Promise<void> {
    const { clusterId, member, snapshot, port, clock } = this.#options
    const { facts, byteLength } = snapshot
    const { index, hash } = facts
    const message = encodeSync({
      type: 'piece-request',
      clusterId,
      requestId,
      index,
      hash,
      byteLength,
      offset,
    })
    for (;;) {
      const sent = port.send(member, message)
      if (sent === 'closed') throw new SnapshotUnavailableError('there is no way to the member')
      if (sent === 'sent') return
      await clock.sleep(busyRetryMs, { signal })
    }
  }
}
