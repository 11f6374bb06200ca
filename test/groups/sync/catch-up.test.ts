import { describe, expect, test } from '@jest/globals'
import { murmurChain, type Entry } from '#framework/groups/raft'
import { eventually } from '../../support/eventually.js'
import { SnapshottedLedger } from './ledger.js'
import { answersFrom, SyncGroup, type SyncGroupOptions, type SyncNode } from './sync-group.js'

/** Enough for checkpoints, and for many chunks. */
const many = 400

interface Left {
  readonly group: SyncGroup
  readonly leader: SyncNode
  readonly away: SyncNode
  readonly other: SyncNode
}

/** One of three was away for so long that the leader has let go of what it needs. */
async function leftBehind(options: Partial<SyncGroupOptions> = {}): Promise<Left> {
  const group = await SyncGroup.start({ count: 3, ...options })
  const leader = await group.leader()
  const [away, other] = group.others(leader)
  await group.submit(leader, 3)
  group.part(away!)
  await group.submit(leader, many)
  expect(leader.member.status.firstIndex).toBeGreaterThan(away!.member.status.lastIndex + 1)
  return { group, leader, away: away!, other: other! }
}

function isEntriesFrom(node: SyncNode, from: SyncNode['id'], type: string): boolean {
  return from === node.id && type === 'entries'
}

describe('a member that was away while the log was let go', () => {
  test.concurrent('gets the entries from two sources', async () => {
    const { group, leader, away, other } = await leftBehind()
    await using _ = group
    group.rejoin(away)
    await group.settled()
    expect(new Set(answersFrom(away, 'entries'))).toEqual(new Set([leader.id, other.id]))
    await eventually(() => expect(away.sync.isCatchingUp).toBe(false))
  })

  test.concurrent(
    'is served by the leader again as soon as it has caught up, without a heartbeat',
    async () => {
      const { group, leader, away } = await leftBehind()
      await using _ = group
      group.rejoin(away)
      await eventually(() => {
        group.tick()
        expect(away.sync.isCatchingUp).toBe(true)
      })
      await eventually(() => {
        const progress = leader.member.progress.find(({ member }) => member === away.id)
        expect(progress?.state).toBe('replicate')
      })
    },
  )

  test.concurrent('gets them from whoever is left when a source dies in the middle', async () => {
    const { group, away, other } = await leftBehind()
    await using _ = group
    let count = 0
    group.onSync = (from, _to, message) => {
      if (isEntriesFrom(other, from, message.type) && ++count === 3) group.part(other)
      return message
    }
    group.rejoin(away)
    await group.settled()
    expect(count).toBe(3)
  })

  test.concurrent('gets them from others when a source is silent in the middle', async () => {
    const { group, away, other } = await leftBehind()
    await using _ = group
    let count = 0
    group.onSync = (from, _to, message) =>
      isEntriesFrom(other, from, message.type) && ++count >= 3 ? undefined : message
    group.rejoin(away)
    await group.settled()
    expect(count).toBeGreaterThanOrEqual(3)
  })

  test.concurrent('asks nothing more of a source whose entries do not follow', async () => {
    const { group, away, other } = await leftBehind()
    await using _ = group
    group.onSync = (from, _to, message) =>
      message.type === 'entries' && from === other.id
        ? { ...message, entries: message.entries.map((entry) => ({ ...entry, payload: Buffer.from('?') })) }
        : message
    group.rejoin(away)
    await group.settled()
    // What was on its way when the first was looked at came too.
    const lies = answersFrom(away, 'entries').filter((from) => from === other.id)
    expect(lies.length).toBeLessThan(4)
  })

  test.concurrent('applies nothing of what follows but is not the log of the leader', async () => {
    const { group, away, other } = await leftBehind()
    await using _ = group
    const forged = new Map<number, Entry>()
    group.onSync = (from, _to, message) => {
      if (message.type !== 'entries' || from !== other.id) return message
      const entries = message.entries.map((entry) => {
        const before = forged.get(entry.index - 1) ?? away.member.status
        const hash = 'hash' in before ? before.hash : 0
        const payload = Uint8Array.from(entry.payload, (byte, at) => (at === 30 ? byte ^ 1 : byte))
        const forgery = { ...entry, payload, hash: murmurChain.next(hash, { ...entry, payload }) }
        forged.set(entry.index, forgery)
        return forgery
      })
      return { ...message, entries }
    }
    group.rejoin(away)
    await group.settled()
    expect(away.ended).toBeUndefined()
    expect(away.incidents).toEqual([])
  })

  test.concurrent('W-L2: is counted when it has caught up, although nobody writes', async () => {
    const { group, leader, away, other } = await leftBehind()
    await using _ = group
    group.rejoin(away)
    await eventually(() => {
      group.tick()
      expect(away.sync.isCatchingUp).toBe(true)
    })
    // The leader alone is no majority: what it appends now needs the member that is catching up.
    group.part(other)
    group.propose(leader, 1)
    const { lastIndex } = leader.member.status
    await eventually(() => {
      group.tick()
      expect(leader.member.status.commitIndex).toBeGreaterThanOrEqual(lastIndex)
    })
  })

  test.concurrent('W-L3: stands for election while it catches up with a leader that is gone', async () => {
    const { group, leader, away, other } = await leftBehind()
    await using _ = group
    group.onSync = () => undefined
    group.rejoin(away)
    await eventually(() => {
      group.tick()
      expect(away.sync.isCatchingUp).toBe(true)
    })
    group.part(leader)
    group.part(other)
    await eventually(() => {
      group.tick()
      expect(away.member.status.role).toBe('pre-candidate')
      expect(away.sync.isCatchingUp).toBe(true)
    })
    group.rejoin(other)
    const next = await group.leader()
    expect(next).toBe(other)
    group.onSync = (_from, _to, message) => message
    await group.settled()
  })

  test.concurrent(
    'W-L3: gives an episode up when nothing comes of it, and succeeds with the next one',
    async () => {
      const { group, away } = await leftBehind()
      await using _ = group
      group.onSync = () => undefined
      group.rejoin(away)
      let wasCatchingUp = false
      await eventually(() => {
        group.tick()
        wasCatchingUp ||= away.sync.isCatchingUp
        expect(wasCatchingUp && !away.sync.isCatchingUp).toBe(true)
      })
      group.onSync = (_from, _to, message) => message
      await group.settled()
    },
  )
})

describe('W-S5: a leader that was deposed and has entries that nobody else has', () => {
  test.concurrent.each([1, 30, 300])(
    'gives %d of them up, when the entries that are right are in storage alone',
    async (stale) => {
      await using group = await SyncGroup.start({ count: 3 })
      const deposed = await group.leader()
      await group.submit(deposed, 20)
      group.part(deposed)
      const before = deposed.member.status.lastIndex
      for (let left = stale; left > 0; left -= 30) group.propose(deposed, Math.min(left, 30))
      expect(deposed.member.status.lastIndex).toBe(before + stale)
      const leader = await group.leader()
      await group.submit(leader, many)
      group.rejoin(deposed)
      await group.settled()
      expect(deposed.ended).toBeUndefined()
      expect(deposed.incidents.filter(({ type }) => type === 'diverged')).toEqual([])
    },
  )
})

describe('a member whose entries nobody has any more', () => {
  const snapshots = { machine: () => new SnapshottedLedger() }

  test.concurrent('gets a snapshot, and the entries behind it', async () => {
    const { group, away } = await leftBehind(snapshots)
    await using _ = group
    group.rejoin(away)
    await group.settled()
    const pieces = answersFrom(away, 'piece')
    expect(pieces.length).toBeGreaterThan(3)
    expect(new Set(pieces).size).toBe(1)
    expect(away.storage.currentSnapshot()?.facts.index).toBeGreaterThan(0)
  })

  test.concurrent('gets another one when its source dies in the middle', async () => {
    const { group, away, other } = await leftBehind(snapshots)
    await using _ = group
    group.onSync = (from, _to, message) => {
      if (message.type === 'piece' && message.offset > 0 && from === other.id) group.part(other)
      return message
    }
    group.rejoin(away)
    await group.settled()
    expect(new Set(answersFrom(away, 'piece')).size).toBe(2)
  })

  test.concurrent(
    'W-A9: gets one although the others go on writing and taking snapshots meanwhile',
    async () => {
      const { group, leader, away } = await leftBehind(snapshots)
      await using _ = group
      let proposedCount = 0
      group.onSync = (_from, _to, message) => {
        if (message.type === 'piece') {
          group.propose(leader, 60)
          proposedCount += 60
        }
        return message
      }
      group.rejoin(away)
      await eventually(() => {
        group.tick()
        expect(away.storage.currentSnapshot()).toBeDefined()
      })
      expect(answersFrom(away, 'absent')).toEqual([])
      expect(proposedCount).toBeGreaterThan(100)
      group.onSync = (_from, _to, message) => message
      await group.settled()
    },
  )

  test.concurrent('W-S5: gives up entries of its own that nobody else has', async () => {
    await using group = await SyncGroup.start({ count: 3, ...snapshots })
    const deposed = await group.leader()
    await group.submit(deposed, 20)
    group.part(deposed)
    group.propose(deposed, 30)
    const leader = await group.leader()
    await group.submit(leader, many)
    group.rejoin(deposed)
    await group.settled()
    expect(deposed.ended).toBeUndefined()
  })
})
