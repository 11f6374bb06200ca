import { describe, expect, test } from '@jest/globals'
import { defaultLimits } from '#framework/network'
import { eventually, within } from '../support/eventually.js'
import { End, connectedPair } from './connected-pair.js'
import { listenOn } from './hosts.js'

const KIB = 1024
const MIB = 1024 * KIB

/** Writes until the stream takes no more, and says how much it took. */
async function fill({ stream }: End, chunk: Uint8Array, bytesMax: number): Promise<number> {
  let byteCount = 0
  const write = async (): Promise<void> => {
    while (byteCount < bytesMax) {
      await stream.write(chunk)
      byteCount += chunk.byteLength
    }
  }
  const writing = write()
  writing.catch(() => {})
  await standstill(() => byteCount)
  return byteCount
}

/** Resolves when a figure has not moved for a while. */
async function standstill(figure: () => number): Promise<void> {
  let [last, unmoved] = [figure(), 0]
  await eventually(
    () => {
      unmoved = figure() === last ? unmoved + 1 : 0
      last = figure()
      return unmoved >= 15
    },
    { timeoutMs: 10_000 },
  )
}

describe.each([
  ['QUIC', listenOn.quic, 'libp2p'],
  ['QUIC without libp2p', listenOn.quic, 'links'],
  ['TCP', listenOn.tcp, 'libp2p'],
  ['memory', ['/memory/byte-streams'], 'libp2p'],
] as const)('a byte stream over %s', (name, listen, kind) => {
  test('given bytes both ways and the end of writing, delivers everything in order, then a clean end', async () => {
    await using pair = await connectedPair(listen)
    const [a, b] = await pair.ends(kind)
    for (let i = 0; i < 100; i++) {
      await a.stream.write(Buffer.from(`${i} `))
      await b.stream.write(Buffer.from(`${-i} `))
    }
    await a.stream.endWrite({ signal: AbortSignal.timeout(2000) })
    await eventually(() => b.end !== undefined)
    expect(b.end).toEqual({ clean: true })
    expect(b.text).toBe(Array.from({ length: 100 }, (_, i) => `${i} `).join(''))
    expect(a.end).toBeUndefined()
    await b.stream.write(Buffer.from('last words'))
    await b.stream.endWrite({ signal: AbortSignal.timeout(2000) })
    await eventually(() => a.end !== undefined)
    expect(a.end).toEqual({ clean: true })
    expect(a.text.endsWith('last words')).toBe(true)
  })

  test('given a reset, the other side never takes it for the end of the data, and cannot write any more', async () => {
    await using pair = await connectedPair(listen)
    const [a, b] = await pair.ends(kind)
    await a.stream.write(Buffer.from('half a sent'))
    await eventually(() => b.byteCount > 0)
    a.stream.abort(new Error('boom'))
    await eventually(() => b.end !== undefined)
    expect(b.end).toMatchObject({ clean: false, error: expect.anything() })
    expect(a.end).toMatchObject({ clean: false })
    await expect((async () => b.stream.write(Buffer.from('x')))()).rejects.toThrow()
    a.stream.abort(new Error('again'))
  })

  test('given a reader that pauses, the sender stalls, nothing is lost, and everything comes when it resumes', async () => {
    await using pair = await connectedPair(listen)
    const [a, b] = await pair.ends(kind)
    b.stream.pause()
    const chunk = new Uint8Array(64 * KIB).map((_, i) => i)
    const total = 20 * MIB
    const accepted = await fill(a, chunk, total)
    // The memory transport has no windows of its own.
    if (name !== 'memory') expect(accepted).toBeLessThan(8 * MIB)
    expect(b.byteCount).toBeLessThan(MIB)
    b.stream.resume()
    await eventually(() => b.byteCount === total, { timeoutMs: 10_000 })
    const digest = Buffer.concat(b.chunks)
    for (let at = 0; at < total; at += chunk.byteLength) {
      expect(digest.compare(chunk, 0, chunk.byteLength, at, at + chunk.byteLength)).toBe(0)
    }
  })

  test('given a reader that pauses again while it gets what had waited, the sender stalls and nothing is lost', async () => {
    await using pair = await connectedPair(listen)
    const [a, b] = await pair.ends(kind)
    b.onBytes = () => b.stream.pause()
    b.stream.pause()
    const chunk = new Uint8Array(64 * KIB)
    const total = 20 * MIB
    const accepted = await fill(a, chunk, total)
    if (name !== 'memory') expect(accepted).toBeLessThan(8 * MIB)
    b.stream.resume()
    await standstill(() => b.byteCount)
    if (name !== 'memory') expect(b.byteCount).toBeLessThan(8 * MIB)
    expect([a.end, b.end]).toEqual([undefined, undefined])
    b.onBytes = () => {}
    b.stream.resume()
    await eventually(() => b.byteCount === total, { timeoutMs: 10_000 })
  })

  test('given a reader that is paused when the data ends, it gets the data and then the clean end', async () => {
    await using pair = await connectedPair(listen)
    const [a, b] = await pair.ends(kind)
    b.stream.pause()
    await a.stream.write(Buffer.from('all of it'))
    await a.stream.endWrite({ signal: AbortSignal.timeout(2000) })
    await standstill(() => b.byteCount)
    expect(b.end).toBeUndefined()
    b.stream.resume()
    await eventually(() => b.end !== undefined)
    expect([b.text, b.end]).toEqual(['all of it', { clean: true }])
  })

  test('given a connection that goes, both ends see an end that is not clean, and a waiting write fails', async () => {
    await using pair = await connectedPair(listen)
    const [a, b] = await pair.ends(kind)
    b.stream.pause()
    const chunk = new Uint8Array(64 * KIB)
    await fill(a, chunk, 20 * MIB)
    pair.acceptor.abort(new Error('pulled the plug'))
    await eventually(() => a.end !== undefined && b.end !== undefined, { timeoutMs: 7000 })
    expect(a.end).toMatchObject({ clean: false })
    expect(b.end).toMatchObject({ clean: false })
    await expect((async () => a.stream.write(chunk))()).rejects.toThrow()
  })

  test('given a stream that was opened and not heard of yet, early bytes wait for whoever starts to listen', async () => {
    await using pair = await connectedPair(listen)
    const [opened, accepted] = await pair.streams()
    const a = End.of(opened)
    await a.stream.write(Buffer.from('early'))
    await standstill(() => accepted.readBufferLength)
    const b = End.of(accepted)
    await eventually(() => b.text === 'early')
  })
})

describe('a QUIC connection', () => {
  test('given as many streams as the other side allows, opening one more waits no longer than its signal', async () => {
    const quic = { ...defaultLimits.quic, streamsMax: 3 }
    await using pair = await connectedPair(listenOn.quic, { quic })
    const streams = []
    for (let i = 0; i < 3; i++) streams.push(await pair.streams())
    const giveUp = new AbortController()
    const fourth = pair.dialler.newStream('/tests/raw/1.0', {
      signal: giveUp.signal,
      maxOutboundStreams: 100,
    })
    giveUp.abort(new Error('enough'))
    await expect(within(500, fourth)).rejects.toThrow('enough')
    // What the native side opens in the end is closed again, so that it takes nobody's place.
    for (const [opened] of streams) opened.abort(new Error('make room'))
    await eventually(async () => {
      const three = await Promise.all([pair.streams(), pair.streams(), pair.streams()])
      for (const [opened] of three) opened.abort(new Error('make room'))
    })
  })

  test('given data that was written when the connection is closed, the other side has it nevertheless', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const [a, b] = await pair.ends('libp2p')
    const chunk = new Uint8Array(64 * KIB)
    for (let i = 0; i < 16; i++) await a.stream.write(chunk)
    await a.stream.endWrite({ signal: AbortSignal.timeout(2000) })
    await pair.dialler.close()
    await eventually(() => b.end !== undefined)
    expect([b.byteCount, b.end]).toEqual([MIB, { clean: true }])
    await eventually(() => pair.acceptor.status === 'closed')
  })

  test('given a connection that goes, its streams say how', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const [a] = await pair.ends('libp2p')
    pair.acceptor.abort(new Error('pulled the plug'))
    await eventually(() => a.end !== undefined)
    // Either the end of the connection comes first, or the resets of its streams.
    expect(a.end).toMatchObject({
      clean: false,
      error: { message: expect.stringMatching(/connection|reset/) },
    })
  })

  test('given an abort while a write is stuck, the reader that reads on learns of the reset', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const [a, b] = await pair.ends('libp2p')
    b.stream.pause()
    await fill(a, new Uint8Array(64 * KIB), 20 * MIB)
    a.stream.abort(new Error('changed my mind'))
    b.stream.resume()
    await eventually(() => b.end !== undefined)
    expect(b.end).toMatchObject({ clean: false })
  })
})
