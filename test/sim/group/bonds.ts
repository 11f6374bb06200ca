import type { RaftCore } from '../../../framework/groups/raft/raft-core.js'

export interface BondsOptions {
  readonly core: RaftCore
  /** How often others are told that this member is there. */
  readonly heartbeatTicks: number
  /** The host that a member runs on. */
  readonly hostOf: (member: RaftCore['id']) => number
  readonly ping: (host: number) => void
}

/** After how many heartbeats without a word of another member it may be gone. */
const DOUBTFUL_HEARTBEATS = 3

/**
 * What bonds are for a group that may be quiescent: they say who is still there, apart from consensus. And the part of a
 * driver that leaves a quiescent core alone until something happens.
 */
export class SimBonds {
  readonly #options: BondsOptions
  readonly #silentTicks = new Map<number, number>()
  #ticksSincePing = 0
  /** Of which the core was not told. */
  #missedTicks = 0

  constructor(options: BondsOptions) {
    this.#options = options
  }

  tick(count: number): void {
    const { core, heartbeatTicks, ping } = this.#options
    if (core.isQuiescent) this.#missedTicks += count
    else core.tick(count)
    const hosts = this.#hosts()
    // When this process stood still, words of others may be waiting.
    for (const host of hosts)
      this.#silentTicks.set(host, this.#silenceOf(host) + Math.min(count, heartbeatTicks))
    this.#look(hosts)
    this.#ticksSincePing += count
    if (this.#ticksSincePing < heartbeatTicks) return
    this.#ticksSincePing = 0
    for (const host of hosts) ping(host)
    if (core.mayQuiesce && hosts.every((host) => !this.#isDoubtful(host))) core.quiesce()
  }

  /** Something comes from another host. */
  hear(host: number): void {
    this.#silentTicks.set(host, 0)
    this.catchUp()
  }

  /** Something is about to happen to the core: it learns how late it is. */
  catchUp(): void {
    const missed = this.#missedTicks
    this.#missedTicks = 0
    if (missed > 0) this.#options.core.tick(missed)
  }

  /** A leader misses everybody, and who follows the leader. */
  #look(hosts: readonly number[]): void {
    const { core, hostOf } = this.#options
    if (!core.isQuiescent) return
    const { role, leader } = core.status
    const missed = role === 'leader' || leader === undefined ? hosts : [hostOf(leader)]
    const gone = missed.find((host) => this.#isDoubtful(host))
    if (gone === undefined) return
    this.catchUp()
    core.wake(role === 'leader' ? 0 : this.#silenceOf(gone))
  }

  #hosts(): readonly number[] {
    const { core, hostOf } = this.#options
    const { voters, learners } = core.configuration
    return [...voters, ...learners].filter((member) => member !== core.id).map((member) => hostOf(member))
  }

  #isDoubtful(host: number): boolean {
    return this.#silenceOf(host) >= DOUBTFUL_HEARTBEATS * this.#options.heartbeatTicks
  }

  #silenceOf(host: number): number {
    return this.#silentTicks.get(host) ?? 0
  }
}
