import { MosaikError, type Random } from '#framework/primitives'

/** What a crash does to the writes that were not synced yet. */
export type CrashLoss =
  /** Nothing: the process died, and the machine goes on. */
  | 'none'
  /** The machine died: a random number of them, from the last one backwards, never reached the disk. */
  | 'unsynced'
  /** The same, and the first of those that are lost was written in part. */
  | 'torn'

/** There is no room for what was to be written. Nothing of it was. */
export class DiskFullError extends MosaikError {
  constructor() {
    super('DISK_FULL', 'no space left on the simulated disk')
  }
}

/** Something that was written and synced is not what it was. */
export class DiskCorruptError extends MosaikError {
  constructor(place: number) {
    super('DISK_CORRUPT', `record ${place} fails its checksum`)
  }
}

type Write<Content> =
  | { readonly kind: 'append'; readonly content: Content; readonly bytes: number }
  | { readonly kind: 'replace'; readonly contents: readonly Stored<Content>[] }

interface Stored<Content> {
  content: Content
  readonly bytes: number
  state: 'whole' | 'torn' | 'corrupt'
}

/** What damage makes of a record, for those who find it by reading what is there. */
export interface Damage<Content> {
  /** The first part of it, which is not all. */
  tear(content: Content, random: Random): Content
  flipBit(content: Content, random: Random): Content
}

/**
 * A journal of records on a simulated disk. What was written can be read at once, as from a page cache, but only what was
 * synced is sure to survive a crash. Records have checksums: one that was torn or in which a bit flipped is noticed when
 * it is read, and only a torn one can be the work of a crash. Records are kept as they are and must not be changed.
 */
export class SimDisk<Content> {
  #durable: Stored<Content>[] = []
  /** In the order in which they reach the disk. */
  #unsynced: Write<Content>[] = []
  #usedBytes = 0
  #capacityBytes = Infinity
  /** Who waits for the disk to go on. Undefined while it does. */
  #stalled: (() => void)[] | undefined
  readonly #onDurable: ((content: Content) => void) | undefined
  readonly #damage: Damage<Content> | undefined

  /**
   * @param onDurable Called for every record that reaches the disk, in that order.
   * @param damage Default: records stay as they are, and what has happened to them is known without looking.
   */
  constructor(onDurable?: (content: Content) => void, damage?: Damage<Content>) {
    this.#onDurable = onDurable
    this.#damage = damage
  }

  get unsyncedCount(): number {
    return this.#unsynced.length
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Makes the disk so large. What is there already stays. */
  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes
  }

  /** Lets no sync begin until it {@link goOn}s. What is written meanwhile can be read. */
  stall(): void {
    this.#stalled ??= []
  }

  goOn(): void {
    const waiting = this.#stalled ?? []
    this.#stalled = undefined
    for (const run of waiting) run()
  }

  /** Calls back when a sync may begin: at once, or when the disk goes on. */
  whenResponsive(run: () => void): void {
    if (this.#stalled === undefined) run()
    else this.#stalled.push(run)
  }

  /** Writes all of the records or none. @throws DiskFullError */
  append(contents: readonly Content[], bytesOf: (content: Content) => number): void {
    const writes = contents.map((content) => ({ kind: 'append' as const, content, bytes: bytesOf(content) }))
    const bytes = writes.reduce((sum, write) => sum + write.bytes, 0)
    if (this.#usedBytes + bytes > this.#capacityBytes) throw new DiskFullError()
    this.#usedBytes += bytes
    for (const write of writes) this.#unsynced.push(write)
  }

  /** Puts the records in the place of all others, at one moment: the rename of a new file. @throws DiskFullError */
  replace(contents: readonly Content[], bytesOf: (content: Content) => number): void {
    const stored = contents.map((content) => ({ content, bytes: bytesOf(content), state: 'whole' as const }))
    const bytes = stored.reduce((sum, { bytes }) => sum + bytes, 0)
    // The old file is there until the new one is whole.
    if (this.#usedBytes + bytes > this.#capacityBytes) throw new DiskFullError()
    this.#usedBytes = bytes
    this.#unsynced.push({ kind: 'replace', contents: stored })
  }

  /** {@link replace}, but without waiting for what was written before, which comes behind it. */
  replaceAtOnce(contents: readonly Content[], bytesOf: (content: Content) => number): void {
    this.#perform({
      kind: 'replace',
      contents: contents.map((content) => ({ content, bytes: bytesOf(content), state: 'whole' as const })),
    })
  }

  /** What is written up to now survives every crash from now on. @param count How many writes; by default all. */
  sync(count: number = this.#unsynced.length): void {
    for (const write of this.#unsynced.splice(0, count)) this.#perform(write)
  }

  crash(loss: CrashLoss, random: Random): void {
    if (loss !== 'none' && this.#unsynced.length > 0) {
      const lost = this.#unsynced.splice(random.int(this.#unsynced.length))
      const first = lost[0]!
      this.sync()
      // A new file takes its name only when it is whole, so half of it is nothing.
      if (loss === 'torn' && first.kind === 'append') {
        const content = this.#damage?.tear(first.content, random) ?? first.content
        this.#durable.push({ content, bytes: first.bytes, state: 'torn' })
      }
    }
    this.sync()
    this.#usedBytes = this.#durable.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Flips a bit of a synced record. False when there is none. */
  flipBit(random: Random): boolean {
    if (this.#durable.length === 0) return false
    const stored = this.#durable[random.int(this.#durable.length)]!
    stored.state = 'corrupt'
    stored.content = this.#damage?.flipBit(stored.content, random) ?? stored.content
    return true
  }

  /** Everything is gone, and the disk is as large as before. */
  wipe(): void {
    this.#durable = []
    this.#unsynced = []
    this.#usedBytes = 0
  }

  /** All records in order as they are, for a process that starts and checks them itself. */
  read(): Content[] {
    this.sync()
    return this.#durable.map(({ content }) => content)
  }

  /** All records from one on are no more, at once. */
  cutOff(from: number): void {
    this.#durable.length = Math.min(this.#durable.length, from)
    this.#usedBytes = this.#durable.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** All records in order, for a process that starts. What a crash tore off is cut off. @throws DiskCorruptError */
  recover(): Content[] {
    this.sync()
    if (this.#durable.at(-1)?.state === 'torn') this.#usedBytes -= this.#durable.pop()!.bytes
    const broken = this.#durable.findIndex(({ state }) => state !== 'whole')
    if (broken !== -1) throw new DiskCorruptError(broken)
    return this.#durable.map(({ content }) => content)
  }

  /** All records in front of the first that fails its checksum; the others are no more. */
  cutOffCorruption(): Content[] {
    const broken = this.#durable.findIndex(({ state }) => state !== 'whole')
    if (broken !== -1) this.#durable.length = broken
    return this.recover()
  }

  #perform(write: Write<Content>): void {
    if (write.kind === 'replace') {
      this.#durable = [...write.contents]
      for (const { content } of write.contents) this.#onDurable?.(content)
    } else {
      this.#durable.push({ content: write.content, bytes: write.bytes, state: 'whole' })
      this.#onDurable?.(write.content)
    }
  }
}
