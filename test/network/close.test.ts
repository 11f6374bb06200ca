import { describe, expect, test } from '@jest/globals'
import { CloseReasons, type Link } from '#framework/network'
import { eventually, within } from '../support/eventually.js'
import { Child } from './child.js'
import { echo, listenOn, peerCount, protocol, startHost } from './hosts.js'

/** What keeps this process alive at the moment, by kind; without the pipes to the test runner, of which a host has none. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'PipeWrap') counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

describe.each([
  ['QUIC', listenOn.quic],
  ['TCP', listenOn.tcp],
])('closing a host over %s', (_, listen) => {
  test('N-3: given open links and gossip, ends them with GracefulShutdown and leaves nothing behind', async () => {
    let before = new Map<string, number>()
    // While something is waited for, as below: that takes a timer.
    await eventually(() => {
      before = resources()
    })
    const server = await startHost({ listen })
    const client = await startHost({ listen })
    echo(server, protocol())
    for (const host of [server, client])
      host.gossip('topic', { validate: () => 'accept', messageBytesMax: 100 })
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    await server.close()
    expect(await within(2000, link.closed)).toMatchObject({ code: CloseReasons.GracefulShutdown.code })
    await eventually(() => peerCount(client) === 0)
    await client.close()
    // The test runner has resources of its own, which come and go; there must be none more than before.
    await eventually(() => {
      for (const [kind, count] of resources())
        expect([kind, count]).toEqual([kind, Math.min(count, before.get(kind) ?? 0)])
    })
  })

  test('given a close, every further call does nothing or says so, and closed has resolved', async () => {
    const host = await startHost({ listen })
    await using other = await startHost({ listen })
    const topic = host.gossip('topic', { validate: () => 'accept', messageBytesMax: 100 })
    const first = host.close()
    expect(host.close()).toBe(first)
    await first
    await host[Symbol.asyncDispose]()
    expect(await host.closed).toBeUndefined()
    await expect(host.connect({ addresses: other.addresses.value })).rejects.toMatchObject({
      code: 'HOST_CLOSED',
    })
    await expect(host.open({ addresses: other.addresses.value }, protocol())).rejects.toMatchObject({
      code: 'HOST_CLOSED',
    })
    await expect(topic.publish(new Uint8Array(1))).rejects.toMatchObject({ code: 'GOSSIP_CLOSED' })
    expect(() => host.gossip('other', { validate: () => 'accept', messageBytesMax: 100 })).toThrow(
      expect.objectContaining({ code: 'GOSSIP_CLOSED' }),
    )
    expect(host.addresses.ended).toBe(true)
    expect(host.connections.ended).toBe(true)
    expect(topic.neighbours.ended).toBe(true)
  })

  test('given a close while others are opening links, those fail, and nothing hangs', async () => {
    const server = await startHost({ listen })
    await using client = await startHost({ listen })
    echo(server, protocol())
    await client.connect({ addresses: server.addresses.value })
    const opening = Array.from({ length: 20 }, () => client.open({ peer: server.peerId }, protocol()))
    const closing = server.close()
    const outcomes = await within(6000, Promise.allSettled(opening))
    await closing
    const links = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    await within(3000, Promise.all(links.map((link: Link) => link.closed)))
    await eventually(() => peerCount(client) === 0)
  })

  test('given a handler that never ends, does not wait for it', async () => {
    const server = await startHost({ listen, limits: { closeTimeoutMs: 200 } })
    await using client = await startHost({ listen })
    const never = Promise.withResolvers<void>()
    server.handle(protocol(), async (_link, accept) => {
      await accept()
      await never.promise
    })
    await client.open({ addresses: server.addresses.value }, protocol())
    await within(4000, server.close())
  })

  test('given the same address again after a close, listens there again', async () => {
    const first = await startHost({ listen })
    const address = first.addresses.value[0]!.replace(/\/p2p\/.*/, '')
    await first.close()
    await using second = await startHost({ listen: [address] })
    await using client = await startHost({ listen })
    await expect(client.connect({ addresses: [address] })).resolves.toBe(second.peerId)
  })
})

// All of this is waiting.
describe('a peer that is gone without a word', () => {
  const transports: [string, readonly string[]][] = [
    ['QUIC', listenOn.quic],
    ['TCP', listenOn.tcp],
  ]

  test.concurrent.each(transports)(
    'over %s: given a peer that does not answer any more, closes within its bounds',
    async (_, listen) => {
      await using child = new Child('server', ...listen)
      const { addresses } = await child.line<{ addresses: string[] }>()
      const client = await startHost({ listen })
      await client.open({ addresses }, protocol())
      child.kill('SIGSTOP')
      await within(5000, client.close())
      child.kill('SIGCONT')
    },
  )

  test.concurrent.each(transports)(
    'over %s: given a peer that is killed, notices within six seconds',
    async (_, listen) => {
      await using child = new Child('server', ...listen)
      const { addresses } = await child.line<{ addresses: string[] }>()
      await using client = await startHost({ listen })
      const link = await client.open({ addresses }, protocol())
      child.kill('SIGKILL')
      await eventually(() => peerCount(client) === 0, { timeoutMs: 6000 })
      expect((await link.closed).code).toBe(CloseReasons.UnexpectedClose.code)
    },
  )

  test.concurrent('given a peer over TCP that hangs, notices when its sign of life is overdue', async () => {
    await using child = new Child('server', ...listenOn.tcp)
    const { addresses } = await child.line<{ addresses: string[] }>()
    await using client = await startHost({ limits: { signsOfLife: { intervalMs: 100, timeoutMs: 500 } } })
    await client.connect({ addresses })
    child.kill('SIGSTOP')
    await eventually(() => peerCount(client) === 0, { timeoutMs: 4000 })
    child.kill('SIGCONT')
  })
})

test('N-3: given a process that closed its hosts, ends by itself within half a second', async () => {
  await using child = new Child('lone-host')
  const { lingeredMs } = await child.line<{ lingeredMs: number }>()
  expect(lingeredMs).toBeLessThan(500 * Number(process.env.TIME_FACTOR ?? 1))
  expect(await child.exit()).toBe(0)
})

test('given a peer that hangs while gossip for it waits, the process that closes its host still ends by itself', async () => {
  await using server = new Child('server', ...listenOn.quic)
  const { addresses } = await server.line<{ addresses: string[] }>()
  await using closing = new Child('stuck-gossip', ...addresses)
  expect(await closing.line()).toEqual({ neighbours: 1 })
  server.kill('SIGSTOP')
  closing.kill('SIGUSR2')
  const { lingeredMs } = await closing.line<{ lingeredMs: number }>()
  expect(lingeredMs).toBeLessThan(500 * Number(process.env.TIME_FACTOR ?? 1))
  expect(await closing.exit()).toBe(0)
  server.kill('SIGCONT')
})
