import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  CloseReasons,
  closeReason,
  describeCloseReason,
  LinkClosedError,
} from '../../framework/network/close-reason.js'
import { CLOSE_FRAME_BYTES_MAX, FrameError, FrameKind, FrameReader } from '../../framework/network/frame.js'
import { closeFrame, readClose } from '../../framework/network/link-messages.js'
import { encode, isMosaikError, peerIdFromHex } from '#framework/primitives'
import { anyText } from '../support/any-text.js'

const peer = peerIdFromHex('ab'.repeat(32))

function travel(frame: Uint8Array): ReturnType<typeof readClose> {
  const reader = new FrameReader(16)
  reader.push(frame)
  const read = reader.next()
  expect(read?.kind).toBe(FrameKind.close)
  return readClose(read!.body)
}

describe('close reasons', () => {
  test('given the table, when its codes are listed, then they are those of the specification and each is there once', () => {
    const codes = Object.fromEntries(Object.values(CloseReasons).map(({ code, name }) => [name, code]))
    expect(codes).toEqual({
      InvalidAlpn: 100,
      DifferentNetwork: 101,
      Cancelled: 102,
      UnexpectedClose: 103,
      Timeout: 104,
      Success: 200,
      GracefulShutdown: 204,
      Pruned: 205,
      ProtocolViolation: 400,
      UnknownPeer: 401,
      NotFound: 404,
      FrameTooLarge: 413,
      TooManyRequests: 429,
      NotAllowed: 10403,
      StreamNotFound: 10404,
      SchemaMismatch: 10409,
      TooSlow: 10413,
      NoCapacity: 10509,
    })
    for (const [key, { name }] of Object.entries(CloseReasons)) expect(key).toBe(name)
  })

  test('given a reason with words, when it is described, then code, name and words are there', () => {
    const reason = closeReason(CloseReasons.UnknownPeer, 'not in my catalog')
    expect(describeCloseReason(reason)).toBe('401 UnknownPeer: not in my catalog')
    expect(describeCloseReason(closeReason(reason, ''))).toBe('401 UnknownPeer')
    expect(CloseReasons.UnknownPeer).toEqual({ code: 401, name: 'UnknownPeer' })
  })

  test('given any reason, when it travels, then it arrives, its texts cut and printable', () => {
    fc.assert(
      fc.property(
        fc.record({
          code: fc.nat({ max: 0xffff_ffff }),
          name: anyText({ maxLength: 200 }),
          message: anyText({ maxLength: 3000 }),
        }),
        (reason) => {
          const frame = closeFrame(reason)
          expect(frame.byteLength).toBeLessThanOrEqual(CLOSE_FRAME_BYTES_MAX)
          const arrived = travel(frame)
          expect(arrived.code).toBe(reason.code)
          expect(`${arrived.name}${arrived.message ?? ''}`).not.toMatch(/\p{Cc}/u)
        },
      ),
    )
    expect(travel(closeFrame(closeReason(CloseReasons.TooSlow, 'ten\nlines\u001b[31m')))).toEqual({
      code: 10413,
      name: 'TooSlow',
      message: 'ten lines [31m',
    })
  })

  test('given texts that are far too long, when a reason travels, then they are cut', () => {
    const { name, message } = travel(
      closeFrame({ code: 1, name: 'n'.repeat(9999), message: 'm'.repeat(9999) }),
    )
    expect([name.length, message?.length]).toEqual([64, 512])
  })

  test('given a code and fields that only a newer peer knows, when they arrive, then the reason is readable', () => {
    expect(readClose(encode({ code: 777, name: 'Moved', to: 'elsewhere' }))).toEqual({
      code: 777,
      name: 'Moved',
    })
  })

  test.each([
    ['nothing', new Uint8Array(0)],
    ['garbage', new Uint8Array([0xc1])],
    ['no map', encode([1, 2])],
    ['null', encode(null)],
    ['no code', encode({ name: 'x' })],
    ['a fractional code', encode({ code: 1.5, name: 'x' })],
    ['a negative code', encode({ code: -1, name: 'x' })],
    ['no name', encode({ code: 1 })],
    ['a message that is no text', encode({ code: 1, name: 'x', message: 7 })],
  ])('given a CLOSE with %s, when it is read, then it is a protocol violation', (_, body) => {
    expect(() => readClose(body)).toThrow(FrameError)
    expect(() => readClose(body)).toThrow(
      expect.objectContaining({ reason: expect.objectContaining({ code: 400 }) }),
    )
  })

  test('given a closed link, when an operation fails for it, then the error says what, with whom, by whom and why', () => {
    const reason = closeReason(CloseReasons.NoCapacity, '3 of 3 taken')
    const error = new LinkClosedError(reason, 'remote', { peer, protocol: '/test/1' })
    expect(error).toMatchObject({ code: 'LINK_CLOSED', reason, by: 'remote', name: 'LinkClosedError' })
    expect(error.details).toEqual({ reason, by: 'remote', peer, protocol: '/test/1' })
    expect(error.message).toBe(
      'link /test/1 with peer ababababab was closed (remote): 10509 NoCapacity: 3 of 3 taken',
    )
    expect(isMosaikError(error, 'LINK_CLOSED')).toBe(true)
  })
})
