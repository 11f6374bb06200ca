import { expect, test } from '@jest/globals'
import { configurationOf, type MemberId } from '#framework/groups/raft'
import { Timeline } from '../../sim/environment/timeline.js'
import { hedgeMs } from '../../../framework/groups/member/hedge.js'
import { Cluster } from './cluster.js'

const wayMs = 10

/** How long the disk of each member takes; `client` is the learner that submits. */
type DiskMs = Readonly<Record<'leader' | 'first' | 'second' | 'client', number>>

/** How long it takes from when a client asks until it has applied what it asked for. */
function writeMs(diskMs: DiskMs): number {
  const names = ['leader', 'first', 'second', 'client'] as const
  const voters = ['leader', 'first', 'second'] as MemberId[]
  const cluster = Cluster.founded(voters)
  cluster.start('client')
  cluster.elect('leader')
  const { core } = cluster.get('leader')
  expect(core.proposeConfiguration(configurationOf(voters, ['client' as MemberId]), 0).accepted).toBe(true)
  cluster.tick(30)
  for (const name of names) cluster.get(name).isDiskHeld = true

  const timeline = new Timeline()
  const busy = new Set<string>()
  const follow = (name: (typeof names)[number]): void => {
    const member = cluster.get(name)
    for (const message of member.drain()) {
      const to = names.find((known) => known === message.to)!
      timeline.after(wayMs, () => {
        cluster.core(to).step(message)
        follow(to)
      })
    }
    if (member.core.undurable!.length === 0 || busy.has(name)) return
    busy.add(name)
    timeline.after(diskMs[name], () => {
      busy.delete(name)
      member.flushDisk()
      follow(name)
    })
  }
  let appliedAtMs = Number.NaN
  const before = cluster.applied('client').length
  timeline.after(wayMs, () => {
    core.propose([{ payload: Buffer.from('x') }], 0)
    follow('leader')
    timeline.after(hedgeMs, () => {
      core.widenAppends()
      follow('leader')
    })
  })
  while (Number.isNaN(appliedAtMs) && timeline.step(60_000)) {
    if (cluster.applied('client').length > before) appliedAtMs = timeline.nowMs
  }
  return appliedAtMs
}

test.each<[string, DiskMs, number]>([
  [
    'a follower is slower than the leader',
    { leader: 5, first: 30, second: 500, client: 5 },
    10 + (10 + 30 + 10) + 10,
  ],
  ['the leader is slower than a follower', { leader: 100, first: 5, second: 500, client: 5 }, 10 + 100 + 10],
  [
    'the disk of the leader stands still',
    { leader: 9_000, first: 5, second: 40, client: 5 },
    10 + hedgeMs + (10 + 40 + 10) + 10,
  ],
  [
    'the disk of the follower that is asked first stands still',
    { leader: 5, first: 9_000, second: 40, client: 5 },
    10 + hedgeMs + (10 + 40 + 10) + 10,
  ],
  [
    'the disk of the client stands still',
    { leader: 5, first: 5, second: 5, client: 9_000 },
    10 + (10 + 5 + 10) + 10,
  ],
])(
  'thesis §10.2.1: when %s, then a write waits for the second of three disks and for no other, and at most a little for whom to ask',
  (_, diskMs, ms) => {
    expect(writeMs(diskMs)).toBe(ms)
  },
)
