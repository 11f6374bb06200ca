import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { configurationOf, type MemberId } from '#framework/groups/raft'
import { Durability } from '../../../framework/groups/raft/durability.js'
import { LOG_START, RaftLog } from '../../../framework/groups/raft/raft-log.js'
import { CLUSTER, Cluster } from './cluster.js'
import { noopEntry } from './noop-entry.js'

function entryOf(index: number, term: number): Parameters<RaftLog['append']>[0] {
  return noopEntry(index, term, index + term / 100)
}

test('given any writes, truncations and disks that are late, when asked, then only what a disk has, and still belongs to the log, is durable', () => {
  const anyStep = fc.oneof(
    fc.constant('append' as const),
    fc.constant('write' as const),
    fc.constant('persist' as const),
    fc.integer({ min: 1, max: 4 }),
  )
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60, size: 'max' }), (steps) => {
      const log = new RaftLog(LOG_START, [])
      const durability = new Durability(0)
      const writes: { id: number; truncateFrom: number | undefined; entries: readonly { hash: number }[] }[] =
        []
      let disk: number[] = []
      for (const [term, step] of steps.entries()) {
        if (step === 'append') {
          log.append(entryOf(log.lastIndex + 1, term))
        } else if (step === 'write') {
          if (durability.hasWrites(log)) writes.push({ id: term, ...durability.take(term, log) })
        } else if (step === 'persist') {
          const next = writes.shift()
          if (!next) continue
          if (next.truncateFrom !== undefined) disk = disk.slice(0, next.truncateFrom - 1)
          disk.push(...next.entries.map(({ hash }) => hash))
          durability.persisted(next.id)
        } else if (step <= log.lastIndex) {
          log.truncateFrom(step)
          durability.onTruncate(step)
        }
        const { durableIndex } = durability
        expect(durableIndex).toBeLessThanOrEqual(log.lastIndex)
        for (let index = 1; index <= durableIndex; index++)
          expect(disk[index - 1]).toBe(log.entryAt(index)!.hash)
      }
      // Nothing more happens: all of it becomes durable.
      if (durability.hasWrites(log)) writes.push({ id: -1, ...durability.take(-1, log) })
      const last = writes.at(-1)
      if (last) durability.persisted(last.id)
      expect(durability.durableIndex).toBe(log.lastIndex)
    }),
  )
})

test('given a candidate whose own vote is not durable, when all others have granted theirs, then it does not lead yet', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  const a = cluster.get('a')
  while (a.core.status.role === 'follower') a.core.tick()
  a.isDiskHeld = true
  cluster.settle()
  expect(a.core.status).toMatchObject({ role: 'candidate', term: 2 })
  a.flushDisk()
  expect(a.core.status.role).toBe('leader')
})

test('Raft figure 2: given a leader that starts again, when another member asks for its vote in the same term, then that is taken by its own', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  const { term } = cluster.core('a').status
  const a = cluster.get('a')
  a.restart()
  expect(a.core.hardState).toMatchObject({ term, votedFor: 'a' })
  a.core.step({
    type: 'vote-request',
    clusterId: CLUSTER,
    from: 'c' as MemberId,
    to: 'a' as MemberId,
    term,
    lastIndex: 100,
    lastTerm: term,
    // Otherwise nobody would get its vote so soon after the start.
    transfer: true,
  })
  expect(a.drain()).toMatchObject([{ type: 'vote-answer', to: 'c', granted: false }])
})

test('given writes in flight when a member ends, when it starts again, then it has what was durable and no more', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  const before = cluster.core('b').status
  cluster.get('b').isDiskHeld = true
  cluster.propose('a', 'x', 'y')
  expect(cluster.core('b').status.lastIndex).toBe(before.lastIndex + 2)
  cluster.get('b').restart()
  expect(cluster.core('b').status).toMatchObject({ lastIndex: before.lastIndex, term: before.term })
  cluster.get('b').isDiskHeld = false
  cluster.tick(30)
  expect(cluster.applied('b')).toEqual(['x', 'y'])
})

test('Raft §7: given a snapshot up to an entry that the log has, when it is installed, then what is behind it stays', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  cluster.propose('a', 'x')
  cluster.partition(['c'])
  cluster.propose('a', 'y', 'z')
  cluster.heal()
  const c = cluster.core('c')
  const { lastIndex } = c.status
  const entries = [1, 2].map((at) => cluster.core('b').entryAt(lastIndex + at)!)
  expect(c.appendFetched(entries)).toBe(2)
  expect(c.installSnapshot(cluster.core('b').snapshotFactsAt(lastIndex + 1)!)).toBe(true)
  cluster.settle()
  expect(c.status).toMatchObject({
    firstIndex: lastIndex + 2,
    lastIndex: lastIndex + 2,
    commitIndex: lastIndex + 1,
  })
  expect(cluster.get('c').disk.entries.map(({ index }) => index)).toEqual([lastIndex + 2])
  // A round that may come at once, and one that finds that what was sent before the other has been lost.
  cluster.tick(20)
  expect(cluster.applied('c').at(-1)).toBe('z')
})

test('Raft §7: given a snapshot ahead of the log, when it is installed, then the log goes on behind it, also after a restart', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  cluster.partition(['c'])
  cluster.propose('a', 'x', 'y', 'z')
  cluster.heal()
  const { lastIndex } = cluster.core('a').status
  const facts = cluster.core('b').snapshotFactsAt(lastIndex - 1)!
  expect(cluster.core('c').installSnapshot(facts)).toBe(true)
  expect(cluster.core('c').installSnapshot(facts)).toBe(false)
  cluster.settle()
  cluster.get('c').restart()
  expect(cluster.core('c').status).toMatchObject({
    firstIndex: lastIndex,
    lastIndex: lastIndex - 1,
    commitIndex: lastIndex - 1,
  })
  expect(cluster.core('c').configuration).toMatchObject(configurationOf(['a', 'b', 'c'] as MemberId[]))
  cluster.tick(20)
  expect(cluster.applied('c')).toEqual(['z'])
})

test('thesis §10.2.1: given a leader whose disk stands still, when the others have an entry, then it is committed and applied, and the leader does not count', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  cluster.get('a').isDiskHeld = true
  cluster.drops = ({ from }) => from === 'c'
  cluster.propose('a', 'x')
  expect(cluster.applied('a')).toEqual([])
  cluster.drops = () => false
  cluster.tick(30)
  expect(cluster.applied('a')).toEqual(['x'])
  const { appliedIndex, durableIndex } = cluster.core('a').status
  expect(durableIndex).toBeLessThan(appliedIndex)
})

test('given a follower whose disk stands still, when an entry is committed without it, then it applies that and does not acknowledge it', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  const b = cluster.get('b')
  b.isDiskHeld = true
  const before = b.core.status.durableIndex
  cluster.propose('a', 'x')
  expect(cluster.applied('b')).toEqual(['x'])
  expect(cluster.core('a').progress.find(({ member }) => member === 'b')!.matchIndex).toBe(before)
  b.flushDisk()
  cluster.settle()
  expect(cluster.core('a').progress.find(({ member }) => member === 'b')!.matchIndex).toBeGreaterThan(before)
})

test('given entries that were applied and are not durable, when the log is compacted, then they stay in memory', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'], { core: { limits: { tailEntriesMax: 0 } } })
  cluster.elect('a')
  const b = cluster.get('b')
  b.isDiskHeld = true
  cluster.propose('a', 'x')
  const { appliedIndex, durableIndex } = b.core.status
  b.core.compact(appliedIndex)
  expect(b.core.undurable!.map(({ index }) => index)).toEqual([appliedIndex])
  expect(b.core.status.firstIndex).toBe(durableIndex + 1)
})
