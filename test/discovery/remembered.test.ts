import { mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { remembered, type RememberedOptions } from '#framework/discovery'
import type { DialTarget } from '#framework/network'
import { MetricsRegistry, Watch, digestOf, type PeerId } from '#framework/primitives'
import {
  mergeRemembered,
  readRemembered,
  rememberedFileIn,
  writeRemembered,
} from '../../framework/discovery/remembered-file.js'
import { eventually } from '../support/eventually.js'
import { recordingLogger } from '../support/recording-logger.js'
import { identityOf, network } from './support.js'

const DAY_MS = 24 * 60 * 60_000
const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => identityOf(name).peerId) as [
  PeerId,
  PeerId,
  PeerId,
]
const addressOf = (port: number) => `/ip4/127.0.0.1/udp/${port}/quic-v1`

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'remembered-'))
  file = rememberedFileIn(folder, network)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** What the source wants to know of a host. */
function fakeHost() {
  const connections = new Watch<ReadonlySet<PeerId>>(new Set())
  const addresses = new Map<PeerId, readonly string[]>()
  const metrics = new MetricsRegistry()
  const host = { network, connections, metrics, addressesOf: (peer: PeerId) => addresses.get(peer) ?? [] }
  const connect = (peer: PeerId, ...known: string[]): void => {
    addresses.set(peer, known)
    connections.set(new Set([...connections.value, peer]))
  }
  return { host, connect, connections, metrics }
}

/** Reads a source until it is stopped, as a connector does. */
function start(options: Partial<RememberedOptions> & Pick<RememberedOptions, 'host'>) {
  const found: DialTarget[] = []
  const stop = new AbortController()
  const reading = (async () => {
    for await (const target of remembered({ folder, ...options }).candidates(stop.signal)) found.push(target)
  })()
  reading.catch(() => {})
  const end = async (): Promise<void> => {
    stop.abort()
    await reading.catch(() => {})
  }
  return { found, end, [Symbol.asyncDispose]: end }
}

/** One life: connects with some, and ends. */
async function live(...peers: readonly (readonly [PeerId, ...string[]])[]): Promise<void> {
  const { host, connect } = fakeHost()
  await using _life = start({ host })
  for (const [peer, ...addresses] of peers) connect(peer, ...addresses)
}

async function writeFileOf(content: unknown): Promise<void> {
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
}

async function written(): Promise<{ peers: { peer: string; addresses: string[] }[] }> {
  return JSON.parse(await readFile(file, 'utf8')) as never
}

describe('peers that are remembered', () => {
  test('given a life with peers, then the next one has them as candidates, the addresses that worked first', async () => {
    await live([alice, addressOf(1), addressOf(2)], [bob, addressOf(3)])
    await using next = start(fakeHost())
    await eventually(() => expect(next.found).toHaveLength(2))
    expect(next.found).toEqual(
      expect.arrayContaining([
        { peer: alice, addresses: [addressOf(1), addressOf(2)] },
        { peer: bob, addresses: [addressOf(3)] },
      ]),
    )
  })

  test('given a peer that connects, then it is written soon, so that a killed node has it, and only the owner may read it', async () => {
    const { host, connect, metrics } = fakeHost()
    await using _life = start({ host })
    connect(alice, addressOf(1))
    await eventually(async () => expect((await written()).peers).toMatchObject([{ peer: alice }]))
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toHaveLength(1)
    expect(metrics.value('mosaik_discovery_remembered_peers')).toBe(1)
    expect(
      metrics.value('mosaik_discovery_remembered_files_total', { operation: 'write', result: 'ok' }),
    ).toBe(1)
  })

  test('given a life that meets nobody, then what was remembered stays', async () => {
    await live([alice, addressOf(1)])
    await live()
    expect((await written()).peers).toMatchObject([{ peer: alice }])
  })

  test('given peers without any address, then they are not remembered', async () => {
    await live([alice], [bob, addressOf(3)])
    expect((await written()).peers).toMatchObject([{ peer: bob }])
  })

  test('given two networks in one folder, then each has its own peers', async () => {
    await live([alice, addressOf(1)])
    const { host } = fakeHost()
    await using other = start({ host: { ...host, network: digestOf('other') } })
    await using same = start({ host })
    await eventually(() => expect(same.found).toHaveLength(1))
    expect(other.found).toEqual([])
  })

  test('given many writers at the same time, then whoever reads finds a whole file', async () => {
    const peers = Array.from({ length: 64 }, (_, i) => ({
      peer: identityOf(`peer ${i}`).peerId,
      addresses: [addressOf(i)],
      seenAtMs: Date.now(),
    }))
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        await writeRemembered(file, network, peers.slice(i))
        return (await readRemembered(file, network)).result
      }),
    )
    expect(new Set(results)).toEqual(new Set(['ok']))
    expect(await readdir(folder)).toHaveLength(1)
  })

  test('given two processes that share a folder, then in the end the file has what both have seen', async () => {
    const lives = [fakeHost(), fakeHost()]
    const started = lives.map(({ host }) => start({ host }))
    lives[0]!.connect(alice, addressOf(1))
    lives[1]!.connect(bob, addressOf(2))
    await started[0]!.end()
    await started[1]!.end()
    expect((await written()).peers.map(({ peer }) => peer).toSorted()).toEqual([alice, bob].toSorted())
  })

  test('given drafts that a killed process has left behind, then the old ones are removed', async () => {
    const old = `${file}.old`
    await writeFile(old, '{')
    await utimes(old, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000))
    await writeFile(`${file}.new`, '{')
    await using life = start(fakeHost())
    await eventually(async () =>
      expect(await readdir(folder)).toEqual([`${file}.new`.slice(folder.length + 1)]),
    )
    expect(life.found).toEqual([])
  })

  const entry = { peer: alice, addresses: [addressOf(1)], seenAtMs: Date.now() }
  test.each([
    ['torn', '{"version":1,"netw'],
    ['garbage', '\u0000\u0001'],
    ['empty', ''],
    ['of a later version', { version: 2, network, peers: [entry] }],
    ['of another network', { version: 1, network: digestOf('other'), peers: [entry] }],
    ['with a peer that is none', { version: 1, network, peers: [{ ...entry, peer: 'x' }] }],
    ['far too long', `{"x":"${'x'.repeat(1024 * 1024)}"}`],
  ])('given a file that is %s, then it is reported once, ignored, and replaced', async (_, content) => {
    await writeFileOf(content)
    const lines: string[] = []
    const { host, connect, metrics } = fakeHost()
    const life = start({ host, logger: recordingLogger(lines) })
    connect(bob, addressOf(2))
    await life.end()
    expect(life.found).toEqual([])
    expect(lines).toEqual(['warn: a file of remembered peers is ignored'])
    expect(
      metrics.value('mosaik_discovery_remembered_files_total', { operation: 'read', result: 'invalid' }),
    ).toBeGreaterThan(0)
    expect((await written()).peers).toMatchObject([{ peer: bob }])
  })

  test('given a folder that cannot be written, then that is reported once and counted, and nothing else happens', async () => {
    await rm(folder, { recursive: true })
    await writeFile(folder, 'a file in its place')
    const lines: string[] = []
    const { host, connect, metrics } = fakeHost()
    const life = start({ host, logger: recordingLogger(lines) })
    connect(alice, addressOf(1))
    await life.end()
    expect(lines).toHaveLength(1)
    expect(
      metrics.value('mosaik_discovery_remembered_files_total', { operation: 'write', result: 'failed' }),
    ).toBe(1)
  })

  test('given a folder that is not there, then it is made, for its owner alone', async () => {
    const deep = join(folder, 'a', 'b')
    const { host, connect } = fakeHost()
    const life = start({ host, folder: deep })
    connect(alice, addressOf(1))
    await life.end()
    expect((await stat(deep)).mode & 0o777).toBe(0o700)
  })

  test('D-26: given options that make no sense, then it says which', () => {
    const { host } = fakeHost()
    for (const [option, value] of Object.entries({ folder: '', peersMax: 0, maxAgeMs: Number.NaN })) {
      expect(() => remembered({ host, folder, [option]: value })).toThrow(
        expect.objectContaining({ code: 'DISCOVERY_OPTION_INVALID', details: { option, value } }),
      )
    }
  })
})

describe('joining what is remembered', () => {
  const limits = { peersMax: 2, maxAgeMs: 30 * DAY_MS }
  const now = 100 * DAY_MS
  const seen = (peer: PeerId, daysAgo: number, port = 1) => ({
    peer,
    addresses: [addressOf(port)],
    seenAtMs: now - daysAgo * DAY_MS,
  })

  test('given sightings of one peer, then the latest counts', () => {
    expect(
      mergeRemembered([[seen(alice, 2, 2)], [seen(alice, 1, 1), seen(alice, 3, 3)]], limits, now),
    ).toEqual([seen(alice, 1, 1)])
  })

  test('given more peers than are remembered, then the latest are', () => {
    const merged = mergeRemembered([[seen(alice, 3), seen(bob, 1)], [seen(carol, 2)]], limits, now)
    expect(merged.map(({ peer }) => peer)).toEqual([bob, carol])
  })

  test('given a peer that was seen a month ago, then it is forgotten', () => {
    expect(mergeRemembered([[seen(alice, 30), seen(bob, 29)]], limits, now)).toEqual([seen(bob, 29)])
  })

  test('given a sighting from the future, then it counts as of now, so that it is forgotten one day', () => {
    expect(mergeRemembered([[seen(alice, -1_000)]], limits, now)).toEqual([seen(alice, 0)])
  })
})
