import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { z } from 'zod'
import { byteStreamPair } from '../../framework/network/byte-stream-pair.js'
import {
  CloseReasons,
  closeReason,
  type CloseReason,
  type LinkClosedError,
} from '../../framework/network/close-reason.js'
import { FrameBuilder } from '../../framework/network/frame-builder.js'
import { FrameKind, frameOf } from '../../framework/network/frame.js'
import {
  acceptLink,
  openedLink,
  openLink,
  type IncomingLink,
  type LinkOptions,
} from '../../framework/network/framed-link.js'
import { closeFrame, openingFrame, readClose } from '../../framework/network/link-messages.js'
import { linkPair } from '../../framework/network/link-pair.js'
import type { Frame, Link, LinkLimits, LinkObserver, LinkProtocol } from '../../framework/network/link.js'
import {
  bytesOf,
  concatBytes,
  decode,
  digestOf,
  encode,
  ManualClock,
  peerIdFromHex,
} from '#framework/primitives'
import { within } from '../support/eventually.js'
import { ScriptedByteStream } from './scripted-byte-stream.js'

const KIB = 1024
const peer = peerIdFromHex('ab'.repeat(32))
const network = digestOf('a network')
const protocol: LinkProtocol = { id: '/test/1', frameBytesMax: 256 * KIB }

const messageFrame = (value: unknown): Uint8Array => frameOf(FrameKind.message, encode(value), 16 * KIB * KIB)
const bytesFrame = (length: number, fill = 0): Uint8Array =>
  frameOf(FrameKind.bytes, new Uint8Array(length).fill(fill), 16 * KIB * KIB)

/** An open link whose other side is the test. */
function scripted(limits?: Partial<LinkLimits>, observer?: LinkObserver) {
  const stream = new ScriptedByteStream()
  const clock = new ManualClock()
  const options = { stream, peer, protocol, limits, clock, observer }
  const link = openedLink(options, 'outbound', { open: undefined, accept: undefined })
  return { stream, clock, link }
}

/** Both ends of a link that is being opened for real, over streams in memory. */
function opening(
  a: Partial<LinkOptions & { payload: unknown }> = {},
  b: Partial<LinkOptions> = {},
): { opened: Promise<Link>; incoming: Promise<IncomingLink> } {
  const [streamA, streamB] = byteStreamPair()
  return {
    opened: openLink({ stream: streamA, peer, protocol, network, ...a }),
    incoming: acceptLink({ stream: streamB, peer, protocol, network, ...b }),
  }
}

/** The reason that CLOSE told the other side. */
function saidReason(stream: ScriptedByteStream): CloseReason | undefined {
  const frame = stream.frames.find(({ kind }) => kind === FrameKind.close)
  return frame === undefined ? undefined : readClose(frame.body)
}

async function failure(promise: Promise<unknown> | undefined): Promise<LinkClosedError> {
  const outcome = await Promise.resolve(promise).then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  return outcome as LinkClosedError
}

/** Lets everything that is decided already have its effect. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

function values(frames: readonly Frame[]): unknown[] {
  return frames.map((frame) => (frame.kind === 'message' ? frame.value : frame.bytes.byteLength))
}

async function receive(link: Link, count: number): Promise<unknown[]> {
  const frames: Frame[] = []
  while (frames.length < count) frames.push(await link.recv())
  return values(frames)
}

describe('opening a link', () => {
  test('given two peers of one network, when one opens and the other accepts, then both have the payloads and an open link', async () => {
    const { opened, incoming } = opening({ payload: { stream: 'orders' } })
    const { link: b, accept } = await incoming
    expect(b).toMatchObject({
      direction: 'inbound',
      protocol: '/test/1',
      peer,
      openPayload: { stream: 'orders' },
      acceptPayload: undefined,
    })
    await accept({ epoch: 7 })
    const a = await opened
    expect(a).toMatchObject({
      direction: 'outbound',
      openPayload: { stream: 'orders' },
      acceptPayload: { epoch: 7 },
    })
    expect(b.acceptPayload).toEqual({ epoch: 7 })

    await a.send('question')
    await b.send('answer')
    expect(await b.recv()).toMatchObject({ kind: 'message', value: 'question' })
    expect(await a.recv()).toMatchObject({ kind: 'message', value: 'answer' })
    await Promise.all([a.close(CloseReasons.Success), b.closed])
  })

  test('given an open link whose payloads were read, when they are forgotten, then both are undefined and the link works', async () => {
    const { opened, incoming } = opening({ payload: { entry: new Uint8Array(1000) } })
    const { link: b, accept } = await incoming
    await accept({ entry: new Uint8Array(1000) })
    const a = await opened
    for (const link of [a, b]) {
      link.forgetPayloads()
      expect([link.openPayload, link.acceptPayload]).toEqual([undefined, undefined])
    }
    await a.send('question')
    expect(await b.recv()).toMatchObject({ kind: 'message', value: 'question' })
    await a.close(CloseReasons.Success)
  })

  test('given no payloads, when a link is opened, then both are undefined', async () => {
    const { opened, incoming } = opening()
    const { link: b, accept } = await incoming
    await accept()
    const a = await opened
    for (const link of [a, b]) {
      expect([link.openPayload, link.acceptPayload]).toEqual([undefined, undefined])
    }
    await a.close(CloseReasons.Success)
  })

  test('N-14: given OPEN and ACCEPT with fields of a newer peer, when they arrive, then they are understood', async () => {
    const body = encode({ v: 1, network: bytesOf(network), payload: 1, compression: ['zstd'] })

    const b = new ScriptedByteStream()
    const incoming = acceptLink({ stream: b, peer, protocol, network })
    b.receive(frameOf(FrameKind.open, body, 64 * KIB))
    expect((await incoming).link.openPayload).toBe(1)
    ;(await incoming).link.abort(CloseReasons.Cancelled)

    const a = new ScriptedByteStream()
    const opened = openLink({ stream: a, peer, protocol, network })
    a.receive(frameOf(FrameKind.accept, body, 64 * KIB))
    expect((await opened).acceptPayload).toBe(1)
    ;(await opened).abort(CloseReasons.Cancelled)
  })

  test('given an opener, when it opens, then it says its version, its network and the payload, and nothing else', async () => {
    const stream = new ScriptedByteStream()
    const opened = openLink({ stream, peer, protocol, network, payload: 'hello', clock: new ManualClock() })
    expect(stream.frames.map(({ kind }) => kind)).toEqual([FrameKind.open])
    expect(decode(stream.frames[0]!.body)).toEqual({ v: 1, network: bytesOf(network), payload: 'hello' })
    stream.end({ clean: false, error: new Error('gone') })
    expect(await failure(opened)).toMatchObject({
      code: 'LINK_CLOSED',
      reason: { code: 103 },
      by: 'transport',
    })
  })

  test('given an opener of another version, when it opens, then it is refused with 400, which names both versions', async () => {
    const stream = new ScriptedByteStream()
    const incoming = acceptLink({ stream, peer, protocol, network, clock: new ManualClock() })
    stream.receive(frameOf(FrameKind.open, encode({ v: 2, network: bytesOf(network) }), 64 * KIB))
    expect(await failure(incoming)).toMatchObject({ code: 'LINK_CLOSED', by: 'local' })
    expect(saidReason(stream)).toEqual({
      code: 400,
      name: 'ProtocolViolation',
      message: 'the opening has version 2, and version 1 is spoken here',
    })
  })

  test('given an opener of another network, when it opens, then it is refused with 101 and learns nothing else', async () => {
    const { opened, incoming } = opening({ network: digestOf('another network'), payload: 'secret' })
    expect(await failure(incoming)).toMatchObject({ reason: CloseReasons.DifferentNetwork, by: 'local' })
    const error = await failure(opened)
    expect(error).toMatchObject({ code: 'LINK_CLOSED', by: 'remote' })
    expect(error.reason).toEqual({ code: 101, name: 'DifferentNetwork' })
  })

  test('given an acceptor of another network, when it accepts all the same, then the opener refuses with 101', async () => {
    const stream = new ScriptedByteStream()
    const opened = openLink({ stream, peer, protocol, network, clock: new ManualClock() })
    stream.receive(openingFrame(FrameKind.accept, digestOf('another network'), undefined))
    expect(await failure(opened)).toMatchObject({ reason: CloseReasons.DifferentNetwork, by: 'local' })
    expect(saidReason(stream)).toEqual({ code: 101, name: 'DifferentNetwork' })
  })

  test.each<[string, Uint8Array, number]>([
    ['a message', messageFrame('hi'), 400],
    ['ACCEPT', openingFrame(FrameKind.accept, network, undefined), 400],
    ['an OPEN that is garbage', frameOf(FrameKind.open, new Uint8Array([0xc1]), KIB), 400],
    ['an OPEN that is no map', frameOf(FrameKind.open, encode([1]), KIB), 400],
    ['an OPEN without a version', frameOf(FrameKind.open, encode({ network: bytesOf(network) }), KIB), 400],
    ['an OPEN without a network', frameOf(FrameKind.open, encode({ v: 1 }), KIB), 400],
    [
      'an OPEN with half a network',
      frameOf(FrameKind.open, encode({ v: 1, network: new Uint8Array(16) }), KIB),
      400,
    ],
    ['an OPEN over 64 KiB', bytesFrame(64 * KIB), 413],
    ['the header of 4 GiB', new Uint8Array([0xff, 0xff, 0xff, 0xff, FrameKind.open]), 413],
  ])(
    'given a stranger, when it begins with %s, then it is refused before anybody sees it',
    async (_, bytes, code) => {
      const stream = new ScriptedByteStream()
      const incoming = acceptLink({ stream, peer, protocol, network, clock: new ManualClock() })
      stream.receive(bytes)
      expect(await failure(incoming)).toMatchObject({ reason: { code }, by: 'local' })
      expect(saidReason(stream)?.code).toBe(code)
    },
  )

  test('given an acceptor, when it refuses with 401, then the opener fails with 401 and its words', async () => {
    const { opened, incoming } = opening()
    const { link: b, accept } = await incoming
    const closing = b.close(closeReason(CloseReasons.UnknownPeer, 'never heard of you'))
    expect(await failure(accept())).toMatchObject({ code: 'LINK_CLOSED', by: 'local' })
    expect(await failure(opened)).toMatchObject({
      by: 'remote',
      reason: { code: 401, name: 'UnknownPeer', message: 'never heard of you' },
    })
    await within(1000, closing)
  })

  test('N-5: given an acceptor that says nothing, when 2 s have passed, then the opener fails with TIMEOUT and says 104', async () => {
    const stream = new ScriptedByteStream()
    const clock = new ManualClock()
    const opened = openLink({ stream, peer, protocol, network, clock })
    clock.advance(1999)
    expect(saidReason(stream)).toBeUndefined()
    clock.advance(1)
    expect(await failure(opened)).toMatchObject({ code: 'TIMEOUT' })
    expect(saidReason(stream)?.code).toBe(104)
  })

  test('N-5: given an opener that says nothing, when 2 s have passed, then accepting fails with TIMEOUT and says 104', async () => {
    const stream = new ScriptedByteStream()
    const clock = new ManualClock()
    const incoming = acceptLink({ stream, peer, protocol, network, clock })
    clock.advance(2000)
    expect(await failure(incoming)).toMatchObject({ code: 'TIMEOUT' })
    expect(saidReason(stream)?.code).toBe(104)
    stream.end()
    await settle()
    expect(clock.pendingCount).toBe(0)
  })

  test('given a handler that does not decide, when 2 more seconds have passed, then the link is closed with 104', async () => {
    const stream = new ScriptedByteStream()
    const clock = new ManualClock()
    const incoming = acceptLink({ stream, peer, protocol, network, clock })
    clock.advance(1999)
    stream.receive(openingFrame(FrameKind.open, network, undefined))
    const { accept } = await incoming
    clock.advance(1999)
    expect(saidReason(stream)).toBeUndefined()
    clock.advance(1)
    expect(saidReason(stream)?.code).toBe(104)
    expect(await failure(accept())).toMatchObject({ code: 'LINK_CLOSED', reason: { code: 104 } })
  })

  test('given a payload that cannot travel, when a link is opened with it, then that fails and the stream is released', async () => {
    for (const [payload, code] of [
      [new Uint8Array(64 * KIB), 'FRAME_TOO_LARGE'],
      [() => 0, 'CODEC_UNSUPPORTED'],
    ] as const) {
      const stream = new ScriptedByteStream()
      const clock = new ManualClock()
      expect(await failure(openLink({ stream, peer, protocol, network, payload, clock }))).toMatchObject({
        code,
      })
      expect(stream.frames.map(({ kind }) => kind)).toEqual([FrameKind.close])
      stream.end()
      await settle()
      expect(clock.pendingCount).toBe(0)
    }
  })

  test('given a payload that cannot travel, when a link is accepted with it, then that fails and another answer can be given', async () => {
    const { opened, incoming } = opening()
    const { accept } = await incoming
    expect(await failure(accept(new Uint8Array(64 * KIB)))).toMatchObject({ code: 'FRAME_TOO_LARGE' })
    await accept('smaller')
    const a = await opened
    expect(a.acceptPayload).toBe('smaller')
    await a.close(CloseReasons.Success)
  })

  test('given a link that is opening, when the signal is aborted, then opening fails with its reason and the other side hears 102', async () => {
    const controller = new AbortController()
    const { opened, incoming } = opening({ signal: controller.signal })
    const { link: b, accept } = await incoming
    controller.abort(new Error('changed my mind'))
    expect(await failure(opened)).toMatchObject({ message: 'changed my mind' })
    expect((await within(1000, b.closed)).code).toBe(102)
    expect(await failure(accept())).toMatchObject({ by: 'remote', reason: { code: 102 } })
  })

  test('given a signal that is aborted already, when a link is opened or accepted, then nothing but 102 is said', async () => {
    const signal = AbortSignal.abort(new Error('too late'))
    for (const begin of [openLink, acceptLink]) {
      const stream = new ScriptedByteStream()
      const options = { stream, peer, protocol, network, signal, clock: new ManualClock() }
      expect(await failure(begin(options))).toMatchObject({ message: 'too late' })
      expect(stream.frames.map(({ kind }) => kind)).toEqual([FrameKind.close])
      expect(saidReason(stream)?.code).toBe(102)
    }
  })

  test('given an opened link, when the signal of its opening is aborted later, then the link does not care', async () => {
    const controller = new AbortController()
    const { opened, incoming } = opening({ signal: controller.signal }, { signal: controller.signal })
    const { link: b, accept } = await incoming
    await accept()
    const a = await opened
    controller.abort()
    await a.send(1)
    expect(await receive(b, 1)).toEqual([1])
    await a.close(CloseReasons.Success)
  })

  test.each([
    ['a message', messageFrame('hasty')],
    ['OPEN again', openingFrame(FrameKind.open, network, undefined)],
  ])(
    'given an opener that does not wait for the answer, when it sends %s, then it is refused with 400',
    async (_, hasty) => {
      const stream = new ScriptedByteStream()
      const incoming = acceptLink({ stream, peer, protocol, network, clock: new ManualClock() })
      stream.receive(openingFrame(FrameKind.open, network, undefined), hasty)
      const { accept } = await incoming
      expect(await failure(accept())).toMatchObject({ reason: { code: 400 }, by: 'local' })
    },
  )

  test('given a link that is not open yet, when it is used or accepted twice, then that is a mistake of the program', async () => {
    const { opened, incoming } = opening()
    const { link: b, accept } = await incoming
    expect(await failure(b.send(1))).toMatchObject({ code: 'INVARIANT' })
    expect(await failure(b.recv())).toMatchObject({ code: 'INVARIANT' })
    expect(await failure(b.sendFrame(bytesFrame(1)))).toMatchObject({ code: 'INVARIANT' })
    await accept()
    expect(await failure(accept())).toMatchObject({ code: 'INVARIANT' })
    await (await opened).close(CloseReasons.Success)
  })

  test('given ACCEPT and a frame over 64 KiB in one chunk, when they arrive, then the limit of the protocol counts for the frame', async () => {
    const stream = new ScriptedByteStream()
    const opened = openLink({ stream, peer, protocol, network, clock: new ManualClock() })
    stream.receive(concatBytes(openingFrame(FrameKind.accept, network, undefined), bytesFrame(100 * KIB)))
    expect(await receive(await opened, 1)).toEqual([100 * KIB])
  })
})

describe('sending', () => {
  test('given room, when messages and frames are sent, then they are handed over at once and in order', async () => {
    const { stream, link } = scripted()
    const builder = new FrameBuilder()
    builder.append(new Uint8Array([1, 2, 3]))
    const first = link.send({ n: 1 })
    const second = link.sendFrame(builder.take())
    const third = link.send('three')
    expect(stream.frames.map(({ kind }) => kind)).toEqual([
      FrameKind.message,
      FrameKind.bytes,
      FrameKind.message,
    ])
    expect(second).toBeUndefined()
    await Promise.all([first, third])
    expect(stream.frames[1]!.body).toEqual(new Uint8Array([1, 2, 3]))
  })

  test('given no room, when much is sent, then one frame at a time is handed over, first in first out', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const order: number[] = []
    const sends = [0, 1, 2, 3].map((n) => link.send(n).then(() => order.push(n)))
    const framed = link.sendFrame(bytesFrame(4))?.then(() => order.push(4))
    expect(stream.frames.length).toBe(1)
    for (let handedOver = 1; handedOver <= 5; handedOver++) {
      expect(stream.frames.length).toBe(handedOver)
      stream.giveRoom()
      await settle()
      expect(order).toEqual(Array.from({ length: handedOver }, (_, n) => n))
    }
    await Promise.all([...sends, framed])
  })

  test('given no room, when there is plenty again, then all that waits is handed over in one go', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const sends = Array.from({ length: 10 }, (_, n) => link.send(n))
    stream.hasRoom = true
    stream.giveRoom()
    await within(1000, Promise.all(sends))
    expect(stream.frames.map(({ body }) => decode(body))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('given 64 sends that wait, when one more is sent, then it is LINK_BUSY and the others still go', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const sends = Array.from({ length: 65 }, (_, n) => link.send(n))
    expect(await failure(link.send('one too many'))).toMatchObject({ code: 'LINK_BUSY' })
    expect(await failure(link.sendFrame(bytesFrame(1)))).toMatchObject({ code: 'LINK_BUSY' })
    stream.hasRoom = true
    stream.giveRoom()
    await within(1000, Promise.all(sends))
    await link.send('welcome again')
    expect(stream.frames.length).toBe(66)
  })

  test('N-17: given a message that is too large or cannot be encoded, when it is sent, then that fails and the link stays open', async () => {
    const { stream, link } = scripted()
    expect(await failure(link.send(new Uint8Array(256 * KIB)))).toMatchObject({
      code: 'FRAME_TOO_LARGE',
      details: { frameBytesMax: 256 * KIB },
    })
    expect(await failure(link.sendFrame(bytesFrame(256 * KIB)))).toMatchObject({ code: 'FRAME_TOO_LARGE' })
    expect(await failure(link.send(() => 0))).toMatchObject({ code: 'CODEC_UNSUPPORTED' })
    expect(stream.written).toEqual([])
    expect(link.sendFrame(bytesFrame(256 * KIB - 1))).toBeUndefined()
    await link.send('still here')
  })

  test('given bytes that are not one whole BYTES frame, when they are sent as a frame, then that is a mistake of the program', async () => {
    const { stream, link } = scripted()
    for (const bytes of [new Uint8Array(3), messageFrame(1), concatBytes(bytesFrame(1), bytesFrame(1))]) {
      expect(await failure(link.sendFrame(bytes))).toMatchObject({ code: 'INVARIANT' })
    }
    expect(stream.written).toEqual([])
  })

  test('given a send that waits for its turn, when it is aborted, then it is withdrawn and the link stays open', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const controller = new AbortController()
    const sends = [link.send(0), link.send(1, { signal: controller.signal }), link.send(2)] as const
    controller.abort(new Error('never mind'))
    expect(await failure(sends[1])).toMatchObject({ message: 'never mind' })
    stream.hasRoom = true
    stream.giveRoom()
    await Promise.all([sends[0], sends[2]])
    expect(stream.frames.map(({ body }) => decode(body))).toEqual([0, 2])
  })

  test('given a send that was handed over, when it is aborted, then it counts as sent and only the wait for room ends', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const controller = new AbortController()
    const sent = link.send('on its way', { signal: controller.signal })
    controller.abort(new Error('too late'))
    await within(1000, sent)
    const next = link.send('behind it')
    expect(stream.frames.length).toBe(1)
    stream.giveRoom()
    await settle()
    expect(stream.frames.length).toBe(2)
    stream.giveRoom()
    await within(1000, next)
  })

  test('given an aborted signal, when something is sent, then nothing is', async () => {
    const { stream, link } = scripted()
    const signal = AbortSignal.abort(new Error('no'))
    expect(await failure(link.send(1, { signal }))).toMatchObject({ message: 'no' })
    expect(stream.written).toEqual([])
  })

  test.each(['throws', 'rejects'])(
    'given a transport that %s, when the other side had its reason, then the sends fail with that',
    async (how) => {
      const { stream, link } = scripted()
      if (how === 'throws') stream.writeError = new Error('stopped')
      stream.hasRoom = false
      const sends = [link.send(0), link.send(1)]
      if (how === 'rejects') stream.failWrite(new Error('stopped'))
      await settle()
      stream.receive(closeFrame(CloseReasons.TooSlow))
      for (const send of sends) {
        expect(await failure(send)).toMatchObject({ reason: CloseReasons.TooSlow, by: 'remote' })
      }
      expect(stream.aborted).toBeDefined()
      expect((await link.closed).code).toBe(10413)
    },
  )

  test('given a transport that fails, when the other side says nothing more, then it is 103 within the closing time', async () => {
    const { stream, clock, link } = scripted()
    stream.writeError = new Error('broken')
    const sends = [link.send(0), link.send(1)]
    await settle()
    clock.advance(1000)
    for (const send of sends) {
      expect(await failure(send)).toMatchObject({ reason: { code: 103 }, by: 'transport' })
    }
    expect(await failure(link.recv())).toMatchObject({ reason: { code: 103 } })
    expect(clock.pendingCount).toBe(0)
  })
})

describe('receiving', () => {
  test('given frames of both kinds, when they arrive before or after the wait begins, then they come in order', async () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame({ n: 1 }), bytesFrame(2, 9))
    expect(await link.recv()).toEqual({
      kind: 'message',
      value: { n: 1 },
      byteLength: encode({ n: 1 }).byteLength,
    })
    expect(await link.recv()).toEqual({ kind: 'bytes', bytes: new Uint8Array([9, 9]) })
    const third = link.recv()
    stream.receive(concatBytes(messageFrame('three'), messageFrame('four')))
    expect(await third).toMatchObject({ value: 'three' })
    expect(await receive(link, 1)).toEqual(['four'])
  })

  test('given frames that nobody takes, when there are 64, then the stream is paused, and resumed at half', async () => {
    const { stream, link } = scripted()
    for (let n = 0; n < 63; n++) stream.receive(messageFrame(n))
    expect(stream.isPaused).toBe(false)
    stream.receive(messageFrame(63))
    expect(stream.isPaused).toBe(true)
    expect(await receive(link, 31)).toEqual(Array.from({ length: 31 }, (_, n) => n))
    expect(stream.isPaused).toBe(true)
    await receive(link, 1)
    expect(stream.isPaused).toBe(false)
  })

  test('given frames that nobody takes, when they have 256 KiB, then the stream is paused, and resumed at half', async () => {
    const { stream, link } = scripted()
    for (let n = 0; n < 3; n++) stream.receive(bytesFrame(64 * KIB))
    expect(stream.isPaused).toBe(false)
    stream.receive(bytesFrame(64 * KIB))
    expect(stream.isPaused).toBe(true)
    await receive(link, 2)
    expect(stream.isPaused).toBe(true)
    await receive(link, 1)
    expect(stream.isPaused).toBe(false)
  })

  test('given one chunk with 1000 frames, when they are taken one by one, then all come and the stream is paused once', async () => {
    const { stream, link } = scripted()
    const frames = Array.from({ length: 1000 }, (_, n) => messageFrame(n))
    stream.receive(concatBytes(...frames))
    expect(stream.isPaused).toBe(true)
    expect(await receive(link, 1000)).toEqual(Array.from({ length: 1000 }, (_, n) => n))
    expect(stream.isPaused).toBe(false)
    expect(stream.pauseCount).toBe(1)
  })

  test('given a stream that delivers and ends from within resume, when frames are taken, then they come in order', async () => {
    const { stream, link } = scripted({ inboundFramesMax: 2 })
    stream.receive(messageFrame(0), messageFrame(1))
    stream.onResume = () => {
      stream.receive(messageFrame(2), messageFrame(3), messageFrame(4))
      stream.onResume = () => {
        stream.receive(messageFrame(5), closeFrame(CloseReasons.GracefulShutdown))
        stream.end()
      }
    }
    expect(await receive(link, 6)).toEqual([0, 1, 2, 3, 4, 5])
    expect(await failure(link.recv())).toMatchObject({ reason: CloseReasons.GracefulShutdown, by: 'remote' })
  })

  test('given a wait for a frame, when it is aborted, then no frame is lost and the link stays open', async () => {
    const { stream, clock, link } = scripted()
    const controller = new AbortController()
    const waiting = link.recv({ signal: controller.signal, timeoutMs: 100 })
    controller.abort(new Error('busy'))
    expect(await failure(waiting)).toMatchObject({ message: 'busy' })
    expect(clock.pendingCount).toBe(0)
    stream.receive(messageFrame('kept'))
    expect(await failure(link.recv({ signal: controller.signal }))).toMatchObject({ message: 'busy' })
    expect(await receive(link, 1)).toEqual(['kept'])
  })

  test('given a wait for a frame, when another begins, then that is a mistake of the program and the first goes on', async () => {
    const { stream, link } = scripted()
    const first = link.recv()
    expect(await failure(link.recv())).toMatchObject({ code: 'INVARIANT' })
    stream.receive(messageFrame('for the first'))
    expect(await first).toMatchObject({ value: 'for the first' })
  })

  test('N-5: given a link whose remote accepts but never sends, when the timeout elapses, then recv fails with Timeout and the link is closed', async () => {
    const { stream, clock, link } = scripted()
    const waiting = link.recv({ timeoutMs: 250 })
    clock.advance(249)
    expect(saidReason(stream)).toBeUndefined()
    clock.advance(1)
    const error = await failure(waiting)
    expect(error.code).toBe('TIMEOUT')
    expect(saidReason(stream)).toEqual({
      code: 104,
      name: 'Timeout',
      message: 'nothing was received within 250 ms',
    })
    expect(await failure(link.recv())).toMatchObject({ reason: { code: 104 }, by: 'local' })
    expect(await failure(link.send(1))).toMatchObject({ reason: { code: 104 }, by: 'local' })
    stream.end()
    expect((await link.closed).code).toBe(104)
    await settle()
    expect(clock.pendingCount).toBe(0)
  })

  test('given a frame that comes in time, when the timeout would have elapsed, then nothing happens', async () => {
    const { stream, clock, link } = scripted()
    const waiting = link.recv({ timeoutMs: 250 })
    stream.receive(messageFrame(1))
    await waiting
    expect(clock.pendingCount).toBe(0)
  })

  test.each<[string, Uint8Array, object]>([
    [
      'a header announcing more than the configured maximum',
      bytesFrame(256 * KIB).subarray(0, 5),
      {
        code: 413,
        message: `frame of ${256 * KIB + 1} bytes is over the limit of ${256 * KIB} bytes`,
      },
    ],
    ['an unknown kind', new Uint8Array([0, 0, 0, 1, 77]), { code: 400, message: 'frame of unknown kind 77' }],
    ['OPEN', openingFrame(FrameKind.open, network, undefined), { code: 400 }],
    ['ACCEPT', openingFrame(FrameKind.accept, network, undefined), { code: 400 }],
    ['an undecodable CLOSE', frameOf(FrameKind.close, new Uint8Array([0xc1]), KIB), { code: 400 }],
    ['an undecodable message', frameOf(FrameKind.message, new Uint8Array([0xc1]), KIB), { code: 400 }],
    ['an empty message', frameOf(FrameKind.message, new Uint8Array(0), KIB), { code: 400 }],
  ])(
    'given an opened link, when the remote sends %s, then what came before is delivered and the link closes',
    async (_, bytes, reason) => {
      const { stream, link } = scripted()
      stream.receive(messageFrame('before'), bytes, messageFrame('after'))
      expect(await receive(link, 1)).toEqual(['before'])
      const error = await failure(link.recv())
      expect(error).toMatchObject({ code: 'LINK_CLOSED', by: 'local', reason })
      expect(await failure(link.recv())).toMatchObject({ reason })
      expect(saidReason(stream)).toMatchObject(reason)
      stream.end()
      expect(await within(1000, link.closed)).toMatchObject(reason)
    },
  )

  test('given a garbage payload, when it is received by one who waits, then the cause is there and other links are unaffected', async () => {
    const { stream, link } = scripted()
    const [otherA, otherB] = linkPair({ protocol, peerA: peer, peerB: peer })
    const waiting = link.recv()
    stream.receive(frameOf(FrameKind.message, new Uint8Array([0xc1]), KIB))
    const error = await failure(waiting)
    expect(error).toMatchObject({ reason: { code: 400 }, cause: { code: 'CODEC_MALFORMED' } })
    await otherA.send('fine')
    expect(await receive(otherB, 1)).toEqual(['fine'])
    await otherA.close(CloseReasons.Success)
  })

  test('given any bytes on an open or opening link, when they arrive, then nothing is thrown and any end is a settled one', async () => {
    const anyFrame = fc
      .record({ kind: fc.constantFrom(...Object.values(FrameKind)), body: fc.uint8Array({ maxLength: 30 }) })
      .map(({ kind, body }) => frameOf(kind, body, KIB))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(anyFrame, fc.uint8Array({ maxLength: 30 })), { maxLength: 8 }),
        fc.boolean(),
        async (chunks, isOpen) => {
          const stream = new ScriptedByteStream()
          const clock = new ManualClock()
          const options = { stream, peer, protocol, network, clock }
          const link = isOpen
            ? Promise.resolve(openedLink(options, 'inbound', { open: 0, accept: 0 }))
            : acceptLink(options).then((incoming) => incoming.link)
          link.catch(() => {})
          stream.receive(...chunks)
          stream.end()
          await settle()
          clock.advance(10_000)
          await settle()
          expect(clock.pendingCount).toBe(0)
          expect(stream.frames.filter(({ kind }) => kind === FrameKind.close).length).toBe(1)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('receiving by schema', () => {
  const schema = z.object({ load: z.number() })

  test('given a message that fits, when it is received, then it is returned', async () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame({ load: 1 }))
    const { load } = await link.recvMessage(schema)
    expect(load).toBe(1)
  })

  test('given a message that does not fit, when it is received, then the link closes with 400 and the cause is there', async () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame({ load: 'high' }), messageFrame({ load: 2 }))
    const error = await failure(link.recvMessage(schema))
    expect(error).toMatchObject({ code: 'LINK_CLOSED', reason: { code: 400 }, by: 'local' })
    expect(error.cause).toMatchObject({ issues: [{ path: ['load'] }] })
    expect(saidReason(stream)?.code).toBe(400)
    expect(await failure(link.recvMessage(schema))).toMatchObject({ reason: { code: 400 } })
  })

  test('given bytes, when a message is due, then the link closes with 400', async () => {
    const { stream, link } = scripted()
    stream.receive(bytesFrame(1))
    expect(await failure(link.recvMessage(schema))).toMatchObject({ reason: { code: 400 } })
    expect(saidReason(stream)?.code).toBe(400)
  })

  test('N-16: given a message that does not fit, when the other side has closed already, then its reason stands', async () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame('odd'), closeFrame(CloseReasons.GracefulShutdown))
    expect(await failure(link.recvMessage(schema))).toMatchObject({
      reason: CloseReasons.GracefulShutdown,
      by: 'remote',
    })
  })
})

describe('the other side ends', () => {
  test.each<[string, (stream: ScriptedByteStream) => void]>([
    ['nothing follows', () => {}],
    ['the end of the stream follows at once', (stream) => stream.end()],
    ['a reset follows at once', (stream) => stream.end({ clean: false, error: new Error('reset') })],
  ])('given a remote that closes with code 401, when %s, then recv exposes 401', async (_, then) => {
    const { stream, link } = scripted()
    const waiting = link.recv()
    stream.receive(closeFrame(closeReason(CloseReasons.UnknownPeer, 'who are you')))
    then(stream)
    const error = await failure(waiting)
    expect(error).toMatchObject({ code: 'LINK_CLOSED', by: 'remote' })
    expect(error.reason).toEqual({ code: 401, name: 'UnknownPeer', message: 'who are you' })
  })

  test('given a remote that closes with code 401, when nobody receives at the time, then the link is closed all the same', async () => {
    const { stream, link } = scripted()
    stream.receive(closeFrame(CloseReasons.UnknownPeer))
    stream.end()
    expect((await within(1000, link.closed)).code).toBe(401)
    expect(await failure(link.send(1))).toMatchObject({ reason: CloseReasons.UnknownPeer })
  })

  test('given more frames than are kept, when CLOSE and the end follow them while paused, then all are delivered before the close', async () => {
    for (const clean of [true, false]) {
      const { stream, link } = scripted()
      const frames = Array.from({ length: 200 }, (_, n) => messageFrame(n))
      stream.receive(concatBytes(...frames, closeFrame(CloseReasons.NoCapacity)))
      expect(stream.isPaused).toBe(true)
      stream.end({ clean })
      expect((await within(1000, link.closed)).code).toBe(10509)
      expect(await receive(link, 200)).toEqual(Array.from({ length: 200 }, (_, n) => n))
      expect(await failure(link.recv())).toMatchObject({ reason: CloseReasons.NoCapacity, by: 'remote' })
    }
  })

  test('given a remote that closes, when it is heard, then Success is answered and the write side ends', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const waiting = [link.send('handed over'), link.send('waits')]
    stream.receive(closeFrame(CloseReasons.TooSlow))
    for (const send of waiting) expect(await failure(send)).toMatchObject({ reason: CloseReasons.TooSlow })
    expect(stream.frames.length).toBe(1)
    stream.hasRoom = true
    stream.giveRoom()
    await settle()
    expect(saidReason(stream)).toEqual({ code: 200, name: 'Success' })
    expect(stream.endWriteSignal).toBeDefined()
    stream.end()
    expect((await within(1000, link.closed)).code).toBe(10413)
    expect(stream.aborted).toBeUndefined()
  })

  test.each<[string, boolean]>([
    ['ends', true],
    ['is reset', false],
  ])(
    'N-20: given a stream that %s without a CLOSE, when frames came before, then they are delivered, then 103',
    async (_, clean) => {
      const { stream, link } = scripted()
      stream.receive(messageFrame(1), bytesFrame(10).subarray(0, 8))
      stream.end({ clean, error: new Error('by peer') })
      expect(await receive(link, 1)).toEqual([1])
      const error = await failure(link.recv())
      expect(error).toMatchObject({ by: 'transport', reason: { code: 103, name: 'UnexpectedClose' } })
      expect(error.reason.message).toBe(
        clean ? 'the stream ended inside a frame' : 'the stream broke: by peer',
      )
      expect((await within(1000, link.closed)).code).toBe(103)
    },
  )
})

describe('closing', () => {
  test('N-9: given queued outbound frames, when close(Success) is called, then the remote receives all frames before the close', async () => {
    const [a, b] = linkPair({ protocol, peerA: peer, peerB: peer, stream: { bufferedBytesMax: 1 } })
    const sends = Array.from({ length: 50 }, (_, n) => a.send(n))
    const closing = a.close(CloseReasons.Success)
    expect(await failure(a.send('too late'))).toMatchObject({ reason: CloseReasons.Success, by: 'local' })
    expect(await receive(b, 50)).toEqual(Array.from({ length: 50 }, (_, n) => n))
    expect(await failure(b.recv())).toMatchObject({ reason: { code: 200 }, by: 'remote' })
    await within(1000, Promise.all([...sends, closing]))
  })

  test('given a link, when it is closed again with another reason, then the first stays and both calls end', async () => {
    const [a, b] = linkPair({ protocol, peerA: peer, peerB: peer })
    const both = [a.close(CloseReasons.GracefulShutdown), a.close(CloseReasons.Cancelled)]
    await within(1000, Promise.all(both))
    a.abort(CloseReasons.Cancelled)
    await a.close(CloseReasons.Cancelled)
    expect(await a.closed).toBe(CloseReasons.GracefulShutdown)
    expect((await b.closed).code).toBe(204)
  })

  test('given a link that is closed on both sides at once, when both end, then each has its own reason', async () => {
    const [a, b] = linkPair({ protocol, peerA: peer, peerB: peer })
    await within(1000, Promise.all([a.close(CloseReasons.Success), b.close(CloseReasons.GracefulShutdown)]))
    expect([(await a.closed).code, (await b.closed).code]).toEqual([200, 204])
  })

  test('given a wait for a frame and frames not taken, when the link is closed here, then the wait fails and they are dropped', async () => {
    const { stream, link } = scripted()
    const waiting = link.recv()
    void link.close(CloseReasons.Success)
    expect(await failure(waiting)).toMatchObject({ reason: CloseReasons.Success, by: 'local' })

    const other = scripted()
    other.stream.receive(messageFrame('not taken'))
    void other.link.close(CloseReasons.Success)
    expect(await failure(other.link.recv())).toMatchObject({ by: 'local' })
    for (const each of [stream, other.stream]) each.end()
    await within(1000, Promise.all([link.closed, other.link.closed]))
  })

  test('given a paused stream, when the link is closed here, then it flows again so that its end can be seen', async () => {
    const { stream, link } = scripted({ inboundFramesMax: 1 })
    stream.receive(messageFrame(1))
    expect(stream.isPaused).toBe(true)
    stream.onResume = () => {
      stream.receive(messageFrame(2), new Uint8Array(100).fill(0xff))
      stream.end()
    }
    await within(1000, link.close(CloseReasons.Success))
    expect(stream.aborted).toBeUndefined()
  })

  test('given a stream that breaks from within resume, when the link is closed here, then it is over and nothing follows', async () => {
    const { stream, clock, link } = scripted({ inboundFramesMax: 1 })
    stream.receive(messageFrame(1))
    stream.onResume = () => stream.end({ clean: false, error: new Error('reset') })
    await within(1000, link.close(CloseReasons.Success))
    expect(stream.aborted).toBeDefined()
    expect(clock.pendingCount).toBe(0)
    expect(await link.closed).toBe(CloseReasons.Success)
  })

  test('given a remote that does not end its side, when the timeout passes, then the stream is reset and close returns', async () => {
    const { stream, clock, link } = scripted()
    const closing = link.close(CloseReasons.Success)
    await settle()
    clock.advance(999)
    expect(stream.aborted).toBeUndefined()
    clock.advance(1)
    await within(1000, closing)
    expect(stream.aborted).toMatchObject({ code: 'LINK_CLOSED', reason: CloseReasons.Success })
    expect(await link.closed).toBe(CloseReasons.Success)
  })

  test('given a transport without room, when the time to close is up, then the sends that wait fail', async () => {
    const { stream, clock, link } = scripted()
    stream.hasRoom = false
    const sends = [link.send(0), link.send(1)]
    const closing = link.close(CloseReasons.GracefulShutdown, { timeoutMs: 50 })
    clock.advance(50)
    for (const send of sends)
      expect(await failure(send)).toMatchObject({ reason: CloseReasons.GracefulShutdown })
    await within(1000, closing)
    expect(stream.frames.length).toBe(1)
    expect(clock.pendingCount).toBe(0)
  })

  test('given a transport whose end of writing hangs, when the time to close is up, then its signal is aborted and close returns', async () => {
    const { stream, clock, link } = scripted()
    stream.endsWriting = false
    const closing = link.close(CloseReasons.Success)
    await settle()
    stream.end()
    clock.advance(1000)
    await within(1000, closing)
    expect(stream.endWriteSignal?.aborted).toBe(true)
    expect(stream.aborted).toBeDefined()
  })

  test('given a link, when it is aborted, then the reason is tried, the stream reset, and everybody told at once', async () => {
    const { stream, clock, link } = scripted()
    const waiting = link.recv()
    link.abort(CloseReasons.Cancelled)
    expect(saidReason(stream)?.code).toBe(102)
    expect(stream.aborted).toMatchObject({ code: 'LINK_CLOSED' })
    expect(await failure(waiting)).toMatchObject({ reason: CloseReasons.Cancelled, by: 'local' })
    expect(await link.closed).toBe(CloseReasons.Cancelled)
    expect(await failure(link.sendFrame(bytesFrame(1)))).toMatchObject({ code: 'LINK_CLOSED' })
    expect(clock.pendingCount).toBe(0)
  })

  test('given a transport without room, when the link is aborted, then nothing more is written', async () => {
    const { stream, link } = scripted()
    stream.hasRoom = false
    const sends = [link.send(0), link.send(1)]
    link.abort(CloseReasons.Cancelled)
    for (const send of sends) expect(await failure(send)).toMatchObject({ reason: CloseReasons.Cancelled })
    expect(stream.frames.length).toBe(1)
    stream.failWrite(new Error('was reset'))
    await link.closed
  })

  test('given a link that is being closed, when it is aborted, then the rest is cut short and the reason stays', async () => {
    const { stream, link } = scripted()
    const closing = link.close(CloseReasons.GracefulShutdown)
    link.abort(CloseReasons.Cancelled)
    await within(1000, closing)
    expect(stream.aborted).toBeDefined()
    expect(await link.closed).toBe(CloseReasons.GracefulShutdown)
  })

  test('given a link in a block, when the block is left, then the link is closed with Success', async () => {
    const [a, b] = linkPair({ protocol, peerA: peer, peerB: peer })
    {
      await using scoped = a
      await scoped.send('bye')
    }
    expect(await receive(b, 1)).toEqual(['bye'])
    expect((await b.closed).code).toBe(200)
  })
})

describe('observing', () => {
  test('given an observer, when a link lives and ends, then it is told of its opening, its bytes with framing, and its end', async () => {
    const events: unknown[] = []
    const observer: LinkObserver = {
      onOpened: () => events.push('opened'),
      onBytesSent: (byteCount) => events.push(['sent', byteCount]),
      onBytesReceived: (byteCount) => events.push(['received', byteCount]),
      onClosed: (reason, by) => events.push(['closed', reason.code, by]),
    }
    const { stream, link } = scripted({}, observer)
    expect(link.sendFrame(bytesFrame(10))).toBeUndefined()
    stream.receive(bytesFrame(20))
    stream.receive(closeFrame(CloseReasons.NoCapacity))
    stream.end()
    await within(1000, link.closed)
    const answer = closeFrame(CloseReasons.Success).byteLength
    const close = closeFrame(CloseReasons.NoCapacity).byteLength
    expect(events).toEqual([
      'opened',
      ['sent', 15],
      ['received', 25],
      ['received', close],
      ['sent', answer],
      ['closed', 10509, 'remote'],
    ])
  })

  test('given a link that is refused while opening, when it ends, then it is counted as closed and never as opened', async () => {
    const events: unknown[] = []
    const observer: LinkObserver = {
      onOpened: () => events.push('opened'),
      onClosed: ({ code }, by) => events.push([code, by]),
    }
    const { opened, incoming } = opening({ network: digestOf('another'), observer }, { observer })
    await failure(opened)
    await failure(incoming)
    await settle()
    expect(events).toHaveLength(2)
    expect(events).toEqual(
      expect.arrayContaining([
        [101, 'local'],
        [101, 'remote'],
      ]),
    )
  })
})

describe('whatever two ends do', () => {
  const end = fc.constantFrom<(0 | 1)[]>(0, 1)
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant<'send'>('send'), end, bytes: fc.nat({ max: 2000 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant<'send-frame'>('send-frame'),
        end,
        bytes: fc.nat({ max: 3000 }),
      }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant<'recv'>('recv'), end }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant<'turn'>('turn') }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant<'pass'>('pass'), ms: fc.nat({ max: 900 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom<('close' | 'abort' | 'cancel')[]>('close', 'abort', 'cancel'),
        end,
      }),
    },
  )
  const world = fc.record({
    bufferedBytesMax: fc.integer({ min: 1, max: 4000 }),
    copies: fc.boolean(),
    limits: fc.record({
      inboundFramesMax: fc.integer({ min: 1, max: 8 }),
      inboundBytesMax: fc.integer({ min: 1, max: 4000 }),
      waitingSendsMax: fc.integer({ min: 1, max: 4 }),
    }),
    steps: fc.array(step, { minLength: 20, maxLength: 80 }),
  })

  test('given any operations in any order, when the end comes, then frames kept their order, everything settled and no timer is left', async () => {
    await fc.assert(
      fc.asyncProperty(world, async ({ bufferedBytesMax, copies, limits, steps }) => {
        const clock = new ManualClock()
        let closedCount = 0
        const observer: LinkObserver = { onClosed: () => closedCount++ }
        const links = linkPair({
          protocol,
          peerA: peer,
          peerB: peer,
          limits,
          clock,
          observer,
          stream: { bufferedBytesMax, copies },
        })
        const cancels = [new AbortController(), new AbortController()]
        const sentCounts = [0, 0]
        const received: [number[], number[]] = [[], []]
        const isReceiving = [false, false]
        const operations: Promise<unknown>[] = []
        const track = (operation: Promise<unknown> | undefined): void => {
          if (operation !== undefined) operations.push(operation.catch(() => {}))
        }
        for (const next of steps) {
          if (next.do === 'turn') await new Promise((resolve) => setImmediate(resolve))
          else if (next.do === 'pass') clock.advance(next.ms)
          else {
            const link = links[next.end]
            const { signal } = cancels[next.end]!
            if (next.do === 'send')
              track(link.send([sentCounts[next.end]!++, new Uint8Array(next.bytes)], { signal }))
            else if (next.do === 'send-frame') track(link.sendFrame(bytesFrame(next.bytes)))
            else if (next.do === 'close') track(link.close(CloseReasons.Success))
            else if (next.do === 'abort') link.abort(CloseReasons.Cancelled)
            else if (next.do === 'cancel') {
              cancels[next.end]!.abort(new Error('cancelled'))
              cancels[next.end] = new AbortController()
            } else if (!isReceiving[next.end]) {
              isReceiving[next.end] = true
              const receiving = link.recv({ signal, timeoutMs: 2000 }).then((frame) => {
                if (frame.kind === 'message') received[next.end].push((frame.value as [number])[0])
              })
              track(receiving.finally(() => (isReceiving[next.end] = false)))
            }
          }
        }
        for (const link of links) track(link.close(CloseReasons.GracefulShutdown))
        for (let i = 0; i < 4; i++) {
          await new Promise((resolve) => setImmediate(resolve))
          clock.advance(1000)
        }
        await within(2000, Promise.all([...operations, ...links.map((link) => link.closed)]))
        for (const numbers of received) {
          expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
        }
        expect(clock.pendingCount).toBe(0)
        expect(closedCount).toBe(2)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a link that delivers to a receiver', () => {
  /** What a receiver is told, in order. */
  function receiver(onFrame: (frame: Frame) => void = () => {}) {
    const told: unknown[] = []
    return {
      told,
      onFrame: (frame: Frame): void => {
        told.push(...values([frame]))
        onFrame(frame)
      },
      onEnded: ({ reason }: LinkClosedError): void => void told.push(reason.code),
    }
  }

  test('given frames that were kept, then those come first, and what follows comes as it arrives, in order and at once', () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame(1), messageFrame(2))
    const { told, ...handlers } = receiver()
    link.deliverTo(handlers)
    expect(told).toEqual([1, 2])
    stream.receive(bytesFrame(5), messageFrame(3))
    expect(told).toEqual([1, 2, 5, 3])
    stream.receive(closeFrame(CloseReasons.NotAllowed))
    expect(told).toEqual([1, 2, 5, 3, CloseReasons.NotAllowed.code])
  })

  test('given kept frames that had made it pause, then what arrives when it reads on comes behind them', () => {
    const { stream, link } = scripted({ inboundFramesMax: 2 })
    stream.receive(messageFrame(1), messageFrame(2))
    expect(stream.isPaused).toBe(true)
    stream.onResume = () => stream.receive(messageFrame(3))
    const { told, ...handlers } = receiver()
    link.deliverTo(handlers)
    expect(told).toEqual([1, 2, 3])
    stream.receive(messageFrame(4))
    expect([told, stream.isPaused]).toEqual([[1, 2, 3, 4], false])
  })

  test('given a receiver that ends the link over a frame, then it is told the end once, and sees no frame behind it', () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame(1), messageFrame(2))
    const { told, ...handlers } = receiver(() => void link.close(CloseReasons.Cancelled))
    link.deliverTo(handlers)
    stream.receive(messageFrame(3))
    expect(told).toEqual([1, CloseReasons.Cancelled.code])
  })

  test('given a chunk with frames behind the one over which the link is ended, then those are not seen either', () => {
    const { stream, link } = scripted()
    const { told, ...handlers } = receiver(() => void link.close(CloseReasons.Cancelled))
    link.deliverTo(handlers)
    stream.receive(concatBytes(messageFrame(1), messageFrame(2)))
    expect(told).toEqual([1, CloseReasons.Cancelled.code])
  })

  test('given a message that cannot be decoded, then the receiver does not see it, and is told the end', () => {
    const { stream, link } = scripted()
    const { told, ...handlers } = receiver()
    link.deliverTo(handlers)
    stream.receive(frameOf(FrameKind.message, Uint8Array.of(0xc1), KIB), messageFrame(2))
    expect(told).toEqual([CloseReasons.ProtocolViolation.code])
  })

  test('given a link that has ended, then its receiver is told what came before the end, and that', () => {
    const { stream, link } = scripted()
    stream.receive(messageFrame(1), closeFrame(CloseReasons.NotAllowed))
    const { told, ...handlers } = receiver()
    link.deliverTo(handlers)
    expect(told).toEqual([1, CloseReasons.NotAllowed.code])
  })

  test('given a receiver, then there is no second one, and nobody else receives', async () => {
    const { link } = scripted()
    link.deliverTo(receiver())
    expect(() => link.deliverTo(receiver())).toThrow('one receiver')
    await expect(link.recv()).rejects.toThrow('one receiver')
  })

  test('given a link that is over, then it says so, also to who asks late', async () => {
    const { stream, link } = scripted()
    expect(link.isOver).toBe(false)
    link.abort(CloseReasons.Cancelled)
    expect([link.isOver, stream.aborted]).toEqual([true, expect.any(Error)])
    expect(await link.closed).toMatchObject({ code: CloseReasons.Cancelled.code })
  })
})
