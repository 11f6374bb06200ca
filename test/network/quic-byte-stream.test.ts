import { describe, expect, test } from '@jest/globals'
import { nextTurn } from '#framework/primitives'
import { QuicByteStream } from '../../framework/network/quic/byte-stream.js'
import { Answer, proposalOf, refusal } from '../../framework/network/quic/negotiation.js'
import type { ByteStreamEnd } from '../../framework/network/byte-stream.js'
import { FakeNativeStream } from './fake-native-stream.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const said = proposalOf('/tests/1')
const RESET = 'stream reset by peer: error 0'

function make(init: { readonly answer?: Answer; readonly unread?: Uint8Array } = {}) {
  const native = new FakeNativeStream()
  let overCount = 0
  const stream = new QuicByteStream({ native, preface: said, onOver: () => overCount++, ...init })
  const heard: string[] = []
  const ends: ByteStreamEnd[] = []
  const start = (): void =>
    stream.start({
      onBytes: (chunk) => void heard.push(Buffer.from(chunk).toString()),
      onEnd: (end) => void ends.push(end),
    })
  return { native, stream, heard, ends, start, isOver: () => overCount > 0 }
}

describe('a QUIC stream for a link', () => {
  test('given its first write, says what it is for in one go with it, and never again', async () => {
    const { native, stream } = make()
    const first = stream.write(text('one'))
    await native.finishOneWrite()
    await first
    void stream.write(text('two'))
    expect(native.written.map((bytes) => Buffer.from(bytes).toString())).toEqual([
      `${Buffer.from(said).toString()}one`,
      'two',
    ])
  })

  test('given a very large write, hands it over in pieces, and stops when it is aborted', async () => {
    const { native, stream } = make()
    const writing = stream.write(new Uint8Array(1_000_000))
    expect(native.written[0]!.byteLength).toBe(256 * 1024)
    await native.finishOneWrite()
    expect(native.written).toHaveLength(2)
    stream.abort(new Error('enough'))
    await expect(writing).rejects.toThrow('enough')
    await native.finishOneWrite()
    expect(native.written).toHaveLength(2)
    expect(native.calls).toEqual(expect.arrayContaining(['resetWrite', 'stopRead']))
  })

  test('given nobody who listens yet, reads nothing; what had come with the proposal is heard first', async () => {
    const { native, heard, start } = make({ unread: text('early') })
    expect(native.isReading).toBe(false)
    start()
    expect(heard).toEqual([])
    await nextTurn()
    await nextTurn()
    expect(heard).toEqual(['early'])
    await native.arrive(text('late'))
    expect(heard).toEqual(['early', 'late'])
  })

  test('given a pause, asks for nothing more than it has asked for, and goes on when resumed', async () => {
    const { native, stream, heard, ends, start } = make()
    start()
    stream.pause()
    await native.arrive(text('asked for before'))
    expect(native.isReading).toBe(false)
    stream.resume()
    stream.pause()
    stream.resume()
    expect(native.isReading).toBe(true)
    await native.arrive(null)
    expect([heard, ends]).toEqual([['asked for before'], [{ clean: true }]])
  })

  test('given a short read, asks for more only when those who wait for it are done; behind a long one, at once', async () => {
    const { native, start } = make()
    start()
    const arriving = native.arrive(text('short'))
    await Promise.resolve().then(() => {})
    expect(native.isReading).toBe(false)
    await arriving
    expect(native.isReading).toBe(true)
    const second = native.arrive(new Uint8Array(64 * 1024))
    await Promise.resolve().then(() => {})
    expect(native.isReading).toBe(true)
    await second
  })

  test('given a short read that was filled, asks for the rest at once', async () => {
    const { native, start } = make()
    start()
    const arriving = native.arrive(new Uint8Array(1024))
    await Promise.resolve().then(() => {})
    expect(native.calls).toEqual(['read 1024', 'read 4096'])
    await arriving
  })

  test('given an answer that agrees, delivers what comes behind it, in pieces or not', async () => {
    const { native, heard, start } = make({ answer: new Answer(said) })
    start()
    await native.arrive(said.subarray(0, 7))
    await native.arrive(Buffer.concat([said.subarray(7), text('accepted')]))
    await native.arrive(text('!'))
    expect(heard).toEqual(['accepted', '!'])
  })

  test('given an answer that the protocol is unknown, breaks off and says so', async () => {
    const { native, stream, heard, ends, start, isOver } = make({ answer: new Answer(said) })
    start()
    await native.arrive(refusal())
    expect(stream.isProtocolUnknown).toBe(true)
    expect(ends).toEqual([{ clean: false, error: expect.objectContaining({ code: 'PROTOCOL_UNKNOWN' }) }])
    expect(heard).toEqual([])
    expect(native.calls).toEqual(expect.arrayContaining(['resetWrite', 'stopRead']))
    expect(isOver()).toBe(true)
  })

  test('given the end of the data before the answer, that is no clean end', async () => {
    const { native, stream, ends, start } = make({ answer: new Answer(said) })
    start()
    await native.arrive(null)
    expect(ends).toEqual([{ clean: false, error: expect.any(Error) }])
    expect(stream.isProtocolUnknown).toBe(false)
  })

  test('given a reset by the other side, ends uncleanly, fails the write under way, and gives up its own direction', async () => {
    const { native, stream, ends, start, isOver } = make()
    start()
    const writing = stream.write(text('x'))
    const failed = expect(writing).rejects.toThrow('reset')
    await native.failRead(RESET)
    await failed
    expect(ends).toEqual([
      { clean: false, error: expect.objectContaining({ message: expect.stringContaining('reset') }) },
    ])
    expect(native.calls).toContain('resetWrite')
    expect(isOver()).toBe(true)
    expect(() => stream.write(text('y'))).toThrow('reset')
  })

  test('given a write that the other side stops, fails it and still hears the last words', async () => {
    const { native, stream, heard, ends, start } = make()
    start()
    const writing = stream.write(text('x'))
    const failed = expect(writing).rejects.toThrow('sending stopped by peer')
    await native.failWrite('sending stopped by peer: error 0')
    await failed
    await native.arrive(text('because'))
    await native.failRead(RESET)
    expect(heard).toEqual(['because'])
    expect(ends).toHaveLength(1)
  })

  test.each(['reading', 'writing'])(
    'given both ends in order, %s first, is over and clean',
    async (first) => {
      const { native, stream, ends, start, isOver } = make()
      start()
      const endWriting = (): Promise<void> => stream.endWrite({ signal: AbortSignal.timeout(1_000) })
      if (first === 'writing') await endWriting()
      await native.arrive(null)
      expect(isOver()).toBe(first === 'writing')
      if (first === 'reading') await endWriting()
      expect(isOver()).toBe(true)
      expect(ends).toEqual([{ clean: true }])
      expect(native.calls.filter((call) => call === 'finishWrite')).toHaveLength(1)
      expect(() => stream.write(text('more'))).toThrow('ended')
    },
  )

  test('given an abort before anybody listens, whoever then does is told the end', async () => {
    const { stream, ends, start } = make()
    stream.abort(new Error('gone'))
    start()
    await nextTurn()
    expect(ends).toEqual([{ clean: false, error: expect.objectContaining({ message: 'gone' }) }])
  })

  test('given an end of writing that takes too long, rejects with the reason of the signal', async () => {
    const { native, stream } = make()
    native.finishWrite = () => new Promise(() => {})
    const giveUp = new AbortController()
    const ending = stream.endWrite({ signal: giveUp.signal })
    giveUp.abort(new Error('too long'))
    await expect(ending).rejects.toThrow('too long')
  })
})
