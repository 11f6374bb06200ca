import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Discovery, dht } from '#framework/discovery'
import { Host, Identity, NetworkKey } from '#framework/network'
import { digestOf, systemRandom } from '#framework/primitives'
import { slotKey, slotRoot, slotSeeds } from '../../framework/discovery/dht/slot-keys.js'
import { SlotCodec } from '../../framework/discovery/dht/slot-record.js'
import { DhtTestnet } from '../support/dht-testnet.js'
import { eventually } from '../support/eventually.js'
import { mosaik, type Finished } from '../support/mosaik-process.js'
import { freeUdpPort } from '../support/multicast.js'

const SECRET = 'the secret of a closed network'

let testnet: DhtTestnet
beforeAll(async () => {
  testnet = await DhtTestnet.start()
})
afterAll(() => testnet[Symbol.asyncDispose]())

function run(network: string, ...args: readonly string[]): Promise<Finished> {
  const bootstrap = testnet.bootstrap.flatMap((node) => ['--bootstrap', node])
  return mosaik(['dht', network, ...bootstrap, '--dht-scope', 'all', ...args], {
    env: { MOSAIK_SECRET: network.startsWith('closed') ? SECRET : '' },
  })
}

/** A node that is published, until it is disposed of. */
async function published(network: string, secret?: string): Promise<AsyncDisposable & { host: Host }> {
  const stack = new AsyncDisposableStack()
  const host = stack.use(
    await Host.start({
      network: digestOf(network),
      listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
      ...(secret !== undefined && { secret }),
    }),
  )
  const source = dht({ host, bootstrap: testnet.bootstrap, bind: '127.0.0.1', addressScope: 'all' })
  stack.use(await Discovery.start({ host, bootstrap: [source] }))
  const name = 'mosaik_discovery_dht_publications_total'
  await eventually(() => host.metrics.value(name, { result: 'ok' }) === 1)
  return { host, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function put(
  network: string,
  slot: number,
  identity: Identity | undefined,
  address = '',
): Promise<void> {
  const root = slotRoot(new NetworkKey(digestOf(network)))
  const key = slotKey(slotSeeds(root)[slot]!)
  const record = { startedAtMs: Date.now(), publishedAtMs: Date.now(), addresses: [address] }
  const value =
    identity === undefined
      ? systemRandom.bytes(100)
      : new SlotCodec(key.peerId, root).seal(identity, record, systemRandom)
  await testnet.put(key, value, Date.now())
}

describe('mosaik dht', () => {
  test('given a network nobody uses, when dht runs, then 16 × empty, 0/16 slots occupied, exit 0', async () => {
    const { code, stdout } = await run('a network nobody uses')
    expect(stdout.match(/^\d\d: empty$/gm)).toHaveLength(16)
    expect(stdout).toContain('0/16 slots occupied\n0 healthy, 0 unhealthy\n')
    expect(code).toBe(0)
  })

  test.each(['a running beacon', 'closed, with a running beacon'])(
    'given %s, when dht runs, then at least one slot shows its peer id, addresses, healthy with uptime',
    async (network) => {
      await using node = await published(network, network.startsWith('closed') ? SECRET : undefined)
      const { code, stdout } = await run(network, '--fail-if-unhealthy')
      expect(stdout).toMatch(new RegExp(`^\\d\\d: ${node.host.peerId}$`, 'm'))
      expect(stdout).toMatch(/^ {4}published .* GMT, \d+ s ago$/m)
      expect(stdout).toContain(`    ${node.host.addresses.value[0]!.replace(/\/p2p\/.*/, '')}\n`)
      expect(stdout).toMatch(/^ {4}healthy \(uptime: \d+ s\)$/m)
      expect(stdout).toContain('1/16 slots occupied\n1 healthy, 0 unhealthy\n')
      expect(code).toBe(0)
    },
  )

  test('given a slot whose peer is gone, then unhealthy with reason after at most the timeout, and the summary counts it', async () => {
    const network = 'a slot whose peer is gone'
    for (const slot of [2, 5]) {
      await put(network, slot, Identity.random(), `/ip4/127.0.0.1/udp/${await freeUdpPort()}/quic-v1`)
    }
    const { code, stdout } = await run(network, '--timeout', '600ms', '--fail-if-unhealthy')
    expect(stdout.match(/^ {4}unhealthy \(.+\)$/gm)).toHaveLength(2)
    expect(stdout).toContain('2/16 slots occupied\n0 healthy, 2 unhealthy\n')
    expect(code).toBe(3)
    const unchecked = await run(network, '--no-check')
    expect(unchecked.stdout).not.toContain('healthy')
    expect(unchecked.code).toBe(0)
  })

  test('given an occupant of another network, then it is unhealthy, although it answers', async () => {
    const network = 'an occupant of another network'
    await using stranger = await Host.start({
      network: digestOf('another'),
      listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
    })
    await put(network, 0, stranger.identity, stranger.addresses.value[0]!.replace(/\/p2p\/.*/, ''))
    const { stdout } = await run(network)
    expect(stdout).toContain('1/16 slots occupied\n0 healthy, 1 unhealthy\n')
  })

  test('given a packet that is no record, then the slot is reported invalid and not counted as occupied', async () => {
    const network = 'a packet that is no record'
    await put(network, 3, undefined)
    const { code, stdout } = await run(network, '--fail-if-unhealthy')
    expect(code).toBe(3)
    expect(stdout).toMatch(/^03: invalid/m)
    expect(stdout).toContain('0/16 slots occupied, 1 held by strangers\n')
  })

  test('given --json, then one document says the same', async () => {
    const network = 'json'
    // Put first, so that the node chooses another slot.
    await put(network, 0, undefined)
    await using node = await published(network)
    const { stdout } = await run(network, '--json')
    const document = JSON.parse(stdout) as { slots: { state: string; peer?: string }[] }
    expect(document).toMatchObject({ network, networkId: digestOf(network), epochSlots: [] })
    expect(document.slots).toHaveLength(16)
    expect(document.slots.find(({ peer }) => peer === node.host.peerId)).toMatchObject({
      state: 'record',
      addresses: [expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/udp\/\d+\/quic-v1$/)],
      check: { healthy: true, connectMs: expect.any(Number) },
    })
    expect(document.slots[0]).toMatchObject({ slot: 0, state: 'unreadable' })
  })

  test('given that no node of the DHT answers, then exit 3, with a reason', async () => {
    const port = await freeUdpPort()
    const args = ['dht', 'n', '--bootstrap', `127.0.0.1:${port}`, '--timeout', '1s']
    const { code, stdout, stderr } = await mosaik(args)
    expect(stderr).toContain('no node of the DHT answers')
    expect(stdout).toBe('')
    expect(code).toBe(3)
  })

  test.each([
    [['dht'], /which network/],
    [['dht', 'n', '--timeout', 'soon'], /a duration reads like/],
    [['bootstrap-records', 'n', '--dht-scope', 'none'], /Allowed choices are public, private, all/],
  ])('%j is a usage error: exit 2', async (args, message) => {
    const { code, stderr } = await mosaik(args)
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  test('given --help, then it shows examples', async () => {
    const { code, stdout } = await mosaik(['bootstrap-records', '--help'])
    expect(stdout).toContain('Examples:')
    expect(code).toBe(0)
  })
})
