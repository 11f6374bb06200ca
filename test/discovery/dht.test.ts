import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { Discovery, dht, type DhtOptions } from '#framework/discovery'
import { Host, Identity, NetworkKey, type DialTarget } from '#framework/network'
import {
  MetricsRegistry,
  Watch,
  digestOf,
  randomDigest,
  systemClock,
  systemRandom,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import {
  SLOTS,
  epochAt,
  epochSeeds,
  slotKey,
  slotRoot,
  slotSeeds,
} from '../../framework/discovery/dht/slot-keys.js'
import { SlotCodec, type SlotRecord } from '../../framework/discovery/dht/slot-record.js'
import { Bep44Client } from '../../framework/discovery/dht/bep44-client.js'
import { DhtTestnet } from '../support/dht-testnet.js'
import { eventually, within } from '../support/eventually.js'
import { freeUdpPort } from '../support/multicast.js'
import { recordingLogger } from '../support/recording-logger.js'

const SECRET = 'the secret of the closed network'
const UNBEATABLE = Number.MAX_SAFE_INTEGER

type NodeOptions = Partial<Omit<DhtOptions, 'host'>> & {
  readonly network?: NetworkId
  readonly secret?: string
  readonly identity?: Identity
  /** Read the source without discovery, so that nothing else connects. */
  readonly alone?: boolean
}

/** A host on loopback that finds others by the DHT of a test network, quickly. */
class DhtNode implements AsyncDisposable {
  readonly found: DialTarget[] = []
  readonly #stack = new AsyncDisposableStack()

  private constructor(
    readonly host: Host,
    readonly discovery: Discovery | undefined,
  ) {}

  static async start(testnet: Pick<DhtTestnet, 'bootstrap'>, options: NodeOptions): Promise<DhtNode> {
    const { network = digestOf('dht tests'), secret, identity, alone = false, ...more } = options
    const host = await Host.start({
      network,
      listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
      ...(secret !== undefined && { secret }),
      ...(identity !== undefined && { identity }),
    })
    const source = dht({
      host,
      bootstrap: testnet.bootstrap,
      bind: '127.0.0.1',
      addressScope: 'all',
      isolatedPollMs: 150,
      pollMs: 600,
      checkTimeoutMs: 1_000,
      ...more,
    })
    const discovery = alone ? undefined : await Discovery.start({ host, bootstrap: [source] })
    const node = new DhtNode(host, discovery)
    node.#stack.use(host)
    if (discovery !== undefined) node.#stack.use(discovery)
    else node.#read(source)
    return node
  }

  get root() {
    return slotRoot(this.host)
  }

  metric(name: string, labels?: Record<string, string>): number {
    return this.host.metrics.value(`mosaik_discovery_dht_${name}`, labels) ?? 0
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }

  #read(source: ReturnType<typeof dht>): void {
    const controller = new AbortController()
    const reading = (async () => {
      try {
        for await (const target of source.candidates(controller.signal)) this.found.push(target)
      } catch {
        // Aborted below.
      }
    })()
    this.#stack.defer(async () => {
      controller.abort()
      await reading
    })
  }
}

/** Several nodes of one network, closed together. */
class DhtNodes implements AsyncDisposable {
  readonly all: DhtNode[] = []

  static async start(testnet: DhtTestnet, count: number, options: NodeOptions): Promise<DhtNodes> {
    const nodes = new DhtNodes()
    await Promise.all(Array.from({ length: count }, () => nodes.add(testnet, options)))
    return nodes
  }

  async add(testnet: DhtTestnet, options: NodeOptions): Promise<DhtNode> {
    const node = await DhtNode.start(testnet, options)
    this.all.push(node)
    return node
  }

  /** Each knows all others. */
  async meet(): Promise<void> {
    const others = this.all.length - 1
    await within(12_000, Promise.all(this.all.map(({ discovery }) => discovery!.when().peers(others))))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((node) => node[Symbol.asyncDispose]()))
  }
}

function aNetwork(): NetworkId {
  return randomDigest(systemRandom)
}

/** The slots that a network of that name has, when it is open; then those of the hour, and of the one before. */
function slotsOf(network: NetworkId): { key: Identity; codec: SlotCodec }[] {
  const root = slotRoot(new NetworkKey(network))
  const epoch = epochAt(Date.now())
  const seeds = [...slotSeeds(root), ...[epoch, epoch - 1].flatMap((each) => epochSeeds(root, each))]
  return seeds.map((seed) => {
    const key = slotKey(seed)
    return { key, codec: new SlotCodec(key.peerId, root) }
  })
}

function recordOf(addresses: readonly string[]): Omit<SlotRecord, 'peer'> {
  return { startedAtMs: Date.now(), publishedAtMs: Date.now(), addresses }
}

/** Looking up sixteen slots is work: the more nodes of one process do it, the more seldom each. */
function leisurely(nodeCount: number): NodeOptions {
  return { isolatedPollMs: 60 * nodeCount, pollMs: 240 * nodeCount }
}

describe('dht::auto_bootstrap', () => {
  test.each([2, 3, 5, 10])(
    'given %i nodes that know nothing but the name of their network, then each finds all others',
    async (count) => {
      await using testnet = await DhtTestnet.start()
      await using nodes = await DhtNodes.start(testnet, count, { network: aNetwork(), ...leisurely(count) })
      await nodes.meet()
    },
  )

  test('D-23: given more nodes than there are slots, then each finds all others', async () => {
    await using testnet = await DhtTestnet.start()
    await using nodes = await DhtNodes.start(testnet, 17, {
      network: aNetwork(),
      ...leisurely(17),
    })
    await nodes.meet()
  })

  test('given two networks, one closed, of one name, then nobody finds nodes of the other', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    await using open = await DhtNodes.start(testnet, 2, { network })
    await using closed = await DhtNodes.start(testnet, 2, { network, secret: SECRET })
    await Promise.all([open.meet(), closed.meet()])
    expect(closed.all[0]!.root).not.toBe(open.all[0]!.root)
    for (const node of [...open.all, ...closed.all]) {
      expect(node.discovery!.catalog.value.size).toBe(1)
      expect(node.metric('checks_total', { result: 'failed' })).toBe(0)
      expect(node.metric('lookups_total', { found: 'unreadable' })).toBe(0)
    }
  })
})

describe('slots that others hold', () => {
  test.each([16, UNBEATABLE])(
    'D-9: given garbage in every slot, of sequence number %d, then two nodes find each other',
    async (seq) => {
      await using testnet = await DhtTestnet.start()
      const network = aNetwork()
      for (const { key } of slotsOf(network).slice(0, SLOTS)) {
        await testnet.put(key, systemRandom.bytes(200), seq)
      }
      await using nodes = await DhtNodes.start(testnet, 2, { network })
      await nodes.meet()
      const contested = nodes.all.map((node) => node.metric('contested_polls_total'))
      // Where numbers end there is no place left, and the slots of the epoch have to do.
      expect(Math.max(...contested) > 0).toBe(seq === UNBEATABLE)
    },
  )

  test('D-9: given slots that are all held, and a member in one of the hour before, then it is found there', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    const slots = slotsOf(network)
    for (const { key } of slots.slice(0, SLOTS)) await testnet.put(key, systemRandom.bytes(200), UNBEATABLE)
    await using member = await Host.start({ network, listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
    const addresses = member.addresses.value.map((address) => address.replace(/\/p2p\/.*/, ''))
    const { key, codec } = slots.at(-1)!
    await testnet.put(key, codec.seal(member.identity, recordOf(addresses), systemRandom), Date.now())
    await using node = await DhtNode.start(testnet, { network, alone: true })
    await eventually(() => node.found.length > 0)
    expect(node.found[0]!.peer).toBe(member.peerId)
  })

  test('D-9: given somebody who writes over every slot all the time, then two nodes find each other', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    const slots = slotsOf(network).slice(0, SLOTS)
    const stop = new AbortController()
    const squat = async (): Promise<void> => {
      for (let seq = Date.now() + 1e6; !stop.signal.aborted; seq += 100) {
        await Promise.allSettled(slots.map(({ key }) => testnet.put(key, systemRandom.bytes(200), seq)))
      }
    }
    const squatting = squat()
    try {
      await using nodes = await DhtNodes.start(testnet, 2, { network })
      await nodes.meet()
    } finally {
      stop.abort()
      await squatting
    }
  })

  test('D-9: given hosts of another network, which know our name and answer, in every slot, then two nodes find each other', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    await using stranger = await Host.start({ network: aNetwork(), listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
    const addresses = stranger.addresses.value.map((address) => address.replace(/\/p2p\/.*/, ''))
    for (const { key, codec } of slotsOf(network).slice(0, SLOTS)) {
      await testnet.put(key, codec.seal(stranger.identity, recordOf(addresses), systemRandom), Date.now())
    }
    await using nodes = await DhtNodes.start(testnet, 2, { network })
    await nodes.meet()
    for (const { host } of nodes.all) expect(host.connections.value).not.toContain(stranger.peerId)
  })

  test('D-9, D-10: given sixteen occupants that are mute, then they are tried together, and two nodes find each other', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    const sockets = await Promise.all(Array.from({ length: SLOTS }, () => muteSocket()))
    try {
      for (const [index, { key, codec }] of slotsOf(network).slice(0, SLOTS).entries()) {
        const addresses = [`/ip4/127.0.0.1/udp/${sockets[index]!.address().port}/quic-v1`]
        await testnet.put(key, codec.seal(Identity.random(), recordOf(addresses), systemRandom), Date.now())
      }
      const startedAt = performance.now()
      await using nodes = await DhtNodes.start(testnet, 2, { network, checkTimeoutMs: 400 })
      await nodes.meet()
      // One after the other, they would take 6.4 s each time, and two times are needed.
      expect(performance.now() - startedAt).toBeLessThan(6_400)
    } finally {
      for (const socket of sockets) socket.close()
    }
  })

  test('D-33: given an occupant that gives the address of a member for its own, then it does not count as alive', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    await using member = await Host.start({ network, listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
    const addresses = member.addresses.value.map((address) => address.replace(/\/p2p\/.*/, ''))
    const [slot] = slotsOf(network)
    const liar = Identity.random()
    await testnet.put(slot!.key, slot!.codec.seal(liar, recordOf(addresses), systemRandom), Date.now())
    await using node = await DhtNode.start(testnet, { network, alone: true })
    await eventually(() => node.metric('checks_total', { result: 'failed' }) > 0)
    expect(node.found).toEqual([])
    expect(node.metric('checks_total', { result: 'ok' })).toBe(0)
  })

  test('given a member that was there before, when a node comes that is alone, then its candidate is connected already', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    await using first = await DhtNode.start(testnet, { network, alone: true })
    await eventually(() => first.metric('publications_total', { result: 'ok' }) > 0)
    await using second = await DhtNode.start(testnet, { network, alone: true })
    await eventually(() => second.found.length > 0)
    expect(second.found[0]!.peer).toBe(first.host.peerId)
    expect(second.host.connections.value).toContain(first.host.peerId)
  })

  test('given a member that comes back at another address, then it is found there, in the slot that it had', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    const identity = Identity.random()
    const slots = slotsOf(network)
    const occupied = async (): Promise<number> => {
      const items = await Promise.all(slots.map(({ key }) => testnet.get(key)))
      return items.filter((item) => item !== undefined).length
    }
    for (const life of [1, 2]) {
      await using node = await DhtNode.start(testnet, { network, identity, alone: true })
      await eventually(() => node.metric('publications_total', { result: 'ok' }) > 0)
      expect(await occupied()).toBe(1)
      if (life === 1) continue
      await using other = await DhtNode.start(testnet, { network, alone: true })
      await eventually(() => other.found.some(({ peer }) => peer === node.host.peerId))
    }
  })
})

describe('limits', () => {
  test('given sixteen members and a node that is alone, then it tries eight at a time, no more once it has found some, and what waits for too long is lost', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    for (const { key, codec } of slotsOf(network).slice(0, SLOTS)) {
      const record = recordOf(['/ip4/93.184.216.34/tcp/4001'])
      await testnet.put(key, codec.seal(Identity.random(), record, systemRandom), Date.now())
    }
    const identity = Identity.random()
    const metrics = new MetricsRegistry()
    const gate = Promise.withResolvers<void>()
    let dials = 0
    const host = {
      identity,
      peerId: identity.peerId,
      addresses: new Watch<readonly string[]>([]),
      // As if each connection were lost again at once.
      connections: new Watch<ReadonlySet<PeerId>>(new Set()),
      connect: async ({ peer }: DialTarget) => {
        dials++
        await gate.promise
        return peer!
      },
      metrics,
      rendezvousSeed: new NetworkKey(network).rendezvousSeed,
    }
    const source = dht({
      host,
      bootstrap: testnet.bootstrap,
      bind: '127.0.0.1',
      isolatedPollMs: 20,
      pollMs: 30,
    })
    const controller = new AbortController()
    const candidates = source.candidates(controller.signal)[Symbol.asyncIterator]()
    const first = candidates.next()
    const value = (name: string): number => metrics.value(`mosaik_discovery_dht_${name}`) ?? 0
    await eventually(() => dials === 8)
    gate.resolve()
    expect((await first).done).toBe(false)
    await eventually(() => value('lost_candidates_total') > 0)
    // One was taken, and 64 wait.
    const found = metrics.value('mosaik_discovery_dht_checks_total', { result: 'ok' }) ?? 0
    expect(found - value('lost_candidates_total')).toBe(65)
    const polls = (metrics.value('mosaik_discovery_dht_lookups_total', { found: 'record' }) ?? 0) / SLOTS
    // The first and the second of the eight that are found make room for one more each.
    expect(dials).toBeLessThanOrEqual(10 * polls)
    controller.abort()
    await expect(candidates.next()).rejects.toThrow()
  })
})

describe('what is told to the DHT', () => {
  test('D-8: given a node with addresses of this machine only, when nothing else is asked for, then nothing is published', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    const log: string[] = []
    await using node = await DhtNode.start(testnet, {
      network,
      alone: true,
      addressScope: 'public',
      logger: recordingLogger(log),
    })
    await eventually(() => node.metric('lookups_total', { found: 'empty' }) >= 3 * SLOTS)
    expect(node.metric('publications_total')).toBe(0)
    expect(log.filter((line) => line.startsWith('warn'))).toHaveLength(1)
    for (const { key } of slotsOf(network)) expect(await testnet.get(key)).toBeUndefined()
  })

  test('given addresses to announce, then these are published, and not those of the host', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    const announce = ['/dns4/seed.example/udp/4001/quic-v1', '/ip4/10.0.0.1/tcp/4001']
    await using node = await DhtNode.start(testnet, {
      network,
      alone: true,
      announce,
      addressScope: 'public',
    })
    await eventually(() => node.metric('publications_total', { result: 'ok' }) > 0)
    const records = await Promise.all(
      slotsOf(network).map(async ({ key, codec }) => {
        const item = await testnet.get(key)
        return item && codec.open(item.value, 'all')
      }),
    )
    expect(records.find((record) => record !== undefined)?.addresses).toEqual(announce.slice(0, 1))
  })

  test('D-8: given a node that is published, then what is stored shows neither its peer id nor its address', async () => {
    await using testnet = await DhtTestnet.start()
    const network = aNetwork()
    await using node = await DhtNode.start(testnet, { network, alone: true })
    await eventually(() => node.metric('publications_total', { result: 'ok' }) > 0)
    const items = await Promise.all(slotsOf(network).map(({ key }) => testnet.get(key)))
    const [item] = items.filter((each) => each !== undefined)
    expect(item!.value.includes(Buffer.from(node.host.peerId, 'hex'))).toBe(false)
    expect(item!.value.includes('127.0.0.1')).toBe(false)
    expect(item!.value.length).toBeLessThanOrEqual(996)
  })
})

describe('the client of the DHT', () => {
  test('D-32: given a port that cannot be had, when it is free again, then the source takes part after all', async () => {
    await using testnet = await DhtTestnet.start()
    const blocker = await muteSocket()
    const log: string[] = []
    const { port } = blocker.address()
    await using node = await DhtNode.start(testnet, {
      network: aNetwork(),
      alone: true,
      port,
      logger: recordingLogger(log),
    })
    await eventually(() => node.metric('client_starts_total', { result: 'failed' }) >= 1)
    expect(node.metric('publications_total')).toBe(0)
    blocker.close()
    await eventually(() => node.metric('publications_total', { result: 'ok' }) > 0)
    expect(node.metric('client_starts_total', { result: 'ok' })).toBe(1)
    expect(log.filter((line) => line.startsWith('warn'))).toHaveLength(1)
  })

  test('D-32: given that no node of the DHT answers, when one does, then the source takes part after all', async () => {
    const port = await freeUdpPort()
    const nowhere = { bootstrap: [`127.0.0.1:${port}`] }
    const log: string[] = []
    await using node = await DhtNode.start(nowhere, {
      network: aNetwork(),
      alone: true,
      logger: recordingLogger(log),
    })
    await eventually(() => node.metric('lookups_total', { found: 'unknown' }) >= SLOTS)
    expect(node.metric('lookups_total', { found: 'empty' })).toBe(0)
    expect(node.metric('publications_total')).toBe(0)
    expect(log.filter((line) => line.startsWith('warn'))).toHaveLength(1)
    await using _testnet = await DhtTestnet.start(port)
    await eventually(() => node.metric('publications_total', { result: 'ok' }) > 0)
  })

  test('given a client that asks, then it says that it answers nothing (BEP 43)', async () => {
    const mute = await muteSocket()
    const asked = once(mute, 'message') as Promise<[Buffer]>
    await using client = await Bep44Client.open({
      bootstrap: [`127.0.0.1:${mute.address().port}`],
      port: 0,
      bind: '127.0.0.1',
      onPacket: () => undefined,
    })
    expect(client.nodes).toBe(0)
    const [packet] = await within(5_000, asked)
    expect(packet.toString('latin1')).toMatch(/^d1:ad2:id20:.{20}.*e1:q\d+:\w+2:roi1e1:t2:..1:y1:qe$/s)
    mute.close()
  })

  test('given packets that end the library, when they arrive, then nothing ends, and they are counted', async () => {
    await using testnet = await DhtTestnet.start()
    const port = await freeUdpPort()
    await using node = await DhtNode.start(testnet, { network: aNetwork(), alone: true, port })
    await eventually(() => node.metric('publications_total', { result: 'ok' }) > 0)
    const socket = await muteSocket()
    const id = 'a'.repeat(20)
    const packets = [
      // A query, with its keys in order: not for us.
      `d1:ad2:id20:${id}5:tokeni1e1:v1:xe1:q3:put1:t2:aa1:y1:qe`,
      // The same in another order, which the library reads, and throws.
      `d1:y1:q1:t2:aa1:q3:put1:ad2:id20:${id}5:tokeni1e1:v1:xee`,
      `d1:rd2:id20:${id}e1:t2:zz1:y1:re`,
      'x'.repeat(5_000),
    ]
    try {
      for (const packet of packets) socket.send(packet, port, '127.0.0.1')
      for (const result of ['query', 'failed', 'oversized']) {
        await eventually(() => node.metric('packets_total', { result }) > 0)
      }
    } finally {
      socket.close()
    }
    const published = node.metric('lookups_total', { found: 'record' })
    await eventually(() => node.metric('lookups_total', { found: 'record' }) > published)
  })

  test('D-10: given a value, when it is written with a number that has passed, then the client says which of the two it is', async () => {
    await using testnet = await DhtTestnet.start()
    await using client = await Bep44Client.open({
      bootstrap: testnet.bootstrap,
      port: 0,
      bind: '127.0.0.1',
      onPacket: () => undefined,
    })
    const key = Identity.random()
    const signal = AbortSignal.timeout(10_000)
    const value = Buffer.from('value')
    expect(await client.get(key.peerId, signal)).toBeUndefined()
    await client.put(key, { value, seq: 5, cas: 0 }, signal)
    await expect(client.put(key, { value, seq: 6, cas: 0 }, signal)).rejects.toMatchObject({
      code: 'DHT_CONFLICT',
    })
    await expect(client.put(key, { value, seq: 5, cas: 5 }, signal)).rejects.toMatchObject({
      code: 'DHT_REJECTED',
    })
    await client.put(key, { value: Buffer.from('other'), seq: 6, cas: 5 }, signal)
    expect(await client.get(key.peerId, signal)).toEqual({
      value: new Uint8Array(Buffer.from('other')),
      seq: 6,
    })
  })

  test('given nodes that do not answer, when the time is up, then what the others have said counts', async () => {
    await using testnet = await DhtTestnet.start()
    const key = Identity.random()
    await testnet.put(key, Buffer.from('value'), 7)
    const mute = await muteSocket()
    await using client = await Bep44Client.open({
      bootstrap: [...testnet.bootstrap, `127.0.0.1:${mute.address().port}`],
      port: 0,
      bind: '127.0.0.1',
      onPacket: () => undefined,
    })
    using deadline = systemClock.deadline(300)
    const found = await client.get(key.peerId, deadline.signal)
    expect(found).toEqual({ value: new Uint8Array(Buffer.from('value')), seq: 7 })
    expect(deadline.signal.aborted).toBe(true)
    mute.close()
  })

  test('D-32: given nodes that have answered and answer no more, then there is nothing said of a value', async () => {
    const testnet = await DhtTestnet.start()
    await using client = await Bep44Client.open({
      bootstrap: testnet.bootstrap,
      port: 0,
      bind: '127.0.0.1',
      onPacket: () => undefined,
    })
    const key = Identity.random().peerId
    const { signal } = new AbortController()
    // More than once, so that what the client asks on its own is answered, too.
    for (let i = 0; i < 3; i++) expect(await client.get(key, signal)).toBeUndefined()
    expect(client.nodes).toBeGreaterThan(0)
    await testnet[Symbol.asyncDispose]()
    await expect(client.get(key, signal)).rejects.toMatchObject({ code: 'DHT_UNREACHABLE' })
  })

  test('given a client, when it is closed while it waits, then it says so at once, and no socket is left', async () => {
    const mute = await muteSocket()
    const client = await Bep44Client.open({
      bootstrap: [`127.0.0.1:${mute.address().port}`],
      port: 0,
      bind: '127.0.0.1',
      onPacket: () => undefined,
    })
    const waiting = client.get(Identity.random().peerId, new AbortController().signal)
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'DHT_CLIENT_CLOSED' })
    await within(1_000, client[Symbol.asyncDispose]())
    await outcome
    mute.close()
  })

  test('given a process with a source, when that is closed, then the process ends', async () => {
    await using testnet = await DhtTestnet.start()
    const script = `
      import { dht } from '#framework/discovery'
      import { Host } from '#framework/network'
      import { digestOf } from '#framework/primitives'
      const host = await Host.start({ network: digestOf('n'), listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
      const bootstrap = ${JSON.stringify(testnet.bootstrap)}
      const controller = new AbortController()
      const found = dht({ host, bootstrap, bind: '127.0.0.1', addressScope: 'all' }).candidates(controller.signal)
      const ended = found.next().catch(() => 'ended')
      const published = () => host.metrics.value('mosaik_discovery_dht_publications_total', { result: 'ok' })
      while (published() !== 1) await new Promise((resolve) => setTimeout(resolve, 20))
      controller.abort()
      console.log(await ended)
      await host.close()`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    try {
      await within(10_000, once(child, 'close'))
    } finally {
      child.kill('SIGKILL')
    }
    expect([child.exitCode, output]).toEqual([0, 'ended\n'])
  })
})

test.each([
  [{ pollMs: 0 }, 'pollMs'],
  [{ isolatedPollMs: Number.NaN }, 'isolatedPollMs'],
  [{ ttlMs: -1 }, 'ttlMs'],
  [{ maxDriftMs: -1 }, 'maxDriftMs'],
  [{ port: 65_536 }, 'port'],
  [{ addressScope: 'some' as 'all' }, 'addressScope'],
  [{ bootstrap: ['host'] }, 'bootstrap'],
  [{ bootstrap: ['host:99999'] }, 'bootstrap'],
])('given the options %j, then the source is refused, and the error names %s', async (options, name) => {
  await using host = await Host.start({ network: aNetwork(), listen: [] })
  expect(() => dht({ host, ...options })).toThrow(
    expect.objectContaining({
      code: 'DISCOVERY_OPTION_INVALID',
      details: expect.objectContaining({ option: name }),
    }),
  )
})

/** A socket on loopback that never answers. */
async function muteSocket(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}
