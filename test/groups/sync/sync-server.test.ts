import { describe, expect, test } from '@jest/globals'
import { ManualClock, nextTurn, silentLogger } from '#framework/primitives'
import { configurationOf, type ClusterId, type Entry, type MemberId } from '#framework/groups/raft'
import { GroupStorageError, type GroupStorage, type StoredSnapshot } from '#framework/groups/storage'
import {
  decodeSync,
  type SyncMessage,
  type SyncRequest,
} from '../../../framework/groups/sync/sync-messages.js'
import { SnapshotReader } from '../../../framework/groups/sync/snapshot-reader.js'
import { SyncServer } from '../../../framework/groups/sync/sync-server.js'
import { DEFAULT_SYNC } from '../../../framework/groups/sync/sync-settings.js'
import { eventually } from '../../support/eventually.js'

const clusterId = 'c1'.repeat(16) as ClusterId
const asker = 'asker/1' as MemberId
const facts = { index: 50, term: 1, applicationIndex: 49, hash: 7, configuration: configurationOf([asker]) }

interface Served {
  readonly server: SyncServer
  readonly clock: ManualClock
  readonly answers: SyncMessage[]
  readonly port: { result: 'sent' | 'busy' | 'closed' }
  readonly stored: { snapshot: StoredSnapshot | undefined; failure: Error | undefined }
  readonly holds: { count: number }
}

/** A member with committed entries from 11 to 90 in its storage, a durable one that is not committed, and a snapshot. */
function serving(): Served {
  const clock = new ManualClock()
  const answers: SyncMessage[] = []
  const port = { result: 'sent' as 'sent' | 'busy' | 'closed' }
  const stored: Served['stored'] = { snapshot: snapshotOf(facts.index, 2_500), failure: undefined }
  const holds = { count: 0 }
  const storage: Pick<GroupStorage, 'readEntries' | 'currentSnapshot'> = {
    async readEntries(from, to) {
      if (stored.failure !== undefined) throw stored.failure
      return Array.from({ length: to - from + 1 }, (_, place) => entryAt(from + place))
    },
    currentSnapshot: () => stored.snapshot,
  }
  const server = new SyncServer({
    member: {
      clusterId,
      status: { firstIndex: 11, commitIndex: 90, durableIndex: 91 },
      holdSnapshot: () => {
        holds.count++
        return { [Symbol.dispose]: () => void holds.count-- }
      },
    },
    storage: storage as GroupStorage,
    stateSync: 'snapshot',
    settings: { ...DEFAULT_SYNC, batchBytes: 1_000 },
    clock,
    logger: silentLogger,
    port: {
      members: () => [asker],
      send: (_, bytes) => {
        if (port.result === 'sent') answers.push(decodeSync(bytes))
        return port.result
      },
    },
  })
  return { server, clock, answers, port, stored, holds }
}

function entryAt(index: number): Entry {
  const payload = new Uint8Array(0)
  return {
    index,
    term: 1,
    kind: 'command',
    commandCount: 1,
    applicationIndex: index,
    timestampMs: 0,
    hash: 0,
    payload,
  }
}

function snapshotOf(index: number, byteLength: number): StoredSnapshot {
  return {
    facts: { ...facts, index },
    byteLength,
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < byteLength; at += 300)
        yield Uint8Array.from({ length: Math.min(300, byteLength - at) }, (_, place) => (at + place) % 251)
    },
  }
}

let lastId = 0
function entriesRequest(firstIndex: number, lastIndex: number): SyncRequest {
  return { type: 'entries-request', clusterId, requestId: ++lastId, firstIndex, lastIndex, bytesMax: 1_000 }
}
function pieceRequest(offset: number, index = facts.index): SyncRequest {
  const { hash } = facts
  return { type: 'piece-request', clusterId, requestId: ++lastId, index, hash, byteLength: 2_500, offset }
}

async function answerTo({ server, answers }: Served, request: SyncRequest): Promise<SyncMessage> {
  server.onRequest(asker, request)
  let answer: SyncMessage | undefined
  await eventually(() => {
    answer = answers.find(({ requestId }) => requestId === request.requestId)
    return answer !== undefined
  })
  return answer!
}

describe('a member that is asked', () => {
  test('says what it has that is committed, and its snapshot', async () => {
    const answer = await answerTo(serving(), { type: 'availability-request', clusterId, requestId: ++lastId })
    expect(answer).toMatchObject({ firstIndex: 11, lastIndex: 90, snapshot: { facts, byteLength: 2_500 } })
  })

  test.each([
    [20, 29, 20, 29],
    [85, 200, 85, 90],
  ])('for entries from %d to %d, gives those from %d to %d', async (from, to, first, last) => {
    const answer = await answerTo(serving(), entriesRequest(from, to))
    expect(answer.type === 'entries' && answer.entries.map(({ index }) => index)).toEqual(
      Array.from({ length: last - first + 1 }, (_, place) => first + place),
    )
  })

  test.each([
    ['compacted', 10],
    ['not committed', 91],
  ])('W-S5: gives no entries that are %s', async (_, from) => {
    expect(await answerTo(serving(), entriesRequest(from, from))).toMatchObject({ type: 'absent' })
  })

  test('says that entries are absent that its storage has lost, and goes on', async () => {
    const served = serving()
    served.stored.failure = new GroupStorageError('GROUP_STORAGE_CORRUPT', 'not what was written')
    expect(await answerTo(served, entriesRequest(20, 29))).toMatchObject({ type: 'absent' })
    served.stored.failure = undefined
    expect(await answerTo(served, entriesRequest(20, 29))).toMatchObject({ type: 'entries' })
  })

  test('looks at no more than four requests of a member at a time, and counts the others', async () => {
    const served = serving()
    const requests = Array.from({ length: 6 }, () => entriesRequest(20, 20))
    for (const request of requests) served.server.onRequest(asker, request)
    expect(served.server.refusedCount).toBe(2)
    await eventually(() => expect(served.answers).toHaveLength(4))
    expect(await answerTo(served, entriesRequest(20, 20))).toMatchObject({ type: 'entries' })
  })

  test('makes one answer in a turn', async () => {
    const { server, answers } = serving()
    for (let count = 0; count < 4; count++) server.onRequest(asker, entriesRequest(20, 20))
    const counts = []
    while (answers.length < 4) {
      counts.push(answers.length)
      await nextTurn()
    }
    expect(new Set(counts)).toEqual(new Set([0, 1, 2, 3]))
  })

  test('waits while there is no room for the answer, for as long as it is waited for', async () => {
    const served = serving()
    served.port.result = 'busy'
    served.server.onRequest(asker, entriesRequest(20, 20))
    await eventually(() => expect(served.clock.pendingCount).toBe(1))
    served.port.result = 'sent'
    served.clock.advance(10)
    await eventually(() => expect(served.answers).toHaveLength(1))
    served.port.result = 'busy'
    served.server.onRequest(asker, entriesRequest(20, 20))
    await eventually(() => {
      served.clock.advance(DEFAULT_SYNC.fetchTimeoutMs)
      expect(served.clock.pendingCount).toBe(0)
    })
    expect(served.answers).toHaveLength(1)
    await served.server.close()
  })
})

describe('a snapshot', () => {
  test('is given in pieces, and stays until they are all read', async () => {
    const served = serving()
    const pieces: Uint8Array[] = []
    for (const offset of [0, 1_000, 1_000, 2_000]) {
      const answer = await answerTo(served, pieceRequest(offset))
      if (answer.type === 'piece') pieces.push(answer.bytes)
      expect(served.holds.count).toBe(offset < 2_000 ? 1 : 0)
    }
    expect(pieces.map(({ byteLength }) => byteLength)).toEqual([1_000, 1_000, 1_000, 500])
    expect(pieces[2]).toEqual(pieces[1])
    expect(pieces[3]![0]).toBe(2_000 % 251)
  })

  test('that another one has taken the place of is absent', async () => {
    const served = serving()
    await answerTo(served, pieceRequest(0))
    served.stored.snapshot = snapshotOf(60, 2_500)
    expect(await answerTo(served, pieceRequest(1_000))).toMatchObject({ type: 'absent' })
    expect(served.holds.count).toBe(0)
  })

  test('is not held for a member that is gone, nor for one that asks no more', async () => {
    const served = serving()
    await answerTo(served, pieceRequest(0))
    served.server.onLost(asker)
    expect(served.holds.count).toBe(0)
    await answerTo(served, pieceRequest(0))
    expect(served.holds.count).toBe(1)
    served.clock.advance(30_000)
    expect(served.holds.count).toBe(0)
  })

  test('is not held for ever, however slowly it is read', async () => {
    const served = serving()
    await answerTo(served, pieceRequest(0))
    for (let minutes = 0; minutes < 5; minutes += 0.25) {
      served.clock.advance(15_000)
      await answerTo(served, pieceRequest(1_000))
    }
    expect(served.holds.count).toBe(0)
    await served.server.close()
    expect(served.clock.pendingCount).toBe(0)
  })

  test.each([0, 1, 299, 300, 301, 2_499])('can be read from %d on', async (offset) => {
    const reader = new SnapshotReader(snapshotOf(1, 2_500), 1_000)
    await reader.read(1_500)
    const piece = await reader.read(offset)
    expect(piece).toHaveLength(Math.min(1_000, 2_500 - offset))
    expect(piece[0]).toBe(offset % 251)
    await reader.close()
  })
})
