import { connect as connectTls, TLSSocket, type TLSSocketOptions } from 'node:tls'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { MessageStream, MultiaddrConnection, SecuredConnection } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { generateCertificate } from '@libp2p/tls/utils'
import { nextTurn } from '#framework/primitives'
import { established } from '../../framework/network/tls/handshake.js'
import { resetWith, type TcpConnection } from '../../framework/network/tls/tcp-connection.js'
import { eventually, within } from '../support/eventually.js'
import { cryptographer, tcpPair, type TcpPair } from './tcp-pair.js'

const PATIENCE_MS = 5_000

/** A certificate as any server has one, without a word of libp2p, and its key. */
const plainCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUQNKXwwp5Ll29t/470ckV6jKaxiQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDEzMTkzMloYDzIxMjYxMTA2
MTMxOTMyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATceb4O9jWQ8532tlGBXfFkKcgxDXvf2K6V4ngIXuHzghgIGpIGXvdM
rot0gJJFU4ZOO7qmo3XeRqu3aiNnnYuYo1MwUTAdBgNVHQ4EFgQUV0VKZvDtMDiC
6+K/kF9kq4PePzswHwYDVR0jBBgwFoAUV0VKZvDtMDiC6+K/kF9kq4PePzswDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBQ3yu0S7Im5MDFTWl6U4/t
Kyh9QpA2Zvvl1n0KsYje3AIhAObhnlSZn8OIECZ17s6QomxH7N38NWS80gcXRdxJ
nJsa
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoXjldQWZWNO6vKvk
tMJCmhSosbnBeQNZR3KNGwCuxw2hRANCAATceb4O9jWQ8532tlGBXfFkKcgxDXvf
2K6V4ngIXuHzghgIGpIGXvdMrot0gJJFU4ZOO7qmo3XeRqu3aiNnnYuY
-----END PRIVATE KEY-----`,
}

const patience = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(3 * PATIENCE_MS) })

/** What comes in on a connection, and how it ends. */
class Heard {
  byteCount = 0
  readonly chunks: Uint8Array[] = []
  outcome: string | undefined

  constructor(readonly connection: MessageStream) {
    connection.addEventListener('message', ({ data }) => {
      this.byteCount += data.byteLength
      this.chunks.push(data.subarray())
    })
    connection.addEventListener('close', ({ error }) => (this.outcome = error?.name ?? 'closed'))
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }
}

interface Secured {
  readonly inbound: SecuredConnection
  readonly outbound: SecuredConnection
  readonly accepting: MultiaddrConnection
  readonly dialling: MultiaddrConnection
}

/** Ours at both ends. */
async function securedPair(pair: TcpPair, one = cryptographer(), two = cryptographer()): Promise<Secured> {
  const accepting = pair.connectionOf(pair.accepting)
  const dialling = pair.connectionOf(pair.dialling)
  const [inbound, outbound] = await Promise.all([
    one.ours.secureInbound(accepting, patience()),
    two.ours.secureOutbound(dialling, patience()),
  ])
  return { inbound, outbound, accepting, dialling }
}

async function certificateOf(who = cryptographer()): Promise<TLSSocketOptions> {
  const certificate = await generateCertificate(who.privateKey)
  return { ...certificate, minVersion: 'TLSv1.3', rejectUnauthorized: false }
}

/** A peer at the dialling end that is made by hand. */
function dialByHand(socket: Socket, options: TLSSocketOptions): TLSSocket {
  return connectTls({ socket, ...options }).on('error', () => {})
}

function isOver(socket: Socket): boolean {
  return socket.destroyed && socket.closed
}

describe('TLS on a TCP socket', () => {
  test.each([
    ['ours', 'ours'],
    ['ours', 'libp2p'],
    ['libp2p', 'ours'],
  ] as const)(
    'given %s that accepts and %s that dials, each knows who the other is, and both understand each other',
    async (acceptorKind, diallerKind) => {
      await using pair = await tcpPair()
      const [acceptor, dialler] = [cryptographer(['/yamux/1.0.0']), cryptographer(['/yamux/1.0.0'])]
      const [inbound, outbound] = await Promise.all([
        acceptor[acceptorKind].secureInbound(pair.connectionOf(pair.accepting), patience()),
        dialler[diallerKind].secureOutbound(pair.connectionOf(pair.dialling), {
          ...patience(),
          remotePeer: acceptor.peerId,
        }),
      ])
      expect([inbound.remotePeer, outbound.remotePeer].map(String)).toEqual(
        [dialler.peerId, acceptor.peerId].map(String),
      )
      expect([inbound, outbound].map(({ streamMuxer }) => streamMuxer?.protocol)).toEqual([
        '/yamux/1.0.0',
        '/yamux/1.0.0',
      ])
      const [accepted, dialled] = [new Heard(inbound.connection), new Heard(outbound.connection)]
      inbound.connection.send(Buffer.from('from the acceptor'))
      outbound.connection.send(Buffer.from('from the dialler'))
      await eventually(() => accepted.text === 'from the dialler' && dialled.text === 'from the acceptor')
    },
  )

  test('given a beginning of the handshake that was read with what came before it, goes on from there', async () => {
    await using pair = await tcpPair()
    const accepting = pair.connectionOf(pair.accepting)
    const byHand = dialByHand(pair.dialling, await certificateOf())
    // Nobody listens to the connection: it keeps what comes in.
    await eventually(() => accepting.readBufferLength > 0)
    const { connection } = await cryptographer().ours.secureInbound(accepting, patience())
    const heard = new Heard(connection)
    byHand.write('early')
    await eventually(() => heard.text === 'early')
  })

  test('given another peer than the one that was dialled, there is no connection', async () => {
    await using pair = await tcpPair()
    const [acceptor, dialler, other] = [cryptographer(), cryptographer(), cryptographer()]
    const accepting = new Heard(pair.connectionOf(pair.accepting))
    const inbound = acceptor.ours.secureInbound(accepting.connection, patience())
    inbound.catch(() => {})
    const outbound = dialler.ours.secureOutbound(pair.connectionOf(pair.dialling), {
      ...patience(),
      remotePeer: other.peerId,
    })
    await expect(outbound).rejects.toMatchObject({ name: 'UnexpectedPeerError' })
    await eventually(() => isOver(pair.dialling) && isOver(pair.accepting))
    // The acceptor may have been done before.
    await eventually(() => accepting.outcome !== undefined)
  })

  test.each<[string, () => Promise<TLSSocketOptions>, RegExp]>([
    ['no certificate', async () => ({ rejectUnauthorized: false }), /certificate/],
    [
      'a certificate of another kind',
      async () => ({ ...plainCertificate, rejectUnauthorized: false }),
      /certificate/,
    ],
    [
      'an older version',
      async () => ({ ...(await certificateOf()), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }),
      /protocol/,
    ],
    [
      'only protocols that we do not know',
      async () => ({ ...(await certificateOf()), ALPNProtocols: ['h2'] }),
      /application protocol/,
    ],
  ])('given a dialler with %s, there is no connection', async (_, options, complaint) => {
    await using pair = await tcpPair()
    dialByHand(pair.dialling, await options())
    const securing = cryptographer(['/yamux/1.0.0']).ours.secureInbound(
      pair.connectionOf(pair.accepting),
      patience(),
    )
    await expect(securing).rejects.toThrow(complaint)
    await eventually(() => isOver(pair.accepting) && isOver(pair.dialling))
  })

  test.each<[string, string[] | undefined, string | undefined]>([
    ['no protocol', undefined, undefined],
    ['none that chooses a muxer', ['libp2p'], undefined],
    ['several muxers', ['/other', '/b', '/a', 'libp2p'], '/b'],
    ['a muxer behind the one that chooses none', ['libp2p', '/a'], '/a'],
  ])(
    'given a dialler that offers %s by ALPN, chooses what it likes best of those that are known',
    async (_, offered, chosen) => {
      await using pair = await tcpPair()
      const byHand = dialByHand(pair.dialling, {
        ...(await certificateOf()),
        ...(offered !== undefined && { ALPNProtocols: offered }),
      })
      const secured = await cryptographer(['/a', '/b']).ours.secureInbound(
        pair.connectionOf(pair.accepting),
        patience(),
      )
      expect([secured.streamMuxer?.protocol, byHand.alpnProtocol]).toEqual([
        chosen,
        offered === undefined ? false : (chosen ?? 'libp2p'),
      ])
    },
  )

  test.each(['secureInbound', 'secureOutbound'] as const)(
    'given a peer that says nothing, when the signal aborts, %s rejects with its reason and the socket is closed',
    async (secure) => {
      await using pair = await tcpPair()
      const giveUp = new AbortController()
      const socket = secure === 'secureInbound' ? pair.accepting : pair.dialling
      const securing = cryptographer().ours[secure](pair.connectionOf(socket), giveUp)
      securing.catch(() => {})
      // In the handshake, not before it.
      await eventually(() => socket.listenerCount('data') === 0)
      await nextTurn()
      giveUp.abort(new Error('enough'))
      await expect(within(PATIENCE_MS, securing)).rejects.toThrow('enough')
      await eventually(() => isOver(socket))
    },
  )

  test.each<[string, (socket: Socket) => void]>([
    ['resets the connection', (socket) => void socket.resetAndDestroy()],
    ['ends the connection', (socket) => void socket.end()],
    ['talks nonsense', (socket) => void socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    [
      'says a part of it and resets the connection',
      (socket) => void socket.write('\x16\x03\x01', () => socket.resetAndDestroy()),
    ],
  ])(
    'given a peer that %s in place of its part of the handshake, there is no connection',
    async (_, misbehave) => {
      for (const secure of ['secureInbound', 'secureOutbound'] as const) {
        await using pair = await tcpPair()
        const [mine, its] =
          secure === 'secureInbound' ? [pair.accepting, pair.dialling] : [pair.dialling, pair.accepting]
        const securing = cryptographer().ours[secure](pair.connectionOf(mine), patience())
        securing.catch(() => {})
        misbehave(its)
        await expect(within(PATIENCE_MS, securing)).rejects.toThrow()
        await eventually(() => isOver(mine))
      }
    },
  )

  test('given a connection that goes while its certificate is made, there is none', async () => {
    await using pair = await tcpPair()
    const connection = pair.connectionOf(pair.accepting)
    const securing = cryptographer().ours.secureInbound(connection, patience())
    connection.abort(new Error('no place'))
    await expect(securing).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  test('given connections that are turned away as soon as they are encrypted, the process lives on', async () => {
    const certificate = await certificateOf()
    for (let n = 0; n < 20; n++) {
      await using pair = await tcpPair()
      dialByHand(pair.dialling, certificate)
      const tls = new TLSSocket(pair.accepting, { ...certificate, isServer: true, requestCert: true })
      await established(tls, patience().signal)
      // Within OpenSSL, this would free what it goes on with.
      pair.accepting.resetAndDestroy()
      tls.destroy()
    }
  })
})

describe('an encrypted TCP connection', () => {
  test('given much that was written when it is closed, the other side has all of it, then the end', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, dialling } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    const chunk = new Uint8Array(300_000)
    const count = 20
    for (let n = 0; n < count; n++) outbound.connection.send(chunk)
    await dialling.close(patience())
    await eventually(() => heard.outcome !== undefined)
    expect([heard.byteCount, heard.outcome]).toEqual([count * chunk.byteLength, 'closed'])
    expect([dialling.status, outbound.connection.status]).toEqual(['closed', 'closed'])
    await eventually(() => isOver(pair.dialling) && isOver(pair.accepting))
  })

  test('given a message that comes while it is being closed, an answer is not sent and disturbs nothing', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, dialling } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    outbound.connection.send(new Uint8Array(1_000_000))
    const closing = dialling.close(patience())
    expect(outbound.connection.send(Buffer.from('one more'))).toBe(false)
    await closing
    await eventually(() => heard.outcome !== undefined)
    expect([heard.byteCount, heard.outcome]).toEqual([1_000_000, 'closed'])
  })

  test('given memory that is written into again while what it held waits, delivers what it held', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    const memory = Buffer.from('first,')
    outbound.connection.send(memory)
    memory.write('second')
    outbound.connection.send(memory)
    memory.fill(0)
    await eventually(() => heard.byteCount === 2 * memory.byteLength)
    expect(heard.text).toBe('first,second')
  })

  test('given what is said in one go, then it is one record of TLS, and what follows waits until that is written', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    const long = new Uint8Array(60_000)
    // After something short nothing more is wanted, after something long there is room for as much again.
    const sent = [Buffer.from('one,'), Buffer.from('two'), long].map((data) => outbound.connection.send(data))
    expect(sent).toEqual([false, false, false])
    await eventually(() => heard.byteCount === 60_007)
    expect(heard.chunks[0]!.byteLength).toBe(16 * 1024)
    await eventually(() => !outbound.connection.writableNeedsDrain)
    expect([long, long, long].map((data) => outbound.connection.send(data))).toEqual([true, false, false])
    await eventually(() => heard.byteCount === 240_007)
  })

  test('given something short, then something too long to go with it, then something short, all of it comes in order', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    for (const text of ['first,', 'x'.repeat(200_000), ',last']) outbound.connection.send(Buffer.from(text))
    await eventually(() => heard.byteCount === 200_011)
    expect(heard.text.replace('x'.repeat(200_000), 'long')).toBe('first,long,last')
  })

  test('given what was said just before it is closed, the other side has it, then the end', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, dialling } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    expect(outbound.connection.send(new Uint8Array(60_000))).toBe(true)
    await dialling.close(patience())
    await eventually(() => heard.outcome !== undefined)
    expect([heard.byteCount, heard.outcome]).toEqual([60_000, 'closed'])
  })

  test('given an abort, both sides know that it is no good end', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, accepting, dialling } = await securedPair(pair)
    const [dialled, accepted] = [new Heard(outbound.connection), new Heard(inbound.connection)]
    dialling.abort(new Error('boom'))
    await eventually(() => accepted.outcome !== undefined && dialled.outcome !== undefined)
    expect([accepting.status, dialling.status]).toEqual(['aborted', 'aborted'])
    expect([accepted.outcome, dialled.outcome]).not.toContain('closed')
    await eventually(() => isOver(pair.dialling) && isOver(pair.accepting))
  })

  test('given a write that is stuck, an abort ends it at once', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, dialling } = await securedPair(pair)
    inbound.connection.pause()
    outbound.connection.send(new Uint8Array(20_000_000))
    dialling.abort(new Error('boom'))
    await eventually(() => isOver(pair.dialling))
  })

  test('given a close that waits for a stuck write, an abort ends it and leaves no socket open', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, dialling } = await securedPair(pair)
    inbound.connection.pause()
    outbound.connection.send(new Uint8Array(20_000_000))
    const giveUp = new AbortController()
    const closing = dialling.close({ signal: giveUp.signal })
    closing.catch(() => {})
    await nextTurn()
    giveUp.abort(new Error('enough'))
    await expect((async () => within(PATIENCE_MS, closing))()).rejects.toThrow()
    dialling.abort(new Error('enough'))
    await eventually(() => isOver(pair.dialling))
  })

  test('given a socket that is being shut down, an abort does not lose it', async () => {
    await using pair = await tcpPair()
    const { inbound, outbound, dialling } = await securedPair(pair)
    inbound.connection.pause()
    outbound.connection.send(new Uint8Array(20_000_000))
    // As when the other side has ended the connection: the end waits behind what is stuck.
    pair.dialling.end()
    await nextTurn()
    const errors: unknown[] = []
    pair.dialling.on('error', (error) => errors.push(error))
    const closed = once(pair.dialling, 'close')
    dialling.abort(new Error('enough'))
    await within(PATIENCE_MS, closed)
    expect(errors).toEqual([])
  })

  test.each([
    ['at work', false, false, 'reset'],
    ['shutting down', true, false, 'destroyed'],
    ['shutting down for TLS', false, true, 'destroyed'],
  ])(
    'given a socket that is %s, an abort resets it only if that can be done',
    (_, isSocketEnded, isTlsEnded, outcome) => {
      const outcomes: string[] = []
      const socket = {
        destroyed: false,
        writableEnded: isSocketEnded,
        destroy: () => outcomes.push('destroyed'),
        resetAndDestroy: () => outcomes.push('reset'),
      }
      const connection = { socket } as unknown as TcpConnection
      resetWith(connection, { writableEnded: isTlsEnded } as TLSSocket)
      connection.sendReset(new Error('boom'))
      expect(outcomes).toEqual([outcome])
    },
  )

  test('given a peer that ends the connection in good order, it is closed', async () => {
    await using pair = await tcpPair()
    const byHand = dialByHand(pair.dialling, await certificateOf())
    const accepting = pair.connectionOf(pair.accepting)
    const { connection } = await cryptographer().ours.secureInbound(accepting, patience())
    const heard = new Heard(connection)
    byHand.end('last words')
    await eventually(() => heard.outcome !== undefined)
    expect([heard.text, heard.outcome, accepting.status]).toEqual(['last words', 'closed', 'closed'])
  })

  test('given a peer whose bytes are no TLS, the connection is aborted', async () => {
    await using pair = await tcpPair()
    const { inbound, accepting } = await securedPair(pair)
    const heard = new Heard(inbound.connection)
    pair.dialling.write(Buffer.alloc(1000, 0x17))
    await eventually(() => heard.outcome !== undefined)
    expect([accepting.status, heard.byteCount]).toEqual(['aborted', 0])
    await eventually(() => isOver(pair.accepting))
  })

  test('given a connection on which nothing was said for too long, it is aborted, and not before', async () => {
    await using pair = await tcpPair()
    const { outbound, accepting } = await securedPair(pair)
    pair.accepting.setTimeout(1_000)
    const until = performance.now() + 2_500
    await eventually(() => {
      outbound.connection.send(Buffer.from('still here'))
      return performance.now() > until
    })
    expect(accepting.status).toBe('open')
    await eventually(() => accepting.status === 'aborted')
  })
})

describe('TLS on a TCP socket, whatever happens when', () => {
  /** What may happen to one end. */
  const mishaps = {
    abort: ({ connection }) => connection.abort(new Error('boom')),
    close: ({ connection }) => void connection.close(patience()).catch(() => {}),
    giveUp: ({ giveUp }) => giveUp.abort(new Error('enough')),
    destroy: ({ socket }) => void socket.destroy(),
    end: ({ socket }) => void socket.end(),
    fill: ({ secured }) => void secured?.connection.send(new Uint8Array(3_000_000)),
    pause: ({ secured }) => secured?.connection.status === 'open' && secured.connection.pause(),
  } satisfies Record<string, (end: Endpoint) => unknown>

  interface Endpoint {
    readonly socket: Socket
    readonly connection: MultiaddrConnection
    readonly giveUp: AbortController
    secured?: SecuredConnection
  }

  const mishap = fc.record({
    what: fc.constantFrom(...(Object.keys(mishaps) as (keyof typeof mishaps)[])),
    which: fc.constantFrom(0 as const, 1 as const),
    afterTurns: fc.nat(40),
  })

  test('the process lives on, and no socket stays open', async () => {
    const people = [cryptographer(), cryptographer()] as const
    await fc.assert(
      fc.asyncProperty(fc.array(mishap, { minLength: 1, maxLength: 6 }), async (happening) => {
        await using pair = await tcpPair()
        const ends = [pair.accepting, pair.dialling].map((socket): Endpoint => ({
          socket,
          connection: pair.connectionOf(socket),
          giveUp: new AbortController(),
        })) as [Endpoint, Endpoint]
        // The event, because a socket whose handle was lost calls itself closed too.
        let closedCount = 0
        for (const { socket } of ends) socket.once('close', () => closedCount++)
        const securing = ends.map(async (end, which) => {
          const options = { signal: end.giveUp.signal }
          const { ours } = people[which as 0 | 1]
          end.secured = await (which === 0
            ? ours.secureInbound(end.connection, options)
            : ours.secureOutbound(end.connection, options))
          new Heard(end.secured.connection)
          end.secured.connection.send(new Uint8Array(100_000))
        })
        const over = Promise.allSettled(securing)
        for (let turn = 0; turn <= 40; turn++) {
          for (const { what, which, afterTurns } of happening) {
            if (afterTurns === turn) mishaps[what](ends[which])
          }
          await nextTurn()
        }
        for (const { connection, giveUp } of ends) {
          giveUp.abort(new Error('over'))
          connection.abort(new Error('over'))
        }
        await within(PATIENCE_MS, over)
        await eventually(() => closedCount === ends.length)
      }),
      { numRuns: 30, endOnFailure: true },
    )
  })
})
