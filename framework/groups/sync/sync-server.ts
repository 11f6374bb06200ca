import {
  isMosaikError,
  messageOf,
  nextTurn,
  TaskScope,
  type Clock,
  type Logger,
  type Timer,
} from '#framework/primitives'
import type { ClusterId, MemberId, RaftStatus } from '../raft/index.js'
import type { GroupStorage, StoredSnapshot } from '../storage/index.js'
import { SnapshotReader } from './snapshot-reader.js'
import type { StateSync } from './state-sync.js'
import {
  ANSWER_ENTRIES_MAX,
  encodeSync,
  type EntriesRequest,
  type PieceRequest,
  type SyncAnswer,
  type SyncRequest,
} from './sync-messages.js'
import type { SyncPort } from './sync-port.js'
import type { SyncSettings } from './sync-settings.js'

/** Requests of one member that are under way at a time: it asks for one thing after the other, unless it begins anew. */
const perMemberMax = 4
/** How long it takes to try again when there is no room for an answer, in milliseconds. */
const busyRetryMs = 10
/** How long a snapshot is held ready for the next piece to be asked for, and for all pieces together, in milliseconds. */
const readingIdleMs = 30_000
const readingMs = 300_000

/** A member, as far as others are to learn from it. */
export interface ServingMember {
  readonly clusterId: ClusterId | undefined
  readonly status: Pick<RaftStatus, 'firstIndex' | 'commitIndex' | 'durableIndex'>
  /** Puts off its next snapshot: otherwise one that takes long to read would be replaced before it is read, each time. */
  holdSnapshot(): Disposable
}

export interface SyncServerOptions {
  readonly member: ServingMember
  readonly storage: GroupStorage
  readonly stateSync: StateSync
  readonly settings: SyncSettings
  readonly port: SyncPort
  readonly clock: Clock
  readonly logger: Logger
}

interface Reading {
  readonly reader: SnapshotReader
  readonly hold: Disposable
  readonly heldUntilMs: number
  idle: Timer
}

/**
 * Answers members that have fallen behind, from the storage: with committed entries alone. One answer is made in a turn of
 * the event loop, so that there is time for everything else, and each member waits for its own answers only when the way
 * to it is full.
 */
export class SyncServer {
  readonly #options: SyncServerOptions
  readonly #scope: TaskScope
  readonly #underWay = new Map<MemberId, number>()
  /** At most one for each member. */
  readonly #readings = new Map<MemberId, Reading>()
  /** The answer that is being made, and all that were asked for before the next. */
  #turn: Promise<void> = Promise.resolve()
  #refusedCount = 0

  constructor(options: SyncServerOptions) {
    this.#options = options
    this.#scope = new TaskScope({
      onFailure: (cause) =>
        options.logger.error('others are not brought up to date any more', { cause: messageOf(cause) }),
    })
  }

  /** Requests that were not looked at, because their sender had too many under way. */
  get refusedCount(): number {
    return this.#refusedCount
  }

  onRequest(from: MemberId, request: SyncRequest): void {
    const count = this.#underWay.get(from) ?? 0
    if (count >= perMemberMax) {
      this.#refusedCount++
      return
    }
    this.#underWay.set(from, count + 1)
    this.#scope.spawn('answer', async (signal) => {
      try {
        const answer = await this.#inTurn(() => this.#answer(from, request))
        await this.#send(from, encodeSync(answer), signal)
      } finally {
        const left = (this.#underWay.get(from) ?? 1) - 1
        if (left > 0) this.#underWay.set(from, left)
        else this.#underWay.delete(from)
      }
    })
  }

  onLost(member: MemberId): void {
    this.#forget(member)
  }

  async close(): Promise<void> {
    await this.#scope.close()
    for (const member of this.#readings.keys()) this.#forget(member)
  }

  #inTurn<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#turn.then(make)
    this.#turn = made.then(nextTurn, nextTurn)
    return made
  }

  async #answer(from: MemberId, request: SyncRequest): Promise<SyncAnswer> {
    try {
      switch (request.type) {
        case 'availability-request':
          return this.#availability(request)
        case 'entries-request':
          return await this.#entries(request)
        case 'piece-request':
          return await this.#piece(from, request)
      }
    } catch (error) {
      this.#forget(from)
      const isExpected = isMosaikError(error) && error.code === 'GROUP_STORAGE_ABSENT'
      if (!isExpected)
        this.#options.logger.warn('another member cannot be brought up to date from here', {
          member: from,
          cause: messageOf(error),
        })
      return absent(request)
    }
  }

  /** What is committed, durable here, and stored. */
  get #extent(): { readonly firstIndex: number; readonly lastIndex: number } {
    const { member, stateSync } = this.#options
    const { firstIndex, commitIndex, durableIndex } = member.status
    // A log that is replayed is let go from memory, and stays in the storage as a whole.
    const firstStored = stateSync === 'log-replay' ? 1 : firstIndex
    return { firstIndex: firstStored, lastIndex: Math.min(commitIndex, durableIndex) }
  }

  #availability({ clusterId, requestId }: SyncRequest): SyncAnswer {
    const snapshot = this.#options.storage.currentSnapshot()
    return {
      type: 'availability',
      clusterId,
      requestId,
      ...this.#extent,
      ...(snapshot && { snapshot: { facts: snapshot.facts, byteLength: snapshot.byteLength } }),
    }
  }

  async #entries(request: EntriesRequest): Promise<SyncAnswer> {
    const { clusterId, requestId, firstIndex, lastIndex, bytesMax } = request
    const { storage, settings } = this.#options
    const extent = this.#extent
    const end = Math.min(lastIndex, extent.lastIndex, firstIndex + ANSWER_ENTRIES_MAX - 1)
    if (firstIndex < extent.firstIndex || end < firstIndex) return absent(request)
    const entries = await storage.readEntries(firstIndex, end, {
      bytesMax: Math.min(bytesMax, settings.batchBytes),
    })
    if (entries.length === 0) return absent(request)
    return { type: 'entries', clusterId, requestId, firstIndex, entries }
  }

  async #piece(from: MemberId, request: PieceRequest): Promise<SyncAnswer> {
    const { clusterId, requestId, index, hash, byteLength, offset } = request
    const { storage, clock } = this.#options
    const snapshot = storage.currentSnapshot()
    const isThere =
      snapshot?.facts.index === index &&
      snapshot.facts.hash === hash &&
      snapshot.byteLength === byteLength &&
      offset < byteLength
    if (!isThere) {
      this.#forget(from)
      return absent(request)
    }
    const reading = this.#reading(from, snapshot)
    if (clock.monotonic() >= reading.heldUntilMs) reading.hold[Symbol.dispose]()
    const bytes = await reading.reader.read(offset)
    if (offset + bytes.byteLength >= byteLength) this.#forget(from)
    return { type: 'piece', clusterId, requestId, offset, bytes }
  }

  #reading(from: MemberId, snapshot: StoredSnapshot): Reading {
    const { member, settings, clock } = this.#options
    const idle = clock.after(readingIdleMs, () => this.#forget(from))
    const known = this.#readings.get(from)
    if (known?.reader.snapshot.facts.index === snapshot.facts.index) {
      known.idle.cancel()
      known.idle = idle
      return known
    }
    this.#forget(from)
    const reader = new SnapshotReader(snapshot, settings.batchBytes)
    const heldUntilMs = clock.monotonic() + readingMs
    const reading = { reader, hold: member.holdSnapshot(), heldUntilMs, idle }
    this.#readings.set(from, reading)
    return reading
  }

  /** Waits while there is no room on the way, as long as the other side waits. */
  async #send(to: MemberId, answer: Uint8Array, signal: AbortSignal): Promise<void> {
    const { port, clock, settings, logger } = this.#options
    const giveUpMs = clock.monotonic() + settings.fetchTimeoutMs
    while (port.send(to, answer) === 'busy') {
      if (clock.monotonic() >= giveUpMs) {
        logger.debug('an answer to a member that has fallen behind was dropped', { member: to })
        return
      }
      await clock.sleep(busyRetryMs, { signal })
    }
  }

  #forget(member: MemberId): void {
    const reading = this.#readings.get(member)
    if (reading === undefined) return
    this.#readings.delete(member)
    reading.idle.cancel()
    reading.hold[Symbol.dispose]()
    // What goes wrong with closing concerns nobody: it was for reading.
    reading.reader.close().catch(() => undefined)
  }
}

function absent({ clusterId, requestId }: SyncRequest): SyncAnswer {
  return { type: 'absent', clusterId, requestId }
}
