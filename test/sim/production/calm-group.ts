import { hashBytes, encodeUtf8, seededRandom, type PeerId } from '#framework/primitives'
import { timingOf } from '../../../framework/groups/bond/group-timing.js'
import { SimNetwork } from '../environment/network.js'
import { Timeline } from '../environment/timeline.js'
import { SimConnections } from './connections.js'
import { ProductionHost } from './host.js'
import type { GroupSetup } from './node.js'
import type { Process } from './process.js'
import { simulateTurns } from './turns.js'

/** So many nodes, which are declared founders unless it says otherwise. */
export function calmSetup(
  hostCount: number,
  changes: Partial<Pick<GroupSetup, 'founding' | 'stillbornAfterTicks'>> = {},
): GroupSetup {
  const peers = Array.from(
    { length: hostCount },
    (_, number) => hashBytes(encodeUtf8(`peer ${number}`)) as string as PeerId,
  )
  return {
    timing: timingOf(),
    peers,
    founding: { type: 'declared', founders: peers, patienceTicks: Infinity },
    stillbornAfterTicks: Infinity,
    reformAfterTicks: undefined,
    limits: { maxVoters: 3, evictAfterTicks: 600 },
    raft: { heartbeatTicks: 10, electionTicks: 40, electionJitterTicks: 10 },
    checkpointEntries: 1_000,
    ...changes,
  }
}

/** How long a message is on its way. */
export const delayMs = 1

/** Nodes of production, three if it does not say otherwise, in a world in which nothing goes wrong but what a test does. */
export class CalmGroup implements Disposable {
  readonly timeline = new Timeline()
  readonly hosts: readonly ProductionHost[]
  readonly network: SimNetwork<unknown>
  #running: Process | undefined
  readonly #turns = simulateTurns((run) => this.#running?.soon(run))

  constructor(setup = calmSetup(3)) {
    const { timeline } = this
    const conditions = { dropRate: 0, duplicateRate: 0, delayMs, jitterMs: 0, reorders: false }
    this.network = new SimNetwork<unknown>(timeline, seededRandom('network'), conditions, () => {})
    const connections = new SimConnections({ timeline, network: this.network, hosts: () => this.hosts })
    const nothing = (): void => {}
    this.hosts = setup.peers.map(
      (_, number) =>
        new ProductionHost({
          number,
          setup,
          isVolatile: false,
          driftMax: 0,
          syncMs: 1,
          bugs: {},
          timeline,
          random: seededRandom(`host ${number}`),
          connections,
          onRun: (process) => (this.#running = process),
          trace: nothing,
          observer: {
            started: nothing,
            entering: nothing,
            discarded: nothing,
            handedOut: nothing,
            durable: nothing,
            applied: nothing,
            restored: nothing,
            arriving: nothing,
            failed: (why) => {
              throw new Error(why)
            },
          },
        }),
    )
    for (const host of this.hosts) host.start()
  }

  get leader(): ProductionHost | undefined {
    return this.hosts.find(({ isRunning, member }) => isRunning && member?.core.status.role === 'leader')
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.timeline.nowMs + ms
    while (this.timeline.step(untilMs)) await this.#turns.settled()
  }

  /** Asks a node for something, and lets time pass until it has answered. */
  async ask<T>(
    { process, node }: ProductionHost,
    what: (of: NonNullable<typeof node>) => Promise<T>,
  ): Promise<T> {
    const asked = Promise.withResolvers<T>()
    let isAnswered = false
    process!.soon(() => void what(node!).then(asked.resolve, asked.reject))
    void asked.promise.finally(() => (isAnswered = true)).catch(() => {})
    for (let waitedMs = 0; !isAnswered && waitedMs < 20_000; waitedMs += 10) await this.pass(10)
    return asked.promise
  }

  /** How long that takes at a node, in whole simulated milliseconds. */
  msOf(
    host: ProductionHost,
    what: (of: NonNullable<ProductionHost['node']>) => Promise<unknown>,
  ): Promise<number> {
    return this.ask(host, async (node) => {
      const startedMs = this.timeline.nowMs
      await what(node)
      return Math.round(this.timeline.nowMs - startedMs)
    })
  }

  [Symbol.dispose](): void {
    this.#turns[Symbol.dispose]()
  }
}
