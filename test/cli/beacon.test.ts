// Beacons, and the commands that look at a network through them, as their users run them.
import { chmod } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { joinNetwork } from '#framework/topology'
import { eventually } from '../support/eventually.js'
import { folderWith, isAlive, MosaikProcess, mosaik } from '../support/mosaik-process.js'
import { counting, countingManifest } from '../support/services.js'

const onLoopback = ['--listen', '127.0.0.1:0', '--no-dht', '--json']
const secret = 'e0f7c1a09b3d4c5e8f6a7b8c9d0e1f2a'

function beacon(network: string, ...args: string[]): MosaikProcess {
  return new MosaikProcess(['beacon', '--network', network, ...onLoopback, ...args])
}

async function addressOf(run: MosaikProcess): Promise<string> {
  const { addresses } = await run.event('started')
  return String((addresses as string[])[0])
}

describe('mosaik beacon', () => {
  // Noticing that one was killed is mostly waiting, which leaves time for the others.
  test.concurrent(
    'two beacons and the nodes of a manifest find each other; one is killed, one says goodbye',
    async () => {
      const network = `beacon-${process.pid}`
      await using folder = await folderWith({
        'services.ts': counting,
        'mosaik.yaml': countingManifest(network),
      })
      await using first = beacon(
        network,
        '--tag',
        'entrance',
        '--label',
        'region=eu',
        '--status-interval',
        '200ms',
      )
      const started = await first.event('started')
      expect(started).toEqual(
        expect.objectContaining({
          network,
          closed: false,
          tags: ['entrance'],
          labels: { region: 'eu' },
          mdns: false,
          dht: false,
          relay: true,
          addresses: expect.arrayContaining([
            expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/udp\/\d+\/quic-v1\/p2p\//),
          ]),
        }),
      )
      const address = await addressOf(first)
      await using second = beacon(network, '--peer', address, '--no-relay')
      expect((await second.event('started'))['relay']).toBe(false)
      await using nodes = new MosaikProcess(['up', '--json', '--seed', await addressOf(second)], {
        cwd: folder.path,
      })
      await nodes.event('converged')
      // The first beacon was named to nobody but the second, which passes on whom it knows.
      for (const node of ['counter', 'printer'])
        await first.event('peer-joined', (event) => event['node'] === node)
      await first.event('status', ({ peers, connections }) => Number(peers) >= 4 && Number(connections) >= 1)

      const secondPeer = (await second.event('started'))['peer']
      process.kill(second.pid, 'SIGKILL')
      await first.event('peer-left', ({ peer, cause }) => peer === secondPeer && cause === 'lost')

      first.signal('SIGTERM')
      expect(await first.exit()).toBe(0)
      expect(first.events.at(-1)).toEqual(expect.objectContaining({ event: 'stopped' }))
      nodes.signal('SIGINT')
      expect(await nodes.exit()).toBe(0)
    },
  )

  test('given two nodes of which one listens nowhere, the other reaches it over the beacon', async () => {
    const network = `beacon-relay-${process.pid}`
    await using run = beacon(network)
    const via = [await addressOf(run)]
    await using hidden = await joinNetwork({ network, listen: [], relay: { via } })
    await eventually(() => expect(hidden.host.addresses.value.join()).toContain('/p2p-circuit'))
    await using other = await joinNetwork({ network, listen: [], relay: { via: 'auto' } })
    await other.host.connect({ peer: hidden.host.peerId, addresses: hidden.host.addresses.value })
    expect(other.host.pathTo(hidden.host.peerId)?.transport).toBe('relay')
  })

  test('--data keeps who it is, and whom it met: started again without an address, it is back', async () => {
    const network = `beacon-data-${process.pid}`
    await using folder = await folderWith({})
    await using other = beacon(network)
    const args = ['--data', folder.file('data')]
    await using before = beacon(network, ...args, '--peer', await addressOf(other))
    await before.event('peer-joined')
    before.signal('SIGINT')
    expect(await before.exit()).toBe(0)
    await using after = beacon(network, ...args)
    expect((await after.event('started'))['peer']).toBe((await before.event('started'))['peer'])
    expect((await after.event('peer-joined'))['peer']).toBe((await other.event('started'))['peer'])
  })

  test('given the same key, then the same peer id; given a port that is taken, it is named with what would help', async () => {
    await using folder = await folderWith({})
    const made = await mosaik(['key', 'new', folder.file('k'), '--json'])
    await using run = beacon('beacon-key', '--key-file', folder.file('k'))
    const { peer, addresses } = await run.event('started')
    expect(peer).toBe((JSON.parse(made.stdout) as { peer: string }).peer)
    const port = /udp\/(\d+)/.exec(String(addresses))?.[1]
    const second = await mosaik(['beacon', '--network', 'x', '--no-dht', '--listen', `127.0.0.1:${port}`])
    expect(second.stderr).toMatch(/is in use: is another beacon running\? --listen 0 .*\(ADDRESS_IN_USE\)/)
    expect(second.code).toBe(1)
  })

  test('given beacon --no-relay, then relays are shown as disabled; given --metrics, it says where they are', async () => {
    await using run = new MosaikProcess([
      'beacon',
      '--network',
      'beacon-text',
      '--listen',
      '127.0.0.1:0',
      '--no-dht',
      '--no-relay',
      '--metrics',
    ])
    const url = await run.until(() => /metrics +(http:\S+)/.exec(run.stdout)?.[1], 'metrics')
    expect(await (await fetch(url)).text()).toMatch(/^mosaik_/m)
    await run.until(() => run.stdout.includes('Ctrl-C') || undefined, 'all of it')
    expect(run.stdout).toMatch(/^network {2}beacon-text {2}[0-9a-f]{64}$/m)
    expect(run.stdout).toMatch(/^relay +disabled$/m)
    expect(run.stdout).not.toContain('\u001B')
    expect(run.stderr).toContain('this beacon is another peer each time it starts')
  })

  test.each([
    [[], /which network\? Name it with --network <name>, or in MOSAIK_NETWORK/],
    [['--network', 'x', '--label', 'eu'], /a label reads like region=eu, not "eu"/],
    [
      ['--network', 'x', '--peer', '192.0.2.7:4001'],
      /did you mean "\/ip4\/192\.0\.2\.7\/udp\/4001\/quic-v1"\?/,
    ],
  ])('%j is a usage error: exit 2', async (args, message) => {
    const { code, stdout, stderr } = await mosaik(['beacon', '--no-dht', ...args])
    expect(stderr).toMatch(message)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })
})

describe('mosaik peers and ping', () => {
  test('see who is in a closed network, and how far away, with its secret and not without', async () => {
    const network = `peers-${process.pid}`
    await using folder = await folderWith({ secret })
    await chmod(folder.file('secret'), 0o600)
    await using run = beacon(network, '--secret-file', folder.file('secret'), '--label', 'zone=a')
    const { peer, closed } = await run.event('started')
    expect(closed).toBe(true)
    const address = await addressOf(run)
    const env = { MOSAIK_SECRET: secret, MOSAIK_PEER: address, MOSAIK_NETWORK: network }

    const listed = await mosaik(['peers', '--json'], { env })
    expect(listed).toEqual({ code: 0, stdout: expect.any(String), stderr: '' })
    expect(JSON.parse(listed.stdout)).toEqual({
      network,
      peers: [
        expect.objectContaining({
          peer,
          tags: ['beacon'],
          labels: { zone: 'a' },
          serves: ['relay'],
          rttMs: expect.any(Number),
          path: expect.objectContaining({ direction: 'outbound' }),
        }),
      ],
    })
    const table = await mosaik(['peers', network], { env })
    expect(table.stdout).toMatch(/^PEER +UP +RTT +VIA +TAGS +LABELS +ADDRESS\n[0-9a-f]{10} /)
    expect(table.stderr).toBe('1 peer\n')
    // An observer comes and goes in order, and is no node to connect to.
    const seen = await run.event('peer-joined')
    expect(seen).toEqual(expect.objectContaining({ tags: ['observer'], addresses: [], produces: [] }))
    await run.event('peer-left', ({ peer: left, cause }) => left === seen['peer'] && cause === 'graceful')

    const pinged = await mosaik(['ping', address, '--count', '3', '--interval', '50ms', '--json'], { env })
    expect(JSON.parse(pinged.stdout)).toEqual(
      expect.objectContaining({ reached: true, peer, lost: 0, rttsMs: Array(3).fill(expect.any(Number)) }),
    )
    expect(pinged.code).toBe(0)

    const stranger = await mosaik(['ping', address, '--network', network, '--json'])
    expect(stranger.code).toBe(3)
    expect(JSON.parse(stranger.stdout)).toEqual(expect.objectContaining({ reached: false }))
    const nobody = await mosaik(['peers', network, '--peer', address, '--timeout', '500ms', '--json'])
    expect(nobody.code).toBe(3)
    expect(JSON.parse(nobody.stdout)).toEqual({ network, peers: [] })
    expect(nobody.stderr).toContain('a closed network needs its secret')
  })

  test('--watch tells who comes and goes until it is stopped: exit 0', async () => {
    const network = `watch-${process.pid}`
    await using first = beacon(network)
    const address = await addressOf(first)
    await using watching = new MosaikProcess(['peers', network, '--peer', address, '--watch', '--json'])
    await watching.event('peer-joined', ({ tags }) => String(tags) === 'beacon')
    await using second = beacon(network, '--peer', address, '--tag', 'second')
    const { peer } = await watching.event('peer-joined', ({ tags }) => String(tags) === 'second')
    second.signal('SIGTERM')
    await watching.event('peer-left', (event) => event['peer'] === peer && event['cause'] === 'graceful')
    watching.signal('SIGINT')
    expect(await watching.exit()).toBe(0)
  })

  test('Ctrl-C before anybody was found: exit 130 at once, and no process is left', async () => {
    await using run = new MosaikProcess([
      'peers',
      'nobody-at-all',
      '--peer',
      '/ip4/127.0.0.1/udp/9/quic-v1',
      '--log-level',
      'debug',
    ])
    await run.until(() => run.stderr.includes('could not connect') || undefined, 'an attempt')
    run.signal('SIGINT')
    expect(await run.exit(5_000)).toBe(130)
    await eventually(() => !isAlive(run.pid))
  })
})

describe('mosaik up', () => {
  test('a closed network keeps its nodes in a data folder: started again they are the same peers', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': `${countingManifest(`closed-${process.pid}`).replace('replicas: 2', 'replicas: 1')}secret: { env: TEST_SECRET }\ndata: ./data\n`,
    })
    const peersOf = async (): Promise<string[]> => {
      await using run = new MosaikProcess(['up', '--json'], {
        cwd: folder.path,
        env: { TEST_SECRET: secret },
      })
      await run.event('converged')
      run.signal('SIGINT')
      expect(await run.exit()).toBe(0)
      const ready = run.events.filter(({ event }) => event === 'node-ready')
      return ready.map(({ node, replica, peerId }) => [node, replica, peerId].join(' ')).toSorted(byText)
    }
    expect(await peersOf()).toEqual(await peersOf())
    const without = await mosaik(['up'], { cwd: folder.path })
    expect(without.stderr).toMatch(/the variable TEST_SECRET.*is not set \(SECRET_ENV_UNSET\)/)
    const weak = await mosaik(['up'], { cwd: folder.path, env: { TEST_SECRET: 'short' } })
    expect(weak.stderr).toMatch(/\(SECRET_WEAK\)/)
    expect([without.code, weak.code]).toEqual([1, 1])
  })
})

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}
