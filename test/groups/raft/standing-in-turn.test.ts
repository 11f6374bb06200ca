import { describe, expect, test } from '@jest/globals'
import { seededRandom, type Random } from '#framework/primitives'
import { Cluster } from './cluster.js'

/** Everything that is on its way arrives, in any order, and nothing of what comes of it. @returns Whether there was anything. */
function hop(cluster: Cluster, random: Random): boolean {
  cluster.collect()
  const arriving = cluster.wire.splice(0).filter((message) => !cluster.drops(message))
  const isAny = arriving.length > 0
  while (arriving.length > 0) {
    const [message] = arriving.splice(random.int(arriving.length), 1)
    cluster.core(message!.to).step(message!)
  }
  cluster.collect()
  return isAny
}

/** a led, and is gone. What it committed last is with b and c; nobody hears it any more, and nobody stands for election for a while. */
function bereft(names: readonly string[], seed = 1): Cluster {
  const cluster = Cluster.founded(names, { seed, core: { electionJitterTicks: 400 } })
  cluster.elect('a')
  cluster.tick(30)
  cluster.drops = ({ to }) => to !== 'a' && to !== 'b' && to !== 'c'
  cluster.propose('a', 'x')
  expect(cluster.applied('a')).toEqual(['x'])
  cluster.drops = ({ from, to }) => from === 'a' || to === 'a'
  for (const name of names.slice(1)) for (let tick = 0; tick < 40; tick++) cluster.core(name).tick()
  return cluster
}

/** Makes it stand for election, by letting only its time pass, and lets everybody answer. */
function stand(cluster: Cluster, name: string, seed = 1): void {
  const random = seededRandom(`order ${seed}`)
  while (cluster.core(name).status.role === 'follower') cluster.core(name).tick()
  while (hop(cluster, random));
}

const roles = (cluster: Cluster): string[] =>
  [...cluster.members.values()].map(({ core }) => core.status.role)

describe('several who have more than a candidate, when there is no leader (Raft, §5.2)', () => {
  test.each([{ names: ['a', 'b', 'c', 'd'] }, { names: ['a', 'b', 'c', 'd', 'e'] }])(
    'given $names.length voters, then they stand one after the other, and do not share the votes',
    ({ names }) => {
      for (let seed = 1; seed <= 20; seed++) {
        const cluster = bereft(names, seed)
        stand(cluster, 'd', seed)
        expect(roles(cluster).slice(1)).toEqual(['leader', ...names.slice(2).map(() => 'follower')])
      }
    },
  )

  test('given that the first of them is gone, then the next one stands soon', () => {
    const cluster = bereft(['a', 'b', 'c', 'd', 'e'])
    cluster.drops = ({ from, to }) => [from, to].some((name) => name === 'a' || name === 'b')
    stand(cluster, 'd')
    expect(cluster.core('c').status.role).toBe('follower')
    cluster.tick(2, ['c'])
    expect(cluster.core('c').status.role).toBe('leader')
  })

  test('given one who waits for its turn, when it has voted for another one, then that one has a whole timeout to win', () => {
    const cluster = bereft(['a', 'b', 'c', 'd', 'e'])
    stand(cluster, 'd')
    cluster.drops = ({ from }) => from === 'b'
    cluster.tick(40, ['c'])
    expect(cluster.core('c').status.role).toBe('follower')
  })
})
