import { expect, test } from '@jest/globals'
import { lossOf } from '../../../framework/groups/raft/index.js'
import { CalmGroup, calmSetup } from './calm-group.js'

const winners = [0, 1]
/** Those of the part that gives way who are there when it does. */
const losers = [2, 3]
/** Of their part as well, and cut off at the time. */
const absent = 4

/** Five nodes of which any two found. */
class Nodes extends CalmGroup {
  constructor() {
    super(calmSetup(5, { founding: { type: 'expect', count: 2 }, stillbornAfterTicks: 480 }))
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

  /** Lets time pass until something is so. */
  async passUntil(isSo: () => boolean): Promise<void> {
    for (let waitedMs = 0; !isSo(); waitedMs += 1) {
      if (waitedMs > 120_000) throw new Error(`not within two minutes: ${isSo.toString()}`)
      await this.pass(1)
    }
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
