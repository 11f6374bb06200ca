// Groups between real nodes of one process, as classes declare them.
import { describe, expect, test } from '@jest/globals'
import { TopologyError } from '#framework/topology'
import { Group, launch, OnFollower, OnLeader, Service, type RoleContext } from '#decorators'
import { eventually, within } from '../support/eventually.js'
import { folderWith } from '../support/mosaik-process.js'
import { Counter, OtherCounter } from './counter.js'

const secret = 'f1c2a09b3d4c5e8f6a7b8c9d0e1f2a3b'

@Service()
class Keeper {
  @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
  leads = false
  follows = false
  terms: number[] = []

  @OnLeader() async lead({ signal, term }: RoleContext): Promise<void> {
    this.leads = true
    this.terms.push(term)
    await aborted(signal)
    this.leads = false
  }

  @OnFollower() async follow({ signal }: RoleContext): Promise<void> {
    this.follows = true
    await aborted(signal)
    this.follows = false
  }
}

@Service()
class Watcher {
  @Group('tally', { machine: Counter, role: 'reader', consistency: 'local' })
  readonly tally!: Group<Counter>
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

describe('a network with a group', () => {
  test.concurrent(
    'given a closed one, its members found the group as declared, one leads, and a reader sees what they agree on',
    async () => {
      await using net = await launch({
        network: 'launch-groups-closed',
        secret,
        services: [{ service: Keeper, replicas: 3 }, Watcher],
      })
      const keepers = [0, 1, 2].map((replica) => net.service(Keeper, replica))
      const [first] = keepers
      await within(20_000, first!.tally.when().voters(3).wait())
      expect((await first!.tally.execute({ add: 2 })).result).toBe(2)
      const { result, index } = await keepers[1]!.tally.execute({ add: 3 })
      expect([result, index]).toEqual([5, 2])
      await eventually(() => expect(keepers.filter(({ leads }) => leads)).toHaveLength(1))
      await eventually(() => expect(keepers.filter(({ follows }) => follows)).toHaveLength(2))

      const { tally } = net.service(Watcher)
      expect((await tally.query('total', { minIndex: index })).answer).toBe(5)
      const named = net.nodes.map(({ groups }) => groups.value.map(({ name }) => name))
      expect(named).toEqual([['tally'], ['tally'], ['tally'], ['tally']])
    },
  )

  test.concurrent(
    'given a leader that hands over, its method ends, and that of another node begins in a later term',
    async () => {
      await using net = await launch({
        network: 'launch-groups-failover',
        secret,
        services: [{ service: Keeper, replicas: 3 }],
      })
      const keepers = [0, 1, 2].map((replica) => net.service(Keeper, replica))
      await within(20_000, keepers[0]!.tally.when().voters(3).wait())
      await eventually(() => expect(keepers.some(({ leads }) => leads)).toBe(true))
      const leader = keepers.findIndex(({ leads }) => leads)
      const before = keepers[leader]!
      const others = keepers.filter((keeper) => keeper !== before)

      const follower = net.node('keeper', (leader + 1) % 3)
      await before.tally.transferLeadership(follower.info.peerId)
      await eventually(() => expect(others.some(({ leads }) => leads)).toBe(true))
      await eventually(() => expect(before.leads).toBe(false))
      const next = others.find(({ leads }) => leads)!
      expect(next.terms.at(-1)).toBeGreaterThan(before.terms.at(-1)!)
    },
  )

  test.concurrent('given an open one, as many members as there are founders found it', async () => {
    await using net = await launch({
      network: 'launch-groups-open',
      services: [{ service: Keeper, replicas: 3 }],
    })
    const keeper = net.service(Keeper)
    await within(20_000, keeper.tally.when().voters(3).wait())
    expect((await keeper.tally.execute({ add: 1 })).result).toBe(1)
  })

  test.concurrent(
    'given a folder, a network of three that is started again has what was acknowledged, and goes on',
    async () => {
      await using folder = await folderWith({})
      const options = {
        network: 'launch-groups-durable',
        secret,
        data: folder.path,
        services: [{ service: Keeper, replicas: 3 }],
      }
      const before = await launch(options)
      const { tally } = before.service(Keeper)
      await within(20_000, tally.when().voters(3).wait())
      await tally.execute({ add: 7 })
      const { isDurable } = tally.status.value.durability
      await before.close()
      expect(isDurable).toBe(true)

      await using after = await launch(options)
      for (const replica of [0, 1, 2]) {
        const again = after.service(Keeper, replica).tally
        expect((await again.query('total', { deadlineMs: 30_000 })).answer).toBe(7)
      }
      expect((await after.service(Keeper, 1).tally.execute({ add: 1 })).result).toBe(8)
      await within(20_000, after.service(Keeper).tally.when().voters(3).wait())
    },
  )
})

test('given two machines under one name, nothing is launched', async () => {
  @Service()
  class Stranger {
    @Group('tally', { machine: OtherCounter }) readonly tally!: Group<Counter>
  }
  const launching = launch({ network: 'launch-groups-conflict', secret, services: [Keeper, Stranger] })
  await expect(launching).rejects.toThrow(TopologyError)
  await expect(launching).rejects.toThrow('GROUP_CONFLICT')
})
