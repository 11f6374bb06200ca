import type { Upgrader } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from '@jest/globals'
import { ManualClock, nextTurn } from '#framework/primitives'
import { QuicListener } from '../../framework/network/quic/listener.js'
import type { NativeBinding, NativeConnection, NativeServer } from '../../framework/network/quic/binding.js'

interface Waiting {
  readonly resolve: (connection: NativeConnection) => void
  readonly reject: (error: Error) => void
}

/** A native server that accepts what it is told to accept. */
class FakeServer implements NativeServer {
  readonly waiting: Waiting[] = []
  abortCount = 0
  /** Whether aborting comes to its end. */
  drains = true

  port = (): number => 4433

  inboundConnection(): Promise<NativeConnection> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  abort(): Promise<void> {
    this.abortCount++
    for (const { reject } of this.waiting.splice(0)) reject(new Error('server closed'))
    return this.drains ? Promise.resolve() : new Promise(() => {})
  }
}

function make(upgrade: (native: NativeConnection) => Promise<void> = async () => {}) {
  const server = new FakeServer()
  const clock = new ManualClock()
  class Server {
    constructor(_config: unknown, ip: string) {
      if (ip === '10.0.0.9') throw new Error('Address already in use (os error 98)')
      return server
    }
  }
  const binding = { Server } as unknown as NativeBinding
  const listener = new QuicListener({ binding, config: {}, clock, upgrader: {} as Upgrader, upgrade })
  const events: string[] = []
  for (const type of ['listening', 'close', 'error'] as const) {
    listener.addEventListener(type, () => events.push(type))
  }
  return {
    server,
    clock,
    listener,
    events,
    listen: () => listener.listen(multiaddr('/ip4/127.0.0.1/udp/0/quic-v1')),
  }
}

function connection(onAbort: () => void = () => {}): NativeConnection {
  return { abort: onAbort } as NativeConnection
}

describe('a QUIC listener', () => {
  test('given a slow handshake, accepts others meanwhile', async () => {
    const upgraded: NativeConnection[] = []
    const { server, listen } = make(async (native) => void upgraded.push(native))
    await listen()
    expect(server.waiting.length).toBeGreaterThanOrEqual(16)
    const [, quick] = server.waiting
    const native = connection()
    quick!.resolve(native)
    await nextTurn()
    expect(upgraded).toEqual([native])
  })

  test('given a handshake that fails, and an upgrade that fails, goes on accepting', async () => {
    const { server, listen, events } = make(() => Promise.reject(new Error('not you')))
    await listen()
    const before = server.waiting.length
    let aborts = 0
    server.waiting.shift()!.reject(new Error('timed out'))
    server.waiting.shift()!.resolve(connection(() => aborts++))
    await nextTurn()
    expect([server.waiting.length, aborts, events]).toEqual([before, 1, ['listening']])
  })

  test('given an endpoint that dies, says so once and has no addresses any more', async () => {
    const { server, listen, listener, events } = make()
    await listen()
    expect(listener.getAddrs().map(String)).toEqual(['/ip4/127.0.0.1/udp/4433/quic-v1'])
    for (const { reject } of server.waiting.splice(0)) reject(new Error('server closed'))
    await nextTurn()
    expect(events).toEqual(['listening', 'error'])
    expect(listener.getAddrs()).toEqual([])
    expect(server.waiting).toEqual([])
  })

  test('given a close, stops accepting, once, and says nothing about a lost endpoint', async () => {
    const { server, listen, listener, events } = make()
    await listen()
    await listener.close()
    await listener.close()
    await nextTurn()
    expect([server.abortCount, events, server.waiting.length]).toEqual([1, ['listening', 'close'], 0])
  })

  test('given connections that do not drain, a close ends after a second', async () => {
    const { server, listen, listener, clock } = make()
    server.drains = false
    await listen()
    const closing = listener.close()
    clock.advance(1000)
    await closing
    expect(clock.pendingCount).toBe(0)
  })

  test('given a connection that comes in while it closes, ends it', async () => {
    const { server, listen, listener } = make(() => Promise.reject(new Error('must not be upgraded')))
    await listen()
    let aborts = 0
    const late = server.waiting.shift()!
    const closing = listener.close()
    late.resolve(connection(() => aborts++))
    await closing
    await nextTurn()
    expect(aborts).toBe(1)
  })

  test('given an address that is taken, says which', async () => {
    const { listener } = make()
    await expect(listener.listen(multiaddr('/ip4/10.0.0.9/udp/1/quic-v1'))).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      details: { address: '/ip4/10.0.0.9/udp/1/quic-v1' },
    })
  })
})
