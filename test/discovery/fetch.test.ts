import { describe, expect, test } from '@jest/globals'
import type { GossipTopic, Host } from '#framework/network'
import { digestOf, type PeerId } from '#framework/primitives'
import { decodeAnnouncement, encodeNews, encodeWhole } from '../../framework/discovery/announcement.js'
import { fetchProtocol, requestToWire } from '../../framework/discovery/fetch/protocol.js'
import { parseRecord, type EntryRecord } from '../../framework/discovery/signed-record.js'
import { eventually, within } from '../support/eventually.js'
import { TestNode, TestNodes } from './node.js'
import { entryRecord, identityOf, offerOf } from './support.js'

const streams = Array.from({ length: 200 }, (_, i) => offerOf(`stream-${i}`))
const tickets = Array.from({ length: 10 }, (_, i) => ({
  class: digestOf('jwt'),
  data: new Uint8Array(1024).fill(i),
}))

/** Rounds of catalog syncs would bring what the tests want to see fetched. */
const quiet = { meshPeers: 0, syncIntervalMs: 3_600_000, announceIntervalMs: 3_600_000 }

/** An entry too large for a gossip message. */
function largeRecord(name: string): ReturnType<typeof entryRecord> {
  return entryRecord(name, { run: Date.now(), tags: ['large', 'x'.repeat(6_000)] })
}

/** Somebody who takes part in gossip, and in nothing else. */
async function gossiper(host: Host, node: TestNode): Promise<{ topic: GossipTopic; heard: PeerId[] }> {
  const heard: PeerId[] = []
  const topic = host.gossip('announce/1', {
    validate: (data) => {
      heard.push(parseRecord(decodeAnnouncement(data).record).peer)
      return 'ignore'
    },
    messageBytesMax: 4 * 1024,
  })
  await host.connect({ addresses: node.addresses })
  await eventually(() => topic.neighbours.value.size > 0)
  return { topic, heard }
}

function request(asker: Host, node: TestNode, { peer, contentDigest }: EntryRecord) {
  return asker.open({ addresses: node.addresses }, fetchProtocol, {
    payload: requestToWire(peer, contentDigest),
  })
}

describe('entries larger than a gossip message', () => {
  test('D-4, oversize entry: given 200 streams and 10 tickets of 1 KiB, when a node offers them, then also those that are connected through others learn them by gossip', async () => {
    await using nodes = new TestNodes()
    const author = await nodes.add(quiet)
    const middle = await nodes.add({ ...quiet, seeds: author.addresses })
    const far = await nodes.add({ ...quiet, seeds: middle.addresses })
    await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(2).wait())))

    author.discovery.update(() => ({ produces: streams, tickets, tags: ['large'] }))
    await within(5_000, far.discovery.when().tagged('large').wait())
    expect(far.discovery.catalog.value.get(author.peerId)).toEqual(author.discovery.me)
    await eventually(() =>
      expect(far.events).toContainEqual({ type: 'updated', entry: author.discovery.me, via: 'gossip' }),
    )
    // The author was asked by its neighbour alone, and that has served the next.
    expect(author.metric('fetches_total', { direction: 'inbound', result: 'ok' })).toBe(1)
    expect(middle.metric('fetches_total', { direction: 'inbound', result: 'ok' })).toBe(1)
  })

  test('D-4: given a content that nobody serves, then its header is passed on all the same, and the failure is counted', async () => {
    await using nodes = new TestNodes()
    const node = await nodes.add(quiet)
    await using witness = await TestNode.host()
    await using mute = await TestNode.host()
    const { heard } = await gossiper(witness, node)
    const { topic } = await gossiper(mute, node)
    const record = largeRecord('nobody serves it')
    await topic.publish(encodeNews(record))
    await eventually(() => expect(heard).toContain(record.peer))
    await eventually(() => node.metric('fetches_total', { direction: 'outbound', result: 'failed' }) > 1)
    expect(node.knows(record.peer)).toBe(false)
  })

  test.each([
    ['another content', { content: new Uint8Array([1, 2, 3]) }],
    ['garbage', { content: 'x' }],
    ['nothing', undefined],
  ])(
    'given a peer that hands on a header and answers with %s, then the author is asked',
    async (_, answer) => {
      await using nodes = new TestNodes()
      const identity = identityOf('author')
      const node = await nodes.add(quiet)
      await using author = await TestNode.host({ identity })
      await using liar = await TestNode.host()
      const record = largeRecord('author')
      const asked: string[] = []
      liar.handle(fetchProtocol, async (link, accept) => {
        asked.push('liar')
        await accept(answer)
        await link.closed
      })
      author.handle(fetchProtocol, async (link, accept) => {
        asked.push('author')
        await accept({ content: record.content })
        await link.closed
      })
      await author.connect({ addresses: node.addresses })
      const { topic } = await gossiper(liar, node)
      await topic.publish(encodeNews(record))
      await within(5_000, node.discovery.when().tagged('large').wait())
      expect(asked).toEqual(['liar', 'author'])
      expect(node.discovery.catalog.value.get(record.peer)).toEqual(record.entry)
    },
  )
})

describe('serving contents', () => {
  test('given what a node says and what it holds, then both are handed out; anything else is not found', async () => {
    await using nodes = new TestNodes()
    const node = await nodes.add({ tags: ['own'] })
    await using asker = await TestNode.host()
    const held = largeRecord('held')
    expect(node.discovery.feed(encodeWhole(held))).toBe(true)
    const link = await request(asker, node, held)
    expect(link.acceptPayload).toEqual({ content: held.content })

    await expect(request(asker, node, largeRecord('unknown'))).rejects.toMatchObject({
      reason: { code: 404 },
    })
    const outdated = entryRecord('held', { run: 1, tags: ['before'] })
    await expect(request(asker, node, outdated)).rejects.toMatchObject({ reason: { code: 404 } })
    await expect(
      asker.open({ addresses: node.addresses }, fetchProtocol, { payload: { peer: 'x' } }),
    ).rejects.toMatchObject({ reason: { code: 400 } })
  })

  test('given a content that is still on its way to a node, when it is asked for it, then the asker waits for it', async () => {
    await using nodes = new TestNodes()
    const node = await nodes.add(quiet)
    await using slow = await TestNode.host()
    await using asker = await TestNode.host()
    const record = largeRecord('on its way')
    const asked = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    slow.handle(fetchProtocol, async (link, accept) => {
      asked.resolve()
      await Promise.race([released.promise, link.closed])
      await accept({ content: record.content })
      await link.closed
    })
    const { topic } = await gossiper(slow, node)
    await topic.publish(encodeNews(record))
    await within(5_000, asked.promise)
    const answer = request(asker, node, record)
    const ofFetch = { protocol: fetchProtocol.id }
    await eventually(() => node.host.metrics.value('mosaik_links_open', ofFetch) === 1)
    released.resolve()
    expect((await within(3_000, answer)).acceptPayload).toEqual({ content: record.content })
  })

  test('given a peer that asks for more than it may, then it is told to slow down, and others are served', async () => {
    await using nodes = new TestNodes()
    const node = await nodes.add()
    await using greedy = await TestNode.host()
    await using modest = await TestNode.host()
    const codes: number[] = []
    for (let i = 0; i < 80; i++) {
      await request(greedy, node, entryRecord('unknown')).catch((error: { reason: { code: number } }) =>
        codes.push(error.reason.code),
      )
    }
    expect(codes.slice(0, 64).every((code) => code === 404)).toBe(true)
    expect(codes.slice(64)).toContain(429)
    expect(node.metric('fetches_total', { direction: 'inbound', result: 'rate' })).toBeGreaterThan(0)
    await expect(request(modest, node, entryRecord('unknown'))).rejects.toMatchObject({
      reason: { code: 404 },
    })
  })
})
