import { expect, test } from '@jest/globals'
import { encodeUtf8, hashBytes, seededRandom, type PeerId } from '#framework/primitives'
import { timingOf } from '../../../framework/groups/bond/group-timing.js'
import { lossOf } from '../../../framework/groups/raft/index.js'
import { SimNetwork } from '../environment/network.js'
import { Timeline } from '../environment/timeline.js'
import { SimConnections } from './connections.js'
import { ProductionHost } from './host.js'
import type { GroupSetup } from './node.js'
import type { Process } from './process.js'
import { simulateTurns } from './turns.js'

const hostCount = 5
const peers = Array.from(
  { length: hostCount },
  (_, number) => hashBytes(encodeUtf8(`peer ${number}`)) as string as PeerId,
)
const setup: GroupSetup = {
  timing: timingOf(),
  peers,
  founding: { type: 'expect', count: 2 },
  stillbornAfterTicks: 480,
  reformAfterTicks: undefined,
  limits: { maxVoters: 3, evictAfterTicks: 600 },
  raft: { heartbeatTicks: 10, electionTicks: 40, electionJitterTicks: 10 },
  checkpointEntries: 1_000,
}
const winners = [0, 1]
/** Those of the part that gives way who are there when it does. */
const losers = [2, 3]
/** Of their part as well, and cut off at the time. */
const absent = 4

/** Five nodes in a world in which nothing goes wrong but what the test does. */
class Nodes implements Disposable {
  readonly timeline = new Timeline()
  readonly hosts: readonly ProductionHost[]
  readonly network: SimNetwork<unknown>
  #running: Process | undefined
  readonly #turns = simulateTurns((run) => this.#running?.soon(run))

  constructor() {
    const { timeline } = this
    const conditions = { dropRate: 0, duplicateRate: 0, delayMs: 1, jitterMs: 0, reorders: false }
    this.network = new SimNetwork<unknown>(timeline, seededRandom('network'), conditions, () => {})
    const connections = new SimConnections({ timeline, network: this.network, hosts: () => this.hosts })
    const nothing = (): void => {}
    this.hosts = peers.map(
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
  }

  clustersOf(numbers: readonly number[]): (string | undefined)[] {
    return numbers.map((number) => this.hosts[number]!.node?.worker.status.value.clusterId)
  }

  block(some: readonly number[], others: readonly number[]): void {
    for (const [from, to] of linksBetween(some, others)) this.network.block(from, to)
  }

  unblock(some: readonly number[], others: readonly number[]): void {
    for (const [from, to] of linksBetween(some, others)) this.network.unblock(from, to)
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.timeline.nowMs + ms
    while (this.timeline.step(untilMs)) await this.#turns.settled()
  }

  /** Lets time pass until something is so. */
  async passUntil(isSo: () => boolean): Promise<void> {
    for (let waitedMs = 0; !isSo(); waitedMs += 1) {
      if (waitedMs > 120_000) throw new Error(`not within two minutes: ${isSo.toString()}`)
      await this.pass(1)
    }
  }

  [Symbol.dispose](): void {
    this.#turns[Symbol.dispose]()
  }
}

function linksBetween(some: readonly number[], others: readonly number[]): [number, number][] {
  return some.flatMap((one) =>
    others.flatMap((other): [number, number][] => [
      [one, other],
      [other, one],
    ]),
  )
}

test('given a part that has given way, found nobody who goes on, and was started again before it did, when a member of it comes back that was away all the time, then it is told and gives way as well', async () => {
  using nodes = new Nodes()
  const { hosts } = nodes
  nodes.block(winners, [...losers, absent])
  for (const host of hosts) host.start()
  await nodes.passUntil(
    () =>
      hosts[0]!.member?.core.status.leader !== undefined &&
      [...losers, absent].every((number) => hosts[number]!.member?.core.configuration.voters.length === 3),
  )
  const [winner] = nodes.clustersOf(winners)
  const [loser] = nodes.clustersOf(losers)
  expect(loser).not.toBe(winner)
  hosts[0]!.process!.soon(() => {
    for (const value of ['1', '2', '3'])
      void hosts[0]!.node!.handle().execute({ kind: 'write', key: 'k', value })
  })
  await nodes.pass(5_000)

  nodes.block([absent], losers)
  nodes.unblock(winners, losers)
  await nodes.passUntil(() =>
    losers.some((number) => {
      const member = hosts[number]!.member
      return member !== undefined && lossOf(loser as never, member.core.configuration.verdicts) !== undefined
    }),
  )
  nodes.block(winners, losers)
  await nodes.passUntil(() => nodes.clustersOf(losers).every((cluster) => cluster === undefined))
  for (const number of losers) hosts[number]!.crash('none')
  for (const number of losers) hosts[number]!.start()
  await nodes.passUntil(() => losers.every((number) => hosts[number]!.member !== undefined))

  nodes.unblock(winners, losers)
  nodes.unblock(winners, [absent])
  nodes.unblock([absent], losers)
  const all = [...winners, ...losers, absent]
  await nodes.passUntil(() => nodes.clustersOf(all).every((cluster) => cluster === winner))
})
