import { yamux } from '@chainsafe/libp2p-yamux'
import { describe, expect, test } from '@jest/globals'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { createLibp2p, type Libp2p } from 'libp2p'
import { silentLogger, systemClock } from '#framework/primitives'
import { Identity, defaultLimits } from '#framework/network'
import { byteStreamOf } from '../../framework/network/libp2p-byte-stream.js'
import { listenOn as listen } from '../../framework/network/listening.js'
import { startTransports, type Transports } from '../../framework/network/transports.js'
import { eventually } from '../support/eventually.js'
import { connectedPair, End } from './connected-pair.js'
import { listenOn } from './hosts.js'

const PROTOCOL = '/tests/echo/1.0'
const PATIENCE_MS = 10_000

/** A node of libp2p alone, with its own encrypter. */
function startOther(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: [...listenOn.tcp] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
  })
}

function startOurs(): Promise<Transports> {
  return startTransports({
    identity: Identity.random(),
    limits: { ...defaultLimits, dialTimeoutMs: PATIENCE_MS, admissionTimeoutMs: PATIENCE_MS },
    clock: systemClock,
    logger: silentLogger,
    knock: () => () => {},
  })
}

async function echo(node: Libp2p): Promise<void> {
  await node.handle(PROTOCOL, (stream) => {
    stream.addEventListener('message', ({ data }) => void stream.send(data.slice()))
  })
}

describe('nodes over TLS on a TCP socket', () => {
  test('given a peer with the encrypter of libp2p that is dialled, is understood by it', async () => {
    const [ours, other] = await Promise.all([startOurs(), startOther()])
    await echo(other)
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const connection = await ours.dial(other.getMultiaddrs()[0]!, signal)
    const end = End.of(await connection.newStream(PROTOCOL, { signal }))
    await end.stream.write(Buffer.from('understood'))
    await eventually(() => end.text === 'understood')
    expect([connection.remotePeer.toString(), connection.multiplexer]).toEqual([
      other.peerId.toString(),
      '/yamux/1.0.0',
    ])
    await Promise.all([ours.libp2p.stop(), other.stop()])
  })

  test('given a peer with the encrypter of libp2p that dials, is understood by it', async () => {
    const [ours, other] = await Promise.all([startOurs(), startOther()])
    await echo(ours.libp2p)
    const listening = await listen(ours, listenOn.tcp, () => {})
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const connection = await other.dial(listening.addresses[0]!, { signal })
    const end = End.of(await connection.newStream(PROTOCOL, { signal }))
    await end.stream.write(Buffer.from('understood'))
    await eventually(() => end.text === 'understood')
    expect(connection.remotePeer.toString()).toBe(ours.libp2p.peerId.toString())
    await listening.close()
    await Promise.all([ours.libp2p.stop(), other.stop()])
  })

  test('given buffers that are written into again as soon as there is room, delivers what they held before', async () => {
    await using pair = await connectedPair(listenOn.tcp)
    const streamCount = 4
    const writes = 40
    const sizes = [1, 100, 16 * 1024, 65_536, 200_000]
    const sizeOf = (n: number): number => sizes[n % sizes.length]!
    await Promise.all(
      Array.from({ length: streamCount }, async (_, which) => {
        const [opened, accepted] = await pair.streams()
        const writer = byteStreamOf(opened, { buffersReusable: true, chunksReleasable: false })
        const reader = End.of(accepted)
        const buffer = new Uint8Array(200_000)
        for (let n = 0; n < writes; n++) {
          await writer.write(buffer.fill(n + which, 0, sizeOf(n)).subarray(0, sizeOf(n)))
          buffer.fill(0xff)
        }
        const total = Array.from({ length: writes }, (_, n) => sizeOf(n)).reduce((sum, size) => sum + size)
        await eventually(() => reader.byteCount === total, { timeoutMs: PATIENCE_MS })
        const received = Buffer.concat(reader.chunks)
        for (let n = 0, offset = 0; n < writes; offset += sizeOf(n++)) {
          const part = received.subarray(offset, offset + sizeOf(n))
          expect(part.every((byte) => byte === n + which)).toBe(true)
        }
      }),
    )
  })
})
