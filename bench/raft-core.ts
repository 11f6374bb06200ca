// Proposals per second through the consensus core of a group: three members in one thread, nothing else.
import { seededRandom } from '#framework/primitives'
import {
  RaftCore,
  configurationOf,
  type ClusterId,
  type MemberId,
  type Message,
  type Proposal,
} from '#framework/groups/raft'
import { type Benchmark, spread, table } from './benchmark.ts'

const ids = ['a', 'b', 'c'] as MemberId[]
const clusterId = '00'.repeat(16) as ClusterId
const payload = new Uint8Array(128).fill(7)
const warmUpMs = 1_500
const measureMs = 1_000
const compactEvery = 10_000

export const benchmark: Benchmark = {
  method: `One process, one thread: three cores exchange messages in memory, and what they write is durable at once. As many commands of ${payload.byteLength} bytes as the row says are proposed, one call each, whenever all before are applied at the leader; ${measureMs} ms a figure, after ${warmUpMs} ms that do not count. Every command is hashed by the leader and checked by both followers. Thousands of commands per second of processor time.`,
  runs: 5,
  async run({ runs, say }) {
    const rows = [1, 16, 256, 2_048].map((inFlight) => ({
      inFlight,
      figures: Array.from({ length: runs }, () => thousandsPerSecond(inFlight)),
    }))
    say(
      table([['in flight', 'k/s'], ...rows.map(({ inFlight, figures }) => [`${inFlight}`, spread(figures)])]),
    )
    return rows
  },
}

function thousandsPerSecond(inFlight: number): number {
  const group = new Group()
  group.run(inFlight, warmUpMs)
  const before = process.cpuUsage()
  const count = group.run(inFlight, measureMs)
  const { user, system } = process.cpuUsage(before)
  return (1_000 * count) / (user + system)
}

/** Three members that deliver each other's messages at once. */
class Group {
  readonly #cores: ReadonlyMap<MemberId, RaftCore>
  readonly #leader: RaftCore
  readonly #wire: Message[] = []
  #applied = 0

  constructor() {
    const restored = { hardState: { clusterId: undefined, term: 0, votedFor: undefined }, entries: [] }
    this.#cores = new Map(
      ids.map((id) => [id, new RaftCore({ id, restored, random: seededRandom(`bench ${id}`) })]),
    )
    for (const core of this.#cores.values()) core.found(clusterId, configurationOf(ids))
    this.#leader = this.#cores.get(ids[0]!)!
    while (this.#leader.status.role !== 'leader') {
      // Only its time passes, so it is elected.
      this.#leader.tick()
      this.#settle()
    }
  }

  /** How many commands were applied at the leader in that time. */
  run(inFlight: number, ms: number): number {
    const proposals: readonly Proposal[] = [{ payload }]
    const before = this.#applied
    const dueMs = performance.now() + ms
    let sinceCompaction = 0
    while (performance.now() < dueMs) {
      for (let count = 0; count < inFlight; count++)
        if (!this.#leader.propose(proposals, 1_800_000_000_000).accepted) throw new Error('not accepted')
      this.#settle()
      sinceCompaction += inFlight
      if (sinceCompaction < compactEvery) continue
      sinceCompaction = 0
      for (const core of this.#cores.values()) core.compact(core.status.appliedIndex)
    }
    return this.#applied - before
  }

  #settle(): void {
    do {
      for (const message of this.#wire.splice(0)) this.#cores.get(message.to)!.step(message)
      for (const core of this.#cores.values()) this.#drain(core)
    } while (this.#wire.length > 0)
  }

  #drain(core: RaftCore): void {
    while (core.hasReady) {
      const ready = core.takeReady()
      for (const message of ready.messages) this.#wire.push(message)
      if (core === this.#leader) for (const { commandCount } of ready.committed) this.#applied += commandCount
      if (ready.mustPersist) core.persisted(ready.id)
    }
  }
}
