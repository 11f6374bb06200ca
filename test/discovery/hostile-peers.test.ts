import { describe, expect, test } from '@jest/globals'
import type { Host, Link } from '#framework/network'
import { bytesOf, encode, hashBytes } from '#framework/primitives'
import { encodeNews } from '../../framework/discovery/announcement.js'
import { syncProtocol } from '../../framework/discovery/sync/protocol.js'
import { eventually, within } from '../support/eventually.js'
import { TestNode, TestNodes } from './node.js'
import { departureRecord, entryRecord, manyRecords } from './support.js'

/** A fingerprint that no catalog has. */
const fingerprint = bytesOf(hashBytes(new Uint8Array([1])))

/** Opens a sync as a peer would, but without the protocol's limit on what it may send. */
async function openSync(stranger: Host, node: TestNode): Promise<Link> {
  const unlimited = { ...syncProtocol, frameBytesMax: 2 ** 24 }
  return stranger.open({ addresses: node.addresses }, unlimited, { payload: { fingerprint } })
}

async function rejected(node: TestNode, reason: string): Promise<void> {
  await eventually(() => node.metric('entries_rejected_total', { reason }) > 0)
}

describe('a peer that starts a catalog sync', () => {
  test.concurrent(
    'D-1, slow-loris sync: given peers that open syncs and say nothing, then others are served at once, and the silent are cut off',
    async () => {
      await using nodes = new TestNodes()
      const node = await nodes.add()
      await using silent = await TestNode.host()
      const links = await Promise.all([openSync(silent, node), openSync(silent, node)])

      const other = await nodes.add()
      await within(2_000, other.discovery.syncWith({ addresses: node.addresses }))
      expect(other.knows(node.peerId)).toBe(true)

      const reasons = await within(8_000, Promise.all(links.map(({ closed }) => closed)))
      expect(reasons.map(({ code }) => code)).toEqual([104, 104])
      expect(node.metric('syncs_total', { direction: 'inbound', result: 'timeout' })).toBe(2)
    },
  )

  test.concurrent(
    'given one peer that holds its share of sessions, then it gets no more, and closing the node does not wait for them',
    async () => {
      await using greedy = await TestNode.host()
      const node = await TestNode.start()
      await openSync(greedy, node)
      await openSync(greedy, node)
      await expect(openSync(greedy, node)).rejects.toMatchObject({ reason: { code: 10509 } })
      await within(3_000, node[Symbol.asyncDispose]())
    },
  )

  test.concurrent('given a peer that syncs again and again, then it is told to slow down', async () => {
    await using node = await TestNode.start()
    await using pushy = await TestNode.host()
    const codes: number[] = []
    for (let i = 0; i < 20; i++) {
      try {
        const link = await openSync(pushy, node)
        link.abort({ code: 102, name: 'Cancelled' })
        await link.closed
      } catch (error) {
        codes.push((error as { reason: { code: number } }).reason.code)
      }
    }
    expect(codes).toContain(429)
  })

  test.concurrent.each([
    ['garbage with its opening', { payload: { fingerprint: 'x' } }],
    ['nothing with its opening', {}],
    ['an entry for a goodbye', { payload: { departure: entryRecord('x').bytes } }],
    ['a goodbye that is not its own', { payload: { departure: departureRecord('x').bytes } }],
  ])('given %s, then it is refused with 400', async (_, options) => {
    await using node = await TestNode.start()
    await using stranger = await TestNode.host()
    await expect(stranger.open({ addresses: node.addresses }, syncProtocol, options)).rejects.toMatchObject({
      code: 'LINK_CLOSED',
      reason: { code: 400 },
    })
    expect(node.count).toBe(0)
  })

  test.concurrent.each([
    ['garbage', 400, { type: 'summaries', items: 'x', last: true }],
    ['a message out of turn', 400, { type: 'done' }],
    ['an oversized frame', 413, new Uint8Array(syncProtocol.frameBytesMax)],
  ])('given %s from it, then the link is closed, and the node goes on', async (_, code, message) => {
    await using nodes = new TestNodes()
    const node = await nodes.add()
    await using stranger = await TestNode.host()
    const link = await openSync(stranger, node)
    await Promise.allSettled([link.send(message)])
    expect(await within(3_000, link.closed)).toMatchObject({ code })
    const other = await nodes.add({ seeds: node.addresses })
    await within(3_000, other.discovery.when().peers(1).wait())
  })
})

describe('a peer that serves catalog syncs', () => {
  test.concurrent(
    'D-22, one bad record does not spoil a sync: given good ones among forged and malformed ones, then the good ones are taken in',
    async () => {
      await using node = await TestNode.start()
      await using liar = await TestNode.host()
      const now = Date.now()
      const [good, other, swapped] = [
        entryRecord('good', { run: now }),
        entryRecord('other', { run: now }),
        entryRecord('swapped', { run: now, tags: ['x'] }),
      ]
      const forged = entryRecord('forged', { run: now }).bytes.slice()
      forged[3] = (forged[3] ?? 0) ^ 1
      const records = [
        { record: good.bytes, content: good.content },
        { record: forged, content: good.content },
        { record: swapped.bytes, content: good.content },
        { record: new Uint8Array(20_000) },
        { record: new Uint8Array([1]) },
        { record: other.bytes, content: other.content },
      ]
      liar.handle(syncProtocol, async (link, accept) => {
        await accept({ fingerprint })
        await link.recv()
        await link.send({ type: 'wants', items: [], last: true })
        await link.send({
          type: 'records',
          items: records.map((record) => ({ ...record, ageMs: 0 })),
          last: true,
        })
        await link.recv()
        await link.send({ type: 'done' })
        await link.closed
      })
      await node.discovery.syncWith({ addresses: liar.addresses.value })
      expect([...node.discovery.catalog.value.peers.keys()].toSorted()).toEqual(
        [good.peer, other.peer].toSorted(),
      )
      for (const reason of ['signature', 'content', 'size', 'malformed']) await rejected(node, reason)
    },
  )

  test.concurrent(
    'given a peer that serves 10 000 forged records and more peers than there is room for, then memory stays bounded, and the network goes on',
    async () => {
      await using nodes = new TestNodes()
      const node = await nodes.add({ peersMax: 200 })
      const friend = await nodes.add({ seeds: node.addresses })
      await within(5_000, node.discovery.when().peers(1).wait())
      await using liar = await TestNode.host()
      const forged = entryRecord('forged', { run: Date.now() })
      const made = manyRecords(400, Date.now())
      // The node may sync with it of its own accord too, and once is enough.
      let pageCount = 10
      liar.handle(syncProtocol, async (link, accept) => {
        const pages = Array.from({ length: pageCount }).keys()
        pageCount = 0
        await accept({ fingerprint })
        await link.recv()
        await link.send({ type: 'wants', items: [], last: true })
        for (const page of pages) {
          const items = Array.from({ length: 1_000 }, (_, i) => {
            const record = forged.bytes.slice()
            new DataView(record.buffer).setUint32(0, page * 1_000 + i)
            return { record, content: forged.content, ageMs: 0 }
          })
          await link.send({ type: 'records', items: items.slice(0, 500), last: false })
          await link.send({ type: 'records', items: items.slice(500), last: false })
        }
        const items = made.map(({ bytes, content }) => ({ record: bytes, content, ageMs: 0 }))
        await link.send({ type: 'records', items, last: true })
        await link.recv()
        await link.send({ type: 'done' })
        await link.closed
      })
      const syncing = node.discovery.syncWith({ addresses: liar.addresses.value })
      // While it works through them it still hears others.
      friend.discovery.addTags('still here')
      await within(40_000, syncing)
      await within(5_000, node.discovery.when().tagged('still here').wait())
      await eventually(
        () => {
          expect(node.metric('entries_rejected_total', { reason: 'signature' })).toBeGreaterThanOrEqual(
            10_000,
          )
          expect(node.metric('entries_rejected_total', { reason: 'full' })).toBeGreaterThanOrEqual(400 - 199)
        },
        { timeoutMs: 40_000 },
      )
      expect(node.count).toBe(200)
      expect(node.knows(friend.peerId)).toBe(true)
    },
  )

  test.concurrent(
    'given a peer that accepts a sync and says nothing, then syncing with it fails in time',
    async () => {
      await using node = await TestNode.start()
      await using mute = await TestNode.host()
      mute.handle(syncProtocol, async (link, accept) => {
        await accept({ fingerprint })
        await link.closed
      })
      await expect(
        within(8_000, node.discovery.syncWith({ addresses: mute.addresses.value })),
      ).rejects.toMatchObject({ code: 'TIMEOUT' })
    },
  )

  test.concurrent(
    'given a sync that hangs, when its signal aborts, then it rejects with the reason',
    async () => {
      await using node = await TestNode.start()
      await using mute = await TestNode.host()
      const reasons: number[] = []
      let isAccepted = false
      mute.handle(syncProtocol, async (link, accept) => {
        await accept({ fingerprint })
        isAccepted = true
        reasons.push((await link.closed).code)
      })
      const controller = new AbortController()
      const syncing = node.discovery.syncWith(
        { addresses: mute.addresses.value },
        { signal: controller.signal },
      )
      await eventually(() => isAccepted)
      controller.abort(new Error('enough'))
      await expect(within(2_000, syncing)).rejects.toThrow('enough')
      await eventually(() => reasons.length > 0)
    },
  )
})

describe('a peer that gossips', () => {
  test('forged and replayed gossip: given both from a connected peer, then they are ignored and counted, and do not spread', async () => {
    await using nodes = new TestNodes()
    const node = await nodes.add()
    const witness = await nodes.add({ seeds: node.addresses })
    await within(5_000, node.discovery.when().peers(1).wait())
    await using hostile = await TestNode.host()
    const topic = hostile.gossip('announce/1', {
      validate: () => 'ignore',
      messageBytesMax: 64 * 1024,
    })
    await hostile.connect({ addresses: node.addresses })
    await eventually(() => topic.neighbours.value.size > 0)

    const now = Date.now()
    const forged = entryRecord('forged', { run: now }).bytes.slice()
    forged[3] = (forged[3] ?? 0) ^ 1
    await topic.publish(encodeNews(entryRecord('replayed', { run: now - 3_600_000 })))
    await topic.publish(encodeNews(entryRecord('ahead', { run: now + 3_600_000 })))
    await topic.publish(encode({ record: forged }))
    for (const reason of ['past', 'future', 'signature']) await rejected(node, reason)
    expect(node.count).toBe(1)

    const honest = entryRecord('honest', { run: now })
    await topic.publish(encodeNews(honest))
    await within(5_000, witness.discovery.when().peer(honest.peer).wait())
    expect(witness.count).toBe(2)
    for (const reason of ['past', 'future', 'signature']) {
      expect(witness.metric('entries_rejected_total', { reason })).toBe(0)
    }
  })
})
