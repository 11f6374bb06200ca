import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { byteStreamPair } from '../../framework/network/byte-stream-pair.js'
import type { ByteStreamEnd } from '../../framework/network/byte-stream.js'
import { CloseReasons } from '../../framework/network/close-reason.js'
import { FrameBuilder } from '../../framework/network/frame-builder.js'
import { linkPair, type LinkPairOptions } from '../../framework/network/link-pair.js'
import type { Link, LinkProtocol } from '../../framework/network/link.js'
import { peerIdFromHex } from '#framework/primitives'
import { eventually, within } from '../support/eventually.js'

const KIB = 1024
const peerA = peerIdFromHex('aa'.repeat(32))
const peerB = peerIdFromHex('bb'.repeat(32))
const protocol: LinkProtocol = { id: '/test/1', frameBytesMax: 256 * KIB }

function pair(options: Partial<LinkPairOptions> = {}): [Link, Link] {
  return linkPair({ protocol, peerA, peerB, ...options })
}

function frameOfBytes(length: number, fill: number): Uint8Array {
  const builder = new FrameBuilder()
  builder.append(new Uint8Array(length).fill(fill))
  return builder.take()
}

/** Much faster than a matcher, for large arrays. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Collects what one end of a stream hears. */
function listen(stream: ReturnType<typeof byteStreamPair>[0]) {
  const heard = { chunks: [] as Uint8Array[], ends: [] as ByteStreamEnd[] }
  stream.start({ onBytes: (chunk) => heard.chunks.push(chunk), onEnd: (end) => heard.ends.push(end) })
  return heard
}

describe('a pair of links', () => {
  test('given two peers, when a pair is made, then each end is open and names the other peer and both payloads', async () => {
    const openPayload = { wants: ['orders'] }
    const [a, b] = pair({ openPayload, acceptPayload: 7 })
    expect(a).toMatchObject({ peer: peerB, direction: 'outbound', openPayload, acceptPayload: 7 })
    expect(b).toMatchObject({ peer: peerA, direction: 'inbound', openPayload, acceptPayload: 7 })
    expect(b.openPayload).not.toBe(openPayload)
    await a.close(CloseReasons.Success)
  })

  test('given a pair, when a message is sent, then it arrives later, never within the call', async () => {
    const [a, b] = pair()
    let arrived = false
    const received = b.recv().then(() => {
      arrived = true
    })
    const sent = a.send(1)
    expect(arrived).toBe(false)
    await within(1000, Promise.all([sent, received]))
    await a.close(CloseReasons.Success)
  })

  test('given any messages and bytes both ways over any buffer, when they are sent, then they arrive whole and in order', async () => {
    const item = fc.oneof(
      fc.record({ text: fc.string(), n: fc.integer() }),
      fc.integer({ min: 0, max: 70 * KIB }).map((length) => frameOfBytes(length, length)),
    )
    const send = (link: Link, value: unknown): undefined | Promise<void> =>
      value instanceof Uint8Array ? link.sendFrame(value) : link.send(value)
    const transfer = async (from: Link, to: Link, items: readonly unknown[]): Promise<void> => {
      const sending = (async (): Promise<void> => {
        for (const each of items) await send(from, each)
      })()
      for (const each of items) {
        const frame = await to.recv()
        if (each instanceof Uint8Array)
          expect(frame.kind === 'bytes' && isSame(frame.bytes, each.subarray(5))).toBe(true)
        else expect(frame).toMatchObject({ kind: 'message', value: each })
      }
      await sending
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 30 }),
        fc.array(item, { maxLength: 30 }),
        fc.constantFrom(1, 1000, 256 * KIB),
        fc.boolean(),
        async (there, back, bufferedBytesMax, copies) => {
          const [a, b] = pair({ stream: { bufferedBytesMax, copies } })
          await within(5000, Promise.all([transfer(a, b, there), transfer(b, a, back)]))
          await within(1000, Promise.all([a.close(CloseReasons.Success), b.closed]))
        },
      ),
      { numRuns: 40 },
    )
  })

  test('given an end that takes nothing, when the other sends, then it is held back, and nothing is lost', async () => {
    const [a, b] = pair()
    const chunk = 32 * KIB
    let sent = 0
    let stalled: Promise<void> | undefined
    while (stalled === undefined && sent < 1000) {
      stalled = a.sendFrame(frameOfBytes(chunk, sent))
      sent++
      // Lets what is on its way be delivered, so that both buffers fill up.
      if (stalled !== undefined) {
        const room = await Promise.race([stalled.then(() => true), new Promise((done) => setImmediate(done))])
        if (room === true) stalled = undefined
      }
    }
    // What waits to be received and what is on its way, plus the frames that crossed those lines.
    expect(sent * chunk).toBeLessThanOrEqual(2 * 256 * KIB + 2 * chunk)
    for (let n = 0; n < sent; n++) {
      const frame = await within(1000, b.recv())
      expect(frame).toMatchObject({ kind: 'bytes' })
      if (frame.kind === 'bytes') expect(frame.bytes[0]).toBe(n)
    }
    await within(1000, stalled!)
    await a.close(CloseReasons.Success)
  })

  test('given two ends that do nothing but answer each other, when they go on, then the event loop still turns', async () => {
    const [a, b] = pair()
    let turned = false
    setImmediate(() => {
      turned = true
    })
    let count = 0
    while (!turned && count < 5000) {
      await a.send(count++)
      await b.recv()
    }
    expect(turned).toBe(true)
    expect(count).toBeLessThan(5000)
    await a.close(CloseReasons.Success)
  })

  test('given one end that only sends and one that only receives, when they go on, then the event loop still turns', async () => {
    const [a, b] = pair()
    let turned = false
    setImmediate(() => {
      turned = true
    })
    const receiving = (async (): Promise<void> => {
      for (;;) await b.recv()
    })()
    const frame = frameOfBytes(60 * KIB, 1)
    for (let count = 0; !turned && count < 5000; count++) await a.sendFrame(frame)
    expect(turned).toBe(true)
    await a.close(CloseReasons.GracefulShutdown)
    await expect(receiving).rejects.toMatchObject({ reason: { code: 204 }, by: 'remote' })
  })

  test('given bytes, when they are sent without copies, then the other end gets the very buffer, and it is not to be reused', async () => {
    const [a, b] = pair()
    const frame = frameOfBytes(10, 1)
    expect(a.buffersReusable).toBe(false)
    await a.sendFrame(frame)
    const received = await b.recv()
    expect(received.kind === 'bytes' && received.bytes.buffer === frame.buffer).toBe(true)
    await a.close(CloseReasons.Success)
  })

  test('given a pair that copies, when buffers are reused as soon as there is room, then every frame arrives as it was sent', async () => {
    const [a, b] = pair({ stream: { copies: true } })
    expect(a.buffersReusable).toBe(true)
    const builder = new FrameBuilder()
    const sending = (async (): Promise<void> => {
      for (let n = 0; n < 300; n++) {
        builder.append(new Uint8Array(5000).fill(n))
        const frame = builder.take()
        await a.sendFrame(frame)
        builder.recycle(frame)
      }
    })()
    for (let n = 0; n < 300; n++) {
      const frame = await b.recv()
      expect(frame.kind === 'bytes' && isSame(frame.bytes, new Uint8Array(5000).fill(n))).toBe(true)
    }
    await within(1000, sending)
    await a.close(CloseReasons.Success)
  })

  test('given an end that takes nothing, when the other closes, then close returns in time and all the same with its reason', async () => {
    const [a, b] = pair({ limits: { inboundFramesMax: 1 }, stream: { bufferedBytesMax: 1 } })
    const sends = [a.send(0), a.send(1), a.send(2)]
    const outcome = Promise.allSettled(sends)
    await within(1000, a.close(CloseReasons.GracefulShutdown, { timeoutMs: 20 }))
    expect((await a.closed).code).toBe(204)
    expect((await outcome).at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'LINK_CLOSED' } })
    expect(await b.recv()).toMatchObject({ value: 0 })
    await eventually(() =>
      b.recv().then(
        () => false,
        () => true,
      ),
    )
    expect((await within(1000, b.closed)).code).toBe(103)
  })

  test('given an end that receives, when the other aborts, then it hears the reason', async () => {
    const [a, b] = pair()
    const waiting = b.recv()
    a.abort(CloseReasons.Cancelled)
    await expect(waiting).rejects.toMatchObject({ reason: { code: 102 }, by: 'remote' })
    expect((await within(1000, b.closed)).code).toBe(102)
  })
})

describe('a pair of byte streams', () => {
  test('given bytes and an end, when they are written, then the other side gets them in order and a clean end, once', async () => {
    const [a, b] = byteStreamPair()
    const heard = listen(b)
    listen(a)
    a.write(new Uint8Array([1]))?.catch(() => {})
    a.write(new Uint8Array([2]))?.catch(() => {})
    await within(1000, a.endWrite({ signal: new AbortController().signal }))
    await a.endWrite({ signal: new AbortController().signal })
    expect(heard.chunks.map((chunk) => chunk[0])).toEqual([1, 2])
    expect(heard.ends).toEqual([{ clean: true }])
    expect(() => a.write(new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'STREAM_ENDED' }))
    expect(b.write(new Uint8Array(1))).toBeUndefined()
  })

  test('given a paused reader, when bytes and the end come, then both wait for it, and the writer may give up waiting', async () => {
    const [a, b] = byteStreamPair({ bufferedBytesMax: 4 })
    const heard = listen(b)
    b.pause()
    const room = a.write(new Uint8Array(4))
    expect(room).toBeInstanceOf(Promise)
    const controller = new AbortController()
    const ended = a.endWrite({ signal: controller.signal })
    controller.abort(new Error('no time'))
    await expect(ended).rejects.toThrow('no time')
    expect(heard).toEqual({ chunks: [], ends: [] })
    b.resume()
    await within(1000, room!)
    await eventually(() => expect(heard).toEqual({ chunks: [new Uint8Array(4)], ends: [{ clean: true }] }))
  })

  test('given a writer that waits for room, when either side resets, then it fails, and the other side hears of it', async () => {
    for (const resetter of ['writer', 'reader'] as const) {
      const [a, b] = byteStreamPair({ bufferedBytesMax: 1 })
      const heardA = listen(a)
      const heardB = listen(b)
      b.pause()
      const room = a.write(new Uint8Array(4))
      const error = new Error('enough')
      const [resetting, other] = resetter === 'writer' ? [a, heardB] : [b, heardA]
      resetting.abort(error)
      resetting.abort(new Error('again'))
      await expect(room).rejects.toBe(error)
      await eventually(() => expect(other).toEqual({ chunks: [], ends: [{ clean: false, error }] }))
      for (const stream of [a, b]) expect(() => stream.write(new Uint8Array(1))).toThrow(error)
      await expect(a.endWrite({ signal: new AbortController().signal })).rejects.toBe(error)
    }
  })

  test('given a reader that resets from within what it hears, when more was written, then it hears nothing more', async () => {
    const [a, b] = byteStreamPair()
    const chunks: Uint8Array[] = []
    const ends: ByteStreamEnd[] = []
    b.start({
      onBytes: (chunk) => {
        chunks.push(chunk)
        b.abort(new Error('seen enough'))
      },
      onEnd: (end) => ends.push(end),
    })
    const heard = listen(a)
    for (let n = 0; n < 3; n++) a.write(new Uint8Array([n]))?.catch(() => {})
    await eventually(() => expect(heard.ends.length).toBe(1))
    expect([chunks.length, ends.length]).toEqual([1, 0])
  })
})
