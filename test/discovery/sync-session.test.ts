import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { linkPair, type Link } from '#framework/network'
import { bytesOf, type PeerId } from '#framework/primitives'
import { RecordReader } from '../../framework/discovery/record-reader.js'
import { compareRecords } from '../../framework/discovery/signed-record.js'
import { syncProtocol, type WireRecord } from '../../framework/discovery/sync/protocol.js'
import { runAcceptorSide, runOpenerSide } from '../../framework/discovery/sync/session.js'
import { SyncOffer, pagesOf } from '../../framework/discovery/sync/sync-plan.js'
import { within } from '../support/eventually.js'
import { NOW, departureRecord, entryRecord, identityOf, manyRecords, network, storeOf } from './support.js'

const signal = AbortSignal.any([])
/** A pair of links is open from the start. */
const accepted = () => Promise.resolve()

const thousand = manyRecords(1_000, NOW)

type Side = ReturnType<typeof storeOf> & {
  offer: SyncOffer
  takeIn: (records: readonly WireRecord[]) => void
  pages: number[]
  /** Whose contents have arrived. */
  contents: PeerId[]
}

/** One side of a sync: what `name` holds, and a naive way to take in what arrives. */
function side(
  name: string,
  records: readonly ReturnType<typeof entryRecord>[] | readonly ReturnType<typeof departureRecord>[] = [],
): Side {
  const parts = storeOf(name)
  const reader = new RecordReader(network)
  for (const record of records) parts.store.take(record, 'sync')
  const pages: number[] = []
  const contents: PeerId[] = []
  return {
    ...parts,
    pages,
    contents,
    offer: new SyncOffer(parts.store.ownRecord, parts.store.state.records, parts.clock.monotonic()),
    takeIn: (received) => {
      pages.push(received.length)
      for (const { record: bytes, content, ageMs } of received) {
        const header = reader.verify(reader.parse(bytes))
        const record = reader.complete(header, content, parts.store.state.records.get(header.peer)?.record)
        if (record) parts.store.takeAll([{ record, ageMs }], 'sync')
        if (content) contents.push(header.peer)
      }
    },
  }
}

function linksOf(opener: Side, acceptor: Side): [Link, Link] {
  return linkPair({
    protocol: syncProtocol,
    peerA: opener.store.catalog.value.me.peer,
    peerB: acceptor.store.catalog.value.me.peer,
    acceptPayload: { fingerprint: bytesOf(acceptor.offer.fingerprint) },
  })
}

async function sync(opener: Side, acceptor: Side): Promise<void> {
  const [a, b] = linksOf(opener, acceptor)
  await within(
    10_000,
    Promise.all([
      runOpenerSide({ link: a, offer: opener.offer, takeIn: opener.takeIn, signal }),
      runAcceptorSide(
        { link: b, offer: acceptor.offer, takeIn: acceptor.takeIn, signal },
        opener.offer.fingerprint,
        accepted,
      ),
    ]),
  )
}

/** The digests of all records a side holds, its own included. */
function held({ store }: Side): string[] {
  const others = [...store.state.records.values()].map(({ record }) => record.digest)
  return [store.ownRecord.digest, ...others].toSorted()
}

describe('a catalog sync', () => {
  test('given two that know nobody, then each learns of the other', async () => {
    const [a, b] = [side('a'), side('b')]
    await sync(a, b)
    expect(a.store.catalog.value.size).toBe(1)
    expect(held(a)).toEqual(held(b))
  })

  test('D-2: given one record of a peer on each side, then both have the later one, and only that has travelled', async () => {
    const older = entryRecord('x', { run: NOW, tags: ['old'] })
    const newer = entryRecord('x', { run: NOW, update: NOW + 1, tags: ['new'] })
    const shared = [entryRecord('y', { run: NOW }), entryRecord('z', { run: NOW })]
    const [a, b] = [side('a', [newer, ...shared]), side('b', [older, ...shared])]
    await sync(a, b)
    expect(held(a)).toEqual(held(b))
    // Beside that, each has sent its own record.
    expect([a.pages, b.pages]).toEqual([[1], [2]])
    expect(b.store.catalog.value.get(newer.peer)?.tags).toEqual(['new'])
  })

  test('D-2, D-11: given a later sign of life on either side, then its header travels, and the content that is known does not', async () => {
    const early = (name: string) => entryRecord(name, { run: NOW, tags: ['same'] })
    const late = (name: string) => entryRecord(name, { run: NOW, update: NOW, beat: NOW + 1, tags: ['same'] })
    const [a, b] = [side('a', [late('x'), early('y')]), side('b', [early('x'), late('y')])]
    await sync(a, b)
    expect(held(a)).toEqual(held(b))
    expect(a.contents).toEqual([identityOf('b').peerId])
    expect(b.contents).toEqual([identityOf('a').peerId])
  })

  test('D-16: given two contents of one version, or a farewell of the version of an entry, then both sides agree on one, and have its content', async () => {
    const stamp = { run: NOW, update: NOW + 1 }
    const records = [
      entryRecord('x', { ...stamp, tags: ['one'] }),
      entryRecord('x', { ...stamp, tags: ['other'] }),
      departureRecord('x', stamp),
    ]
    for (const ofA of records) {
      for (const ofB of records) {
        const [a, b] = [side('a', [ofA] as never), side('b', [ofB] as never)]
        await sync(a, b)
        expect(held(a)).toEqual(held(b))
        const [later] = [ofA, ofB].toSorted((p, q) => compareRecords(q, p))
        expect(held(a)).toContain(later!.digest)
      }
    }
  })

  test('given equal catalogs, then no record travels', async () => {
    const [a, b] = [side('a'), side('b')]
    await sync(a, b)
    const [again, other] = [refreshed(a), refreshed(b)]
    await sync(again, other)
    expect([...again.pages, ...other.pages]).toEqual([])
  })

  test('D-2, 1 000-entry sync paging: given a newcomer and a full catalog, then it arrives in pages below the frame limit', async () => {
    const [newcomer, full] = [side('newcomer'), side('full', thousand)]
    await sync(newcomer, full)
    expect(newcomer.store.catalog.value.size).toBe(1_001)
    expect(newcomer.pages.length).toBeGreaterThan(3)
    expect(newcomer.pages.reduce((sum, count) => sum + count)).toBe(1_001)
    expect(held(full)).toEqual(held(newcomer))
  })

  test('1 000-entry sync paging: given the full catalog on the opening side, then it arrives just so', async () => {
    const [full, newcomer] = [side('full', thousand), side('newcomer')]
    await sync(full, newcomer)
    expect(newcomer.store.catalog.value.size).toBe(1_001)
    expect(newcomer.pages.length).toBeGreaterThan(3)
  })

  test('D-6, departed peer not resurrected: given a third party that missed the departure, then the sync tells it', async () => {
    const [knows, missed] = [
      side('knows', [departureRecord('x', { run: NOW, update: NOW + 9 })]),
      side('missed', [entryRecord('x', { run: NOW })]),
    ]
    await sync(knows, missed)
    expect(knows.store.catalog.value.peers.has(identityOf('x').peerId)).toBe(false)
    expect(missed.store.catalog.value.peers.has(identityOf('x').peerId)).toBe(false)
    expect(missed.events).toContainEqual(expect.objectContaining({ type: 'departed', cause: 'graceful' }))
  })

  test('given a sign of life that one has heard some time ago, then the other knows how long ago', async () => {
    const a = side('a', [entryRecord('x', { run: NOW })])
    a.clock.advance(200_000)
    const b = side('b')
    await sync(refreshed(a), b)
    b.clock.advance(99_999)
    expect(b.store.catalog.value.peers.has(identityOf('x').peerId)).toBe(true)
    b.clock.advance(1)
    expect(b.store.catalog.value.peers.has(identityOf('x').peerId)).toBe(false)
  })

  test('converges: given any two catalogs, then both sides hold the same afterwards', async () => {
    const record = fc.record({
      name: fc.constantFrom('x', 'y', 'z'),
      update: fc.nat({ max: 3 }),
      departs: fc.boolean(),
    })
    const records = fc
      .array(record, { maxLength: 5 })
      .map((all) =>
        all.map(({ name, update, departs }) =>
          (departs ? departureRecord : entryRecord)(name, { run: NOW, update: NOW + update }),
        ),
      )
    await fc.assert(
      fc.asyncProperty(records, records, async (ofA, ofB) => {
        const [a, b] = [side('a', ofA as never), side('b', ofB as never)]
        await sync(a, b)
        expect(held(a)).toEqual(held(b))
      }),
      { numRuns: 30 },
    )
  })
})

describe('a side that does not play its part', () => {
  test('given an opener that sends garbage where summaries are due, then the acceptor closes with 400', async () => {
    const [a, b] = [side('a'), side('b')]
    const [bad, link] = linksOf(a, b)
    const served = runAcceptorSide(
      { link, offer: b.offer, takeIn: b.takeIn, signal },
      a.offer.fingerprint,
      accepted,
    )
    await bad.send({ type: 'summaries', items: [['x']], last: true })
    await expect(served).rejects.toMatchObject({ code: 'LINK_CLOSED' })
    expect(await bad.closed).toMatchObject({ code: 400 })
  })

  test('given an opener that goes away in the middle, then the acceptor is done with it', async () => {
    const [a, b] = [side('a'), side('b')]
    const [gone, link] = linksOf(a, b)
    const served = runAcceptorSide(
      { link, offer: b.offer, takeIn: b.takeIn, signal },
      a.offer.fingerprint,
      accepted,
    )
    gone.abort({ code: 102, name: 'Cancelled' })
    await expect(served).rejects.toMatchObject({ code: 'LINK_CLOSED' })
    expect(b.store.catalog.value.size).toBe(0)
  })

  test('given an opener that never comes to an end, then the acceptor stops listening', async () => {
    const [a, b] = [side('a'), side('b')]
    const [endless, link] = linksOf(a, b)
    const served = runAcceptorSide(
      { link, offer: b.offer, takeIn: b.takeIn, signal },
      a.offer.fingerprint,
      accepted,
    )
    const summary = [bytesOf(identityOf('x').peerId), 1, 1, 1, new Uint8Array(32), new Uint8Array(8)]
    const page = { type: 'summaries', items: Array.from({ length: 2_000 }, () => summary), last: false }
    const flood = (async () => {
      for (;;) await endless.send(page)
    })()
    await expect(within(10_000, served)).rejects.toMatchObject({ code: 'DISCOVERY_SYNC_TOO_LARGE' })
    await expect(flood).rejects.toMatchObject({ code: 'LINK_CLOSED' })
  })
})

test('given any items, then pages hold all of them in order, and only a single item may exceed the limit', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 })), (sizes) => {
      const pages = [...pagesOf(sizes, (size) => size, 10)]
      expect(pages.flat()).toEqual(sizes)
      expect(pages.length).toBeGreaterThan(0)
      for (const page of pages) {
        expect(page.length === 1 || page.reduce((sum, size) => sum + size, 0) <= 10).toBe(true)
      }
    }),
  )
})

/** The same side with an offer of what it holds now. */
function refreshed(one: Side): Side {
  const { store, clock } = one
  return {
    ...one,
    pages: [],
    contents: [],
    offer: new SyncOffer(store.ownRecord, store.state.records, clock.monotonic()),
  }
}
