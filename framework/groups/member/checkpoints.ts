import type { ReplicatedMachine } from '../machine/replicated-machine.js'
import type { Entry, Index, RaftCore, SnapshotFacts } from '../raft/index.js'
import type { GroupStorage } from '../storage/index.js'

/** As much as a log keeps for members that are a little behind (groups.md §20.6). */
const defaultEntriesBetween = 10_000
const bytesBetween = 16 * 1024 * 1024

export interface CheckpointsOptions {
  readonly core: RaftCore
  readonly storage: GroupStorage
  readonly machine: ReplicatedMachine
  /** The one that is stored. */
  readonly snapshot: SnapshotFacts | undefined
  /** What is applied between two snapshots, unless it is 16 MiB earlier. Default 10 000. */
  readonly entriesBetween?: number | undefined
}

/**
 * When a snapshot of the machine is stored and the log in front of it let go, so that neither grows for ever. The log of a
 * machine that has no snapshots stays in the storage as a whole, but not in memory.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  /** Up to where there is a snapshot, or the core has let go. */
  #coveredIndex: Index
  #bytesSince = 0
  #isTaking = false
  #holdCount = 0
  #isStopped = false

  constructor(options: CheckpointsOptions) {
    this.#options = options
    this.#coveredIndex = options.snapshot?.index ?? 0
  }

  onApplied({ payload }: Entry): void {
    this.#bytesSince += payload.byteLength
  }

  /** A snapshot that came from elsewhere is about to be written. */
  onInstalling({ index }: SnapshotFacts): void {
    this.#coveredIndex = index
    this.#bytesSince = 0
  }

  /** Until it is disposed of, the snapshot that is stored stays. */
  hold(): Disposable {
    let isHeld = true
    this.#holdCount++
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#holdCount--
        isHeld = false
      },
    }
  }

  /** What is under way comes to nothing. */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * Takes a snapshot if it is time for one.
   *
   * @throws What the storage or the machine throws.
   */
  async maybeTake(): Promise<void> {
    const { core, machine, entriesBetween = defaultEntriesBetween } = this.#options
    const { appliedIndex } = machine
    const entriesSince = appliedIndex - this.#coveredIndex
    if (this.#isTaking || this.#holdCount > 0) return
    if (entriesSince < entriesBetween && this.#bytesSince < bytesBetween) return
    this.#coveredIndex = appliedIndex
    this.#bytesSince = 0
    if (!machine.hasSnapshots) {
      core.compact(appliedIndex)
      return
    }
    const facts = core.snapshotFactsAt(appliedIndex)
    if (facts === undefined) return
    this.#isTaking = true
    try {
      // The machine promises what it is now, however long the rest takes.
      await this.#store(facts, machine.snapshot())
    } finally {
      this.#isTaking = false
    }
  }

  async #store(facts: SnapshotFacts, pieces: Iterable<Uint8Array>): Promise<void> {
    const { core, storage } = this.#options
    const writer = storage.stageSnapshot(facts)
    for (const piece of pieces) {
      if (this.#isStopped) return writer.abandon()
      await writer.write(piece)
    }
    const staged = await writer.finish()
    // One that is installed meanwhile is newer.
    if (this.#isStopped || this.#coveredIndex > facts.index) return writer.abandon()
    await storage.write({ snapshot: staged, compactTo: core.compact(facts.index) })
  }
}
