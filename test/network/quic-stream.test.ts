import type { Logger } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import { ManualClock, nextTurn } from '#framework/primitives'
import { QuicStream } from '../../framework/network/quic/stream.js'
import { FakeNativeStream } from './fake-native-stream.js'

const log = Object.assign(() => {}, { error() {}, trace() {}, enabled: false }) as unknown as Logger
log.newScope = () => log

function make() {
  const native = new FakeNativeStream()
  const clock = new ManualClock()
  const stream = new QuicStream({ native, clock, log, direction: 'outbound' })
  const heard: string[] = []
  const closed: string[] = []
  stream.addEventListener('close', ({ error }) => closed.push(error?.name ?? 'clean'))
  const listen = (): void =>
    stream.addEventListener('message', ({ data }) => heard.push(Buffer.from(data.subarray()).toString()))
  return { native, clock, stream, heard, closed, listen }
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('a QUIC stream', () => {
  test('given many sends, has never more than one native write under way, in order and without loss', async () => {
    const { native, stream } = make()
    const sent = Array.from({ length: 50 }, (_, i) => `${i},`)
    for (const each of sent) expect(stream.send(text(each))).toBe(false)
    expect(native.written).toHaveLength(1)
    while (Buffer.concat(native.written).length < sent.join('').length) await native.finishOneWrite()
    expect(Buffer.concat(native.written).toString()).toBe(sent.join(''))
  })

  test('given a very large send, hands it over in pieces, so that an abort does not have to wait for all of it', async () => {
    const { native, stream } = make()
    stream.send(new Uint8Array(1_000_000))
    expect(native.written[0]!.byteLength).toBeLessThanOrEqual(256 * 1024)
    stream.abort(new Error('enough'))
    await native.finishOneWrite()
    expect(native.written).toHaveLength(1)
    expect(native.calls).toEqual(expect.arrayContaining(['resetWrite', 'stopRead']))
  })

  test('given a pause, asks for nothing more than it has asked for, and goes on when resumed', async () => {
    const { native, stream, heard, listen } = make()
    listen()
    await native.arrive(text('one'))
    stream.pause()
    await native.arrive(text('two'))
    expect(native.isReading).toBe(false)
    expect(heard).toEqual(['one'])
    stream.resume()
    await nextTurn()
    expect(heard).toEqual(['one', 'two'])
    expect(native.isReading).toBe(true)
  })

  test('given a short read, asks for more only when those who wait for it are done; behind a long one, at once', async () => {
    const { native, stream } = make()
    const seen: boolean[] = []
    stream.addEventListener('message', () => {
      // As many microtasks as it takes a datum to reach the application, and more.
      let later = Promise.resolve()
      for (let n = 0; n < 50; n++) later = later.then(() => {})
      void later.then(() => seen.push(native.isReading))
    })
    await native.arrive(text('short'))
    expect(seen).toEqual([false])
    expect(native.isReading).toBe(true)
    await native.arrive(new Uint8Array(64 * 1024))
    expect(seen).toEqual([false, true])
  })

  test('given nobody who listens yet, reads a little ahead only', async () => {
    const { native, heard, listen } = make()
    await native.arrive(new Uint8Array(64 * 1024))
    await native.arrive(new Uint8Array(64 * 1024))
    expect(native.isReading).toBe(false)
    listen()
    await nextTurn()
    expect(heard.join('').length).toBe(128 * 1024)
    expect(native.isReading).toBe(true)
  })

  test('given a reset by the other side, is reset, and gives up its own direction too', async () => {
    const { native, stream, closed } = make()
    await native.failRead('stream reset by peer: error 0')
    expect(stream.status).toBe('reset')
    expect(closed).toEqual(['StreamResetError'])
    expect(native.calls).toContain('resetWrite')
  })

  test('given a lost connection, is aborted', async () => {
    const { native, stream, closed } = make()
    await native.failRead('connection lost')
    expect(stream.status).toBe('aborted')
    expect(closed).toHaveLength(1)
  })

  test('given a write that the other side stops, still hears its last words before it ends', async () => {
    const { native, stream, heard, listen, clock } = make()
    listen()
    stream.send(text('x'))
    await native.failWrite('sending stopped by peer: error 0')
    expect(stream.status).toBe('open')
    await native.arrive(text('because'))
    await native.failRead('stream reset by peer: error 0')
    expect(heard).toEqual(['because'])
    expect(stream.status).toBe('reset')
    expect(clock.pendingCount).toBe(0)
  })

  test('given a write that the other side stops without another word, ends after a second', async () => {
    const { native, stream, clock } = make()
    stream.send(text('x'))
    await native.failWrite('sending stopped by peer: error 0')
    clock.advance(1000)
    expect(stream.status).toBe('aborted')
  })

  test('given the end of the data and its own, is closed cleanly', async () => {
    const { native, stream, closed } = make()
    stream.send(text('all'))
    const closing = stream.close()
    expect(native.calls).not.toContain('finishWrite')
    await native.finishOneWrite()
    await closing
    expect(native.calls).toContain('finishWrite')
    expect(closed).toEqual([])
    await native.arrive(null)
    expect(stream.status).toBe('closed')
    expect(closed).toEqual(['clean'])
  })

  test('given that nothing more is wanted, tells the other side and ends with its own direction', async () => {
    const { native, stream, closed, listen, heard } = make()
    listen()
    await stream.closeRead()
    expect(native.calls).toContain('stopRead')
    await native.failRead('closed stream')
    expect(stream.status).toBe('open')
    await stream.close()
    expect([stream.status, closed, heard]).toEqual(['closed', ['clean'], []])
  })
})
