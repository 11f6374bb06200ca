import type { Logger } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import { nextTurn } from '#framework/primitives'
import { End } from './connected-pair.js'

const log = Object.assign(() => {}, { error() {}, trace() {}, enabled: false }) as unknown as Logger
log.newScope = () => log

/** A libp2p stream without a network: a test says what its transport does. */
class FakeStream extends AbstractStream {
  readonly sent: string[] = []
  /** How many more bytes the transport takes. */
  room = Infinity

  constructor() {
    super({ id: '1', log, direction: 'outbound' })
  }

  sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    const bytes = data.subarray(0, Math.min(data.byteLength, this.room))
    this.sent.push(Buffer.from(bytes).toString())
    this.room -= bytes.byteLength
    return { sentBytes: bytes.byteLength, canSendMore: this.room > 0 }
  }

  /** The transport takes so many bytes more. */
  drain(room: number): void {
    this.room = room
    this.safeDispatchEvent('drain')
  }

  sendReset(): void {}
  sendPause(): void {}
  sendResume(): void {}
  async sendCloseWrite(): Promise<void> {}
  async sendCloseRead(): Promise<void> {}
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function make(): { stream: FakeStream; end: End } {
  const stream = new FakeStream()
  return { stream, end: End.of(stream) }
}

describe('a byte stream over a libp2p stream', () => {
  test('given room, takes bytes without a promise', () => {
    const { stream, end } = make()
    expect(end.stream.write(text('one'))).toBeUndefined()
    expect(stream.sent).toEqual(['one'])
  })

  test('given no room, promises, and keeps the promise only when everything was taken', async () => {
    const { stream, end } = make()
    stream.room = 2
    let hasRoom = false
    const writing = end.stream.write(text('abcdef'))
    void writing?.then(() => (hasRoom = true))
    stream.drain(2)
    await nextTurn()
    expect([stream.sent, hasRoom]).toEqual([['ab', 'cd'], false])
    stream.drain(10)
    await nextTurn()
    expect([stream.sent, hasRoom]).toEqual([['ab', 'cd', 'ef'], true])
  })

  test('given the end of a connection without the end of the data, has no clean end', () => {
    const { stream, end } = make()
    stream.onData(text('half'))
    stream.onTransportClosed()
    expect(end.text).toBe('half')
    expect(end.end).toMatchObject({ clean: false })
  })

  test('given the end of the data and then that of the connection, has a clean end, told once', () => {
    const { stream, end } = make()
    stream.onRemoteCloseWrite()
    expect(end.end).toEqual({ clean: true })
    const told = end.end
    stream.onTransportClosed()
    expect(end.end).toBe(told)
  })

  test('given a pause, holds what is there until resumed, and the end behind it, whatever kind', () => {
    for (const [finish, clean] of [
      [(stream: FakeStream) => stream.onRemoteCloseWrite(), true],
      [(stream: FakeStream) => stream.onTransportClosed(), false],
      [(stream: FakeStream) => stream.onRemoteReset(), false],
    ] as const) {
      const { stream, end } = make()
      end.stream.pause()
      end.stream.pause()
      stream.onData(text('held'))
      finish(stream)
      expect([end.text, end.end]).toEqual(['', undefined])
      end.stream.resume()
      expect(end.text).toBe('held')
      expect(end.end?.clean).toBe(clean)
      end.stream.resume()
    }
  })

  test('given what came before anybody started, delivers it, and the end', async () => {
    const stream = new FakeStream()
    stream.onData(text('early'))
    stream.onRemoteCloseWrite()
    const end = End.of(stream)
    await nextTurn()
    expect([end.text, end.end]).toEqual(['early', { clean: true }])
  })

  test('given a stream that was over before anybody started, tells its end', async () => {
    for (const [finish, clean] of [
      [(stream: FakeStream) => stream.onRemoteCloseWrite(), true],
      [(stream: FakeStream) => stream.onTransportClosed(), false],
      [(stream: FakeStream) => stream.abort(new Error('over')), false],
      [(stream: FakeStream) => stream.onRemoteReset(), false],
    ] as const) {
      const stream = new FakeStream()
      finish(stream)
      const end = End.of(stream)
      await nextTurn()
      expect(end.end?.clean).toBe(clean)
    }
  })

  test.each([
    ['a reset', (stream: FakeStream) => stream.onRemoteReset(), /reset/],
    ['an abort', (stream: FakeStream) => stream.abort(new Error('cut')), /cut/],
    ['the end of the connection', (stream: FakeStream) => stream.onTransportClosed(), /over/],
  ])(
    'given %s while a write waits for room, the write fails and so do later ones',
    async (_, finish, why) => {
      const { stream, end } = make()
      stream.room = 1
      const writing = end.stream.write(text('stuck'))
      finish(stream)
      await expect(writing).rejects.toThrow(why)
      expect(() => end.stream.write(text('more'))).toThrow()
      await expect(end.stream.endWrite({ signal: AbortSignal.timeout(1000) }))
        .resolves.toBeUndefined()
        .catch(() => {})
      expect(end.end?.clean).toBe(false)
    },
  )

  test('given the end of writing while bytes wait for room, waits for them, but no longer than the signal', async () => {
    const { stream, end } = make()
    stream.room = 1
    void end.stream.write(text('stuck'))?.catch(() => {})
    const giveUp = new AbortController()
    const ending = end.stream.endWrite({ signal: giveUp.signal })
    giveUp.abort(new Error('enough'))
    await expect(ending).rejects.toThrow('enough')
  })
})
