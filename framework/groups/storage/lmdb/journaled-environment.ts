import { invariant, toHex, type Clock, type Random, type Timer } from '#framework/primitives'
import { Backlog } from '../journal/backlog.js'
import { BLOCK_BYTES, batchBytes, type Batch } from '../journal/batch.js'
import { checkpointDueInMs, mustAwaitCheckpoint } from '../journal/checkpoint-policy.js'
import { eventLoopIdleMs, InlineWrites } from '../journal/inline-writes.js'
import { Journal } from '../journal/journal.js'
import { openFile, setSegmentsAside, type JournalShape, type OpenFile } from '../journal/segment.js'
import type { RecordChange } from '../records/record-change.js'
import { closedStorage, type GroupStorageError } from '../storage-error.js'
import { explainFailure } from './disk-failure.js'
import { LmdbEnvironment, type RecordRange } from './environment.js'
import { checkFormat } from './format-version.js'
import { positionChange, readPosition } from './journal-position.js'
import type { KeyRange } from './keys.js'
import { WriteQueue, type OnWriteEnded } from './write-queue.js'

/** How long each of the two files of a journal is. */
const SEGMENT_BYTES = 4 * 1024 * 1024

/** What becomes durable by one sync of the journal at most; a single larger write goes into the database at once. */
const BATCH_BYTES_MAX = 1024 * 1024

/** What a checkpoint writes in one transaction, so that others get their turn in between. */
const CHECKPOINT_SLICE_BYTES = 256 * 1024

/** Before a checkpoint that has failed is tried again by itself. */
const CHECKPOINT_RETRY_MS = 1_000

const ID_BYTES = 8

export interface JournaledEnvironmentOptions {
  /** Made when it is not there. */
  readonly folder: string
  /** What to do when something is not what was written: refuse, or set aside what cannot be used and go on without it. */
  readonly onDamage: 'refuse' | 'go-on'
  readonly clock: Clock
  readonly random: Random
  /** How long each file of a journal that is made is, in whole blocks of 4 KiB. Default 4 MiB. */
  readonly segmentBytes?: number | undefined
  /** Whether this thread may write to the journal itself. Default `when-quick`. */
  readonly inlineWrites?: 'when-quick' | 'never' | undefined
  /** Default: the system's. */
  readonly openFile?: OpenFile | undefined
}

/**
 * An LMDB environment with a journal in front of it, for all groups of a node. A write ends when it is in the journal,
 * which is one sync of a file for all that wait, where a commit of LMDB is two; LMDB takes the same changes later, many at
 * a time (a checkpoint). Until then they are in memory too, and are read from there.
 */
export class JournaledEnvironment {
  readonly #options: JournaledEnvironmentOptions
  readonly #lmdb: LmdbEnvironment
  readonly #queue: WriteQueue
  readonly #backlog = new Backlog()
  /** Undefined where there are to be none. */
  readonly #inlineWrites: InlineWrites | undefined
  readonly #segmentBytes: number
  readonly #batchBytesMax: number
  /** Undefined from when a write to it has failed until another one is made. */
  #journal: Journal | undefined
  /** Of the journal that counts when the environment is opened; undefined when none does. */
  #shape: JournalShape | undefined
  /** The last batch that is durable. */
  #sequence = 0
  /** The last batch that is in LMDB. */
  #checkpointed = 0
  #checkpointing: Promise<void> | undefined
  #timer: Timer | undefined
  #isRetryDue = false
  #damage: GroupStorageError | undefined
  #closing: Promise<void> | undefined

  private constructor(options: JournaledEnvironmentOptions, lmdb: LmdbEnvironment) {
    const { folder, clock, segmentBytes = SEGMENT_BYTES, inlineWrites = 'when-quick' } = options
    this.#options = options
    this.#lmdb = lmdb
    this.#inlineWrites = inlineWrites === 'when-quick' ? new InlineWrites(eventLoopIdleMs) : undefined
    this.#segmentBytes = segmentBytes
    this.#batchBytesMax = Math.min(BATCH_BYTES_MAX, segmentBytes - BLOCK_BYTES)
    this.#queue = new WriteQueue({
      folder,
      clock,
      commitBytesMax: this.#batchBytesMax,
      commit: (changes) => this.#commit(changes),
    })
  }

  /**
   * Opens the environment, and makes the changes in it that only the journal has.
   *
   * @throws GroupStorageError `GROUP_STORAGE_IN_USE`, `GROUP_STORAGE_CORRUPT`, `GROUP_STORAGE_VERSION`,
   *   `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`.
   */
  static async open(options: JournaledEnvironmentOptions): Promise<JournaledEnvironment> {
    const { folder, clock, onDamage } = options
    const lmdb = await LmdbEnvironment.open(folder, {
      clock,
      onDamage: onDamage === 'refuse' ? 'refuse' : 'begin-anew',
    })
    try {
      await checkFormat(lmdb)
      const environment = new JournaledEnvironment(options, lmdb)
      await environment.#restore()
      return environment
    } catch (error) {
      await lmdb.close()
      throw await explainFailure(folder, error)
    }
  }

  /** Whether what was there was damaged, and has been set aside; the environment began empty then. */
  get hasBegunAnew(): boolean {
    return this.#lmdb.hasBegunAnew
  }

  /** What is wrong with the journal. Nothing is to be written before {@link goOnWithout}. */
  get damage(): GroupStorageError | undefined {
    return this.#damage
  }

  /**
   * Lets go of what a damaged journal should have had. Its files are set aside.
   *
   * @param changes Become durable with that, in one step.
   */
  async goOnWithout(changes: readonly RecordChange[]): Promise<void> {
    await this.#lmdb.write([...changes, positionChange(undefined)])
    this.#shape = undefined
    await setSegmentsAside(this.#options.folder)
    this.#journal = await this.#beginJournal()
    this.#damage = undefined
  }

  /** The value of a key, the caller's own. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const waiting = this.#backlog.find(key)
    return waiting ? copyOf(waiting.value) : this.#lmdb.get(key)
  }

  /** {@link get} at once; undefined also while LMDB is opened again after a failure. */
  peek(key: Uint8Array): Uint8Array | undefined {
    const waiting = this.#backlog.find(key)
    return waiting ? copyOf(waiting.value) : this.#lmdb.peek(key)
  }

  /**
   * The values of keys as they are at one moment, up to the first that has none: as many as `bytesMax` allow, and at least
   * one if there is one; the caller's own.
   */
  async valuesAt(keys: Iterable<Uint8Array>, bytesMax: number): Promise<Uint8Array[]> {
    const stored = await this.#lmdb.reader()
    const values: Uint8Array[] = []
    let bytes = 0
    for (const key of keys) {
      const waiting = this.#backlog.find(key)
      const value = waiting ? copyOf(waiting.value) : stored(key)
      bytes += value?.byteLength ?? 0
      if (value === undefined || (values.length > 0 && bytes > bytesMax)) break
      values.push(value)
    }
    return values
  }

  /** As {@link LmdbEnvironment.values}, with everything that was durable when it was called. It takes a checkpoint. */
  async values(range: RecordRange & { readonly bytesMax: number }): Promise<Uint8Array[]> {
    await this.#settle()
    return this.#lmdb.values(range)
  }

  /** At most `limit` keys, as {@link values}. */
  async keys(range: RecordRange): Promise<Uint8Array[]> {
    await this.#settle()
    return this.#lmdb.keys(range)
  }

  /** The last key in front of `end` that is not in front of `start`, as {@link values}. */
  async lastKey(range: KeyRange): Promise<Uint8Array | undefined> {
    await this.#settle()
    return this.#lmdb.lastKey(range)
  }

  /** As {@link LmdbEnvironment.write}. */
  write(changes: readonly RecordChange[]): Promise<void> {
    return this.#closing ? Promise.reject(closedStorage()) : this.#queue.write(changes)
  }

  /**
   * {@link write} without a promise, for those who have one already.
   *
   * @param onEnded Called once, when the changes are durable or have failed. Of several in their order.
   * @param mayWait Nobody waits for it: it may share a sync with what comes some milliseconds later.
   * @throws GroupStorageError at once: `GROUP_STORAGE_BUSY`, `GROUP_STORAGE_CLOSED`. No other write is concerned.
   */
  enqueue(changes: readonly RecordChange[], onEnded: OnWriteEnded, mayWait = false): void {
    if (this.#closing) throw closedStorage()
    this.#queue.enqueue(changes, onEnded, mayWait)
  }

  /** Somebody waits for what was put off. */
  hasten(): void {
    this.#queue.hasten()
  }

  /**
   * {@link write} straight into LMDB, in no order with other writes: for large records that nothing else tells of yet, or
   * any more.
   */
  async writeAside(changes: readonly RecordChange[]): Promise<void> {
    // What has been removed makes room for it, so that the file does not grow.
    await this.#settle()
    await this.#lmdb.write(changes)
  }

  /** Writes what waits, and closes. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#queue.idle()
    this.#timer?.cancel()
    // What LMDB cannot take now, because the disk is full say, is safe in the journal.
    await this.#settle().catch(() => undefined)
    await this.#journal?.close()
    await this.#lmdb.close()
  }

  async #restore(): Promise<void> {
    const { folder, onDamage, openFile: openWith = openFile } = this.#options
    const position = await readPosition(this.#lmdb)
    if (!position) {
      this.#journal = await this.#beginJournal()
      return
    }
    this.#shape = position
    this.#checkpointed = this.#sequence = position.checkpointed
    const { batches, damage } = await Journal.read(folder, position, position.checkpointed)
    if (damage && onDamage === 'refuse') throw damage
    for (const batch of batches) {
      this.#backlog.add(batch, this.#options.clock.monotonic())
      this.#sequence = batch.sequence
    }
    await this.#settle()
    if (damage) this.#damage = damage
    else this.#journal = await Journal.open(folder, position, openWith)
  }

  async #commit(changes: readonly RecordChange[]): Promise<void> {
    const bytes = batchBytes(changes)
    if (bytes > this.#batchBytesMax) {
      // Behind everything that is in the journal; what comes behind this is not written before it has ended.
      await this.#settle()
      return this.#lmdb.write(changes)
    }
    const journal = await this.#journalWithRoom(bytes)
    const batch = { sequence: this.#sequence + 1, changes }
    try {
      await this.#append(journal, batch, bytes)
    } catch (error) {
      await this.#abandon(journal)
      throw error
    }
    this.#sequence = batch.sequence
    this.#backlog.add(batch, this.#options.clock.monotonic())
    this.#scheduleCheckpoint()
  }

  async #append(journal: Journal, batch: Batch, bytes: number): Promise<void> {
    const { clock } = this.#options
    const startedMs = clock.monotonic()
    const isInline = this.#inlineWrites?.allows(bytes, startedMs) ?? false
    await journal.append(batch, isInline)
    this.#inlineWrites?.ended({ isInline, startedMs, endedMs: clock.monotonic() })
  }

  async #journalWithRoom(bytes: number): Promise<Journal> {
    const journal = (this.#journal ??= await this.#beginJournal())
    if (mustAwaitCheckpoint(this.#backlog.bytes)) await this.#settle()
    if (journal.fits(bytes)) return journal
    if (journal.lastSequenceOfOther > this.#checkpointed) await this.#settle()
    journal.turn()
    return journal
  }

  /** Makes a new journal; everything that the one before had is in LMDB first. */
  async #beginJournal(): Promise<Journal> {
    const { folder, random, openFile: openWith = openFile } = this.#options
    await this.#settle()
    // From here until the new one is noted down no journal counts, whatever is in the files.
    if (this.#shape) await this.#lmdb.write([positionChange(undefined)])
    this.#shape = undefined
    const shape = { id: toHex(random.bytes(ID_BYTES)), segmentBytes: this.#segmentBytes }
    const journal = await Journal.make(folder, shape, openWith)
    try {
      await this.#lmdb.write([positionChange({ ...shape, checkpointed: this.#sequence })])
    } catch (error) {
      await journal.close()
      throw error
    }
    this.#shape = shape
    return journal
  }

  /**
   * Gives up a journal to which a write has failed. Until a new one counts, what was refused may still be in the file and be
   * found there after a crash; so that is tried before anybody is told, and again with the next write.
   */
  async #abandon(journal: Journal): Promise<void> {
    this.#journal = undefined
    await journal.close().catch(() => undefined)
    this.#journal = await this.#beginJournal().catch(() => undefined)
  }

  #scheduleCheckpoint(): void {
    const { oldestMs } = this.#backlog
    if (oldestMs === undefined || this.#checkpointing || this.#isRetryDue || this.#closing) return
    const { clock } = this.#options
    const dueInMs = checkpointDueInMs({
      backlogBytes: this.#backlog.bytes,
      ageMs: clock.monotonic() - oldestMs,
      hasTurned: (this.#journal?.lastSequenceOfOther ?? 0) > this.#checkpointed,
    })
    if (dueInMs === 0) this.#checkpointInBackground()
    else this.#timer ??= clock.after(dueInMs, this.#onTimer)
  }

  #checkpointInBackground(): void {
    this.#checkpoint().then(
      () => this.#scheduleCheckpoint(),
      () => {
        // Nothing is lost by that. Who needs the room that it would have made is told the reason.
        if (this.#closing) return
        this.#isRetryDue = true
        this.#timer?.cancel()
        this.#timer = this.#options.clock.after(CHECKPOINT_RETRY_MS, this.#onTimer)
      },
    )
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    this.#isRetryDue = false
    this.#scheduleCheckpoint()
  }

  /** Resolves when LMDB has everything that is durable now. */
  async #settle(): Promise<void> {
    const target = this.#sequence
    while (this.#checkpointed < target) await this.#checkpoint()
  }

  #checkpoint(): Promise<void> {
    this.#checkpointing ??= this.#writeBacklog(this.#sequence).finally(() => {
      this.#checkpointing = undefined
    })
    return this.#checkpointing
  }

  async #writeBacklog(target: number): Promise<void> {
    while (this.#checkpointed < target) {
      const batch = this.#backlog.oldest(CHECKPOINT_SLICE_BYTES)
      invariant(batch && this.#shape, 'what is durable and not in LMDB is in memory')
      const { sequence, changes } = batch
      await this.#lmdb.write([...changes, positionChange({ ...this.#shape, checkpointed: sequence })])
      this.#checkpointed = sequence
      this.#backlog.drop(sequence)
    }
  }
}

function copyOf(value: Uint8Array | undefined): Uint8Array | undefined {
  return value && new Uint8Array(value)
}
