// How long a group is without a leader when its leader is killed.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, median, table } from './benchmark.ts'
import type { MemberId } from '#framework/groups'
import { Callable } from './calls.ts'
import type { GroupFailoverPeer } from './group-failover-peer.ts'

const memberCount = 3
/** The default. */
const electionTimeoutMs = 2_000
/** Kills come at any time between two heartbeats. */
const heartbeatIntervalMs = 500

export const benchmark: Benchmark = {
  method: `${memberCount} member processes over QUIC on loopback, in memory, with the default timing (an election timeout is ${electionTimeoutMs} ms, and up to 500 more that are drawn); one that follows writes commands of 128 B one after the other. The leader's process gets SIGKILL, at any time between two heartbeats; measured until the first command is acknowledged that was called after that. Then a new process with the same identity takes its place as a new member, and when it votes the next leader is killed. --runs: how many are killed.`,
  runs: 30,
  async run({ runs, say }) {
    const outagesMs: number[] = []
    await using group = await KillableGroup.start()
    for (let run = 0; run < runs; run++) outagesMs.push(await group.killLeader())
    const sorted = outagesMs.toSorted((a, b) => a - b)
    const figures = {
      p50: median(sorted),
      p99: sorted[Math.ceil(0.99 * sorted.length) - 1]!,
      least: sorted[0]!,
    }
    say(
      table([
        ['', 'ms', 'election timeouts'],
        ...Object.entries(figures).map(([name, ms]) => [
          name,
          ms.toFixed(0),
          (ms / electionTimeoutMs).toFixed(2),
        ]),
      ]),
    )
    return { electionTimeoutMs, outagesMs, ...figures }
  },
}

type Process = Callable<GroupFailoverPeer>

interface Member {
  readonly process: Process
  readonly addresses: readonly string[]
  readonly peer: string
}

/** The member processes of one group, by their places. */
class KillableGroup implements AsyncDisposable {
  readonly #members: Member[] = []

  static async start(): Promise<KillableGroup> {
    const group = new KillableGroup()
    for (let place = 0; place < memberCount; place++) await group.#join(place)
    await group.#complete()
    return group
  }

  /** @returns For how long nothing was acknowledged, in milliseconds. */
  async killLeader(): Promise<number> {
    const leader = await this.#leaderPlace()
    const { process } = this.#members[leader]!
    const gone = await process.call('member')
    const writer = this.#members[(leader + 1) % memberCount]!.process
    await writer.call('beginWriting')
    await sleep(heartbeatIntervalMs * (1 + Math.random()))
    const killedAt = performance.timeOrigin + performance.now()
    const end = process.kill()
    const acknowledgedAt = await writer.call('acknowledgedAfter', killedAt)
    await end
    await this.#join(leader)
    await this.#complete(gone)
    return acknowledgedAt - killedAt
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ process }) => process[Symbol.asyncDispose]()))
  }

  async #join(place: number): Promise<void> {
    const addresses = this.#members.flatMap((member, other) => (other === place ? [] : member.addresses))
    const process: Process = new Callable('group-failover-peer.ts')
    const order = { place, addresses, memberCount, electionTimeoutMs }
    this.#members[place] = { process, ...(await process.call('join', order)) }
  }

  /** Resolves when all members vote, as the leader sees it. */
  async #complete(gone?: MemberId): Promise<void> {
    const leader = this.#members[await this.#leaderPlace()]!
    await leader.process.call('complete', memberCount, gone)
  }

  async #leaderPlace(): Promise<number> {
    const leader = await this.#members.at(-1)!.process.call('leader')
    return this.#members.findIndex(({ peer }) => peer === leader)
  }
}
