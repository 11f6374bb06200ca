import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { MosaikError, Watch, nextTurn, seededRandom, silentLogger, type PeerId } from '#framework/primitives'
import type { GossipTopic } from '#framework/network'
import { AnnouncePolicy } from '../../framework/discovery/announce-policy.js'
import {
  ANNOUNCEMENT_BYTES_MAX,
  decodeAnnouncement,
  type Announcement,
} from '../../framework/discovery/announcement.js'
import { Announcer } from '../../framework/discovery/announcer.js'
import { parseRecord } from '../../framework/discovery/signed-record.js'
import { entryRecord, identityOf, manyRecords, storeOf, NOW } from './support.js'

const [one, two] = [identityOf('one').peerId, identityOf('two').peerId]

/** A topic that sends nothing anywhere, and an announcer on it whose clock stands still unless it is told. */
function setup() {
  const parts = storeOf('me')
  const neighbours = new Watch<ReadonlySet<PeerId>>(new Set())
  const published: Uint8Array[] = []
  let reaches: number | Error = 1
  const topic: GossipTopic = {
    neighbours: neighbours.asReadonly(),
    publish: async (data) => {
      if (reaches instanceof Error) throw reaches
      published.push(data)
      return { recipients: reaches }
    },
    messages: () => () => {},
    close: async () => {},
  }
  const announcer = new Announcer({
    topic,
    policy: new AnnouncePolicy(
      { intervalMs: 15_000, jitter: 0, purgeAfterMs: 300_000, random: seededRandom('policy') },
      parts.clock.monotonic(),
    ),
    store: parts.store,
    clock: parts.clock,
    random: seededRandom('salt'),
    metrics: parts.metrics,
    logger: silentLogger,
  })
  const controller = new AbortController()
  const running = announcer.run(controller.signal).catch(() => {})
  return {
    ...parts,
    announcer,
    neighbours,
    published,
    reach: (value: number | Error) => (reaches = value),
    announcements: (): Announcement[] => published.map((bytes) => decodeAnnouncement(bytes)),
    count: (kind: string) => parts.registry.value('mosaik_discovery_announcements_total', { kind }) ?? 0,
    /** Lets time pass, and what is due happen. */
    pass: async (ms: number): Promise<void> => {
      await settle()
      parts.clock.advance(ms)
      await settle()
    },
    stop: async (): Promise<void> => {
      controller.abort(new Error('the test is over'))
      await running
    },
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn()
}

describe('announcer', () => {
  let it: ReturnType<typeof setup>
  beforeEach(() => {
    it = setup()
  })
  afterEach(() => it.stop())

  test('D-13: given changes while nobody is there, when the first neighbour appears, then it hears once what is true then', async () => {
    for (let i = 0; i < 20; i++) {
      it.store.change(() => ({ tags: [`tag-${i}`] }))
      await it.pass(1_000)
    }
    expect(it.published).toEqual([])
    it.neighbours.set(new Set([one]))
    await it.pass(200)
    expect(it.published).toHaveLength(1)
    const [{ record, content }] = it.announcements() as [Announcement]
    expect(parseRecord(record).stamp.update).toBe(it.store.catalog.value.me.version.update)
    expect(content).toEqual(
      it.store.contentOf(it.store.catalog.value.me.peer, parseRecord(record).content!.digest),
    )
    expect(it.count('entry')).toBe(1)
  })

  test('D-11: given a hundred changes in one turn, then they are one announcement; and a sign of life is a header alone', async () => {
    it.neighbours.set(new Set([one]))
    await it.pass(200)
    for (let i = 0; i < 100; i++) it.store.change(() => ({ tags: [`tag-${i}`] }))
    await it.pass(0)
    expect(it.published).toHaveLength(2)
    await it.pass(15_000)
    const [, news, sign] = it.announcements()
    expect(it.published).toHaveLength(3)
    expect(news?.content).toBeDefined()
    expect(sign?.content).toBeUndefined()
    expect(it.published[2]!.length).toBeLessThan(200)
    const [before, after] = [parseRecord(news!.record), parseRecord(sign!.record)]
    expect(after.content).toEqual(before.content)
    expect(after.stamp.update).toBe(before.stamp.update)
    expect(after.stamp.beat).toBeGreaterThan(before.stamp.beat)
  })

  test('D-4: given an entry that does not fit into a message, then its header alone is announced', async () => {
    it.store.change(() => ({ tags: ['x'.repeat(ANNOUNCEMENT_BYTES_MAX)] }))
    it.neighbours.set(new Set([one]))
    await it.pass(200)
    expect(it.announcements()).toEqual([{ record: it.store.ownRecord.bytes }])
  })

  test('given an announcement that reached nobody, or failed, then it is made again', async () => {
    it.reach(0)
    it.neighbours.set(new Set([one]))
    await it.pass(200)
    it.reach(new MosaikError('GOSSIP_CLOSED', 'gossip was closed'))
    await it.pass(1_000)
    expect(it.count('entry')).toBe(0)
    it.reach(1)
    await it.pass(1_000)
    expect(it.published).toHaveLength(2)
    expect(it.count('entry')).toBe(1)
    const records = it.announcements().map(({ record }) => parseRecord(record).digest)
    expect(new Set(records).size).toBe(2)
  })

  test('D-12: given neighbours that come, go and come back, then it is their real number that counts', async () => {
    it.neighbours.set(new Set([one, two]))
    it.neighbours.set(new Set())
    it.neighbours.set(new Set())
    await it.pass(60_000)
    expect(it.published).toEqual([])
    it.neighbours.set(new Set([two]))
    await it.pass(200)
    expect(it.published).toHaveLength(1)
  })

  test('given records that a sync has brought, then they are passed on as new messages with their age, a bounded number at once', async () => {
    const record = entryRecord('late', { run: NOW })
    await it.announcer.spread([{ record, ageMs: 1_500 }])
    await it.announcer.spread([{ record, ageMs: 1_500 }])
    expect(it.announcements()).toEqual(
      [1, 2].map(() => ({ record: record.bytes, content: record.content, ageMs: 1_500 })),
    )
    expect(it.published[0]).not.toEqual(it.published[1])
    await it.announcer.spread(manyRecords(100, NOW).map((late) => ({ record: late, ageMs: 0 })))
    expect(it.published).toHaveLength(2 + 32)
  })

  test('D-7: given a farewell, then it is later than anything that was announced', async () => {
    it.neighbours.set(new Set([one]))
    await it.pass(200)
    await it.announcer.depart(it.store.depart())
    const [announced, farewell] = it.announcements().map(({ record }) => parseRecord(record))
    expect(farewell).toMatchObject({ kind: 'departure' })
    expect(farewell!.stamp.update).toBeGreaterThan(announced!.stamp.beat)
    expect(it.count('departure')).toBe(1)
  })
})
