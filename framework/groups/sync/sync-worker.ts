import {
  isMosaikError,
  messageOf,
  nextTurn,
  TaskScope,
  type Clock,
  type Logger,
  type Timer,
} from '#framework/primitives'
import type { Entry, MemberId, RaftStatus, SyncDemand } from '../raft/index.js'
import type { GroupStorage, StagedSnapshot } from '../storage/index.js'
import { CatchUpPlan, type CatchUpAction } from './catch-up-plan.js'
import { SnapshotDownload } from './snapshot-download.js'
import type { StateSync } from './state-sync.js'
import {
  decodeSync,
  encodeSync,
  isRequest,
  type SnapshotOffer,
  type SyncAnswer,
  type SyncMessage,
} from './sync-messages.js'
import type { SyncPort } from './sync-port.js'
import { SyncServer, type ServingMember } from './sync-server.js'
import { DEFAULT_SYNC, type SyncSettings } from './sync-settings.js'

/** The member that is brought up to date, and that others learn from. */
export interface SyncedMember extends ServingMember {
  readonly status: RaftStatus
  readonly isOver: boolean
  appendFetched(entries: readonly Entry[]): number
  commitFetched(from: MemberId, entry: Entry): boolean
  announceEnd(): void
  installSnapshot(staged: StagedSnapshot): boolean
  end(cause: unknown): void
}

export interface SyncWorkerOptions {
  readonly member: SyncedMember
  readonly storage: GroupStorage
  readonly stateSync: StateSync
  readonly port: SyncPort
  readonly clock: Clock
  readonly logger: Logger
  readonly settings?: Partial<SyncSettings> | undefined
}

/**
 * Brings one member up to date when its leader cannot, and helps others in the same way. It has the lane `sync` to itself,
 * and lives as long as the member.
 */
export class SyncWorker {
  readonly #options: SyncWorkerOptions
  readonly #settings: SyncSettings
  readonly #server: SyncServer
  readonly #scope: TaskScope
  #plan: CatchUpPlan | undefined
  #download: { readonly of: SnapshotDownload; readonly abort: AbortController } | undefined
  #timer: Timer | undefined
  #lastRequestId = 0
  #isPumpDue = false

  constructor(options: SyncWorkerOptions) {
    const { member } = options
    this.#options = options
    this.#settings = { ...DEFAULT_SYNC, ...options.settings }
    this.#server = new SyncServer({ ...options, settings: this.#settings })
    // Nothing is to be thrown there: what is, shows a mistake, and that the log cannot be relied on.
    this.#scope = new TaskScope({ onFailure: (cause) => member.end(cause) })
  }

  /** Whether this member is being brought up to date. */
  get isCatchingUp(): boolean {
    return this.#plan !== undefined
  }

  /**
   * A message from the other end of a bond. One of another cluster is not looked at.
   *
   * @throws MalformedMessageError
   */
  onMessage(from: MemberId, bytes: Uint8Array): void {
    const message = decodeSync(bytes)
    if (this.#scope.signal.aborted || message.clusterId !== this.#options.member.clusterId) return
    if (isRequest(message)) return this.#server.onRequest(from, message)
    this.#onAnswer(from, message)
    this.#pump()
  }

  /** The leader has compacted what this member needs, and says so again with each heartbeat until it has it. */
  onSyncRequired(demand: SyncDemand): void {
    if (this.#scope.signal.aborted) return
    if (this.#plan?.leader === demand.leader) this.#plan.onDemand(demand)
    else this.#begin(demand)
    this.#pump()
  }

  onBonded(member: MemberId): void {
    this.#plan?.onBonded(member)
    this.#pump()
  }

  onLost(member: MemberId): void {
    this.#server.onLost(member)
    this.#plan?.onLost(member)
    if (this.#download?.of.member === member) this.#download.abort.abort()
    this.#pump()
  }

  /** Gives up what is under way. Idempotent. */
  async close(): Promise<void> {
    this.#end()
    await Promise.all([this.#scope.close(), this.#server.close()])
  }

  #begin(demand: SyncDemand): void {
    const { member, port, clock, stateSync, logger } = this.#options
    this.#end()
    logger.info('catching up with the leader', { ...demand, lastIndex: member.status.lastIndex })
    this.#plan = new CatchUpPlan({
      demand,
      members: port.members(),
      own: member.status,
      nowMs: clock.monotonic(),
      takesSnapshots: stateSync === 'snapshot',
      settings: this.#settings,
      nextRequestId: () => ++this.#lastRequestId,
    })
  }

  #end(): void {
    this.#plan = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#download?.abort.abort()
    this.#download = undefined
  }

  #onAnswer(from: MemberId, answer: SyncAnswer): void {
    switch (answer.type) {
      case 'availability':
        return this.#plan?.onAvailability(from, answer)
      case 'entries':
        return this.#plan?.onEntries(from, answer)
      case 'absent':
        this.#plan?.onAbsent(from, answer)
        return this.#toDownload(from, answer)
      case 'piece':
        return this.#toDownload(from, answer)
    }
  }

  #toDownload(from: MemberId, answer: Extract<SyncAnswer, { type: 'absent' | 'piece' }>): void {
    if (this.#download?.of.member === from) this.#download.of.onAnswer(answer)
  }

  /** Does what the plan says. What takes long is done in a turn of its own. */
  #pump(): void {
    const { member, clock } = this.#options
    this.#timer?.cancel()
    while (this.#plan !== undefined && !this.#isPumpDue) {
      // Whoever leads, or stands for election and wins, has nobody to catch up with.
      if (member.isOver || member.status.role === 'leader') return this.#end()
      const nowMs = clock.monotonic()
      const action = this.#plan.next(member.status, nowMs)
      if (action !== undefined) this.#perform(action)
      else if (this.#plan.outcome === undefined) {
        this.#timer = clock.after(this.#plan.nextMs(nowMs) - nowMs, () => this.#pump())
        return
      } else this.#conclude(this.#plan)
    }
  }

  #conclude({ outcome, leader }: CatchUpPlan): void {
    const { member, logger } = this.#options
    const { lastIndex } = member.status
    this.#end()
    if (outcome === 'caught-up') {
      logger.info('caught up with the leader', { leader, lastIndex })
      member.announceEnd()
    } else logger.warn('catching up with the leader was given up for now', { leader, lastIndex })
  }

  #perform(action: CatchUpAction): void {
    const { member, clock } = this.#options
    switch (action.type) {
      case 'ask':
        return this.#send(action.member, {
          type: 'availability-request',
          ...this.#envelope(action.requestId),
        })
      case 'fetch': {
        const { firstIndex, lastIndex, bytesMax } = action
        return this.#send(action.member, {
          type: 'entries-request',
          ...this.#envelope(action.requestId),
          firstIndex,
          lastIndex,
          bytesMax,
        })
      }
      case 'append': {
        const count = member.appendFetched(action.entries)
        this.#plan?.onAppended(count, member.status, clock.monotonic())
        return this.#pumpLater()
      }
      case 'commit': {
        const isSame = member.commitFetched(action.leader, action.entry)
        return this.#plan?.onCommitted(isSame, action.entry, member.status, clock.monotonic())
      }
      case 'install':
        return this.#install(action.member, action.snapshot)
    }
  }

  #send(to: MemberId, message: SyncMessage): void {
    const result = this.#options.port.send(to, encodeSync(message))
    if (result !== 'sent') this.#plan?.onUnsent(to, message.requestId)
  }

  #envelope(requestId: number): { readonly clusterId: SyncMessage['clusterId']; readonly requestId: number } {
    return { clusterId: this.#options.member.clusterId!, requestId }
  }

  #pumpLater(): void {
    this.#isPumpDue = true
    this.#scope.spawn('pump', async () => {
      await nextTurn()
      this.#isPumpDue = false
      this.#pump()
    })
  }

  #install(from: MemberId, snapshot: SnapshotOffer): void {
    const { storage, port, clock, member, logger } = this.#options
    const plan = this.#plan
    const abort = new AbortController()
    const download = new SnapshotDownload({
      clusterId: member.clusterId!,
      member: from,
      snapshot,
      storage,
      port,
      clock,
      timeoutMs: this.#settings.fetchTimeoutMs,
      nextRequestId: () => ++this.#lastRequestId,
      onPiece: () => plan?.onPiece(clock.monotonic()),
    })
    this.#download = { of: download, abort }
    const settle = (result: 'installed' | 'absent' | 'late'): void => {
      if (this.#download?.of !== download) return
      this.#download = undefined
      this.#plan?.onSnapshot(result, member.status, clock.monotonic())
      this.#pump()
    }
    this.#scope.spawn('snapshot', async (signal) => {
      try {
        await download.run(AbortSignal.any([signal, abort.signal]), (staged) =>
          member.installSnapshot(staged),
        )
        settle('installed')
      } catch (error) {
        logger.info('a snapshot did not arrive', { from, cause: messageOf(error) })
        settle(isMosaikError(error) && error.code === 'TIMEOUT' ? 'late' : 'absent')
      }
    })
  }
}
