import { expect, test } from '@jest/globals'
import type { MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { nextTurn } from '#framework/primitives'
import { leanYamux } from '../../framework/network/lean-yamux.js'
import { eventually } from '../support/eventually.js'

const KIB = 1024

interface Writes {
  /** In how many pieces and how many bytes each write to the connection came. */
  readonly pieces: number[]
  readonly bytes: number[]
}

interface Scene {
  readonly from: { readonly stream: Stream; readonly writes: Writes }
  readonly to: { readonly stream: Stream; readonly writes: Writes; received: number }
}

/** Writes down what a session hands to its connection. */
function recorded(connection: MultiaddrConnection): Writes {
  const writes: Writes = { pieces: [], bytes: [] }
  const send = connection.send.bind(connection)
  connection.send = (data) => {
    writes.pieces.push(data instanceof Uint8Array ? 1 : [...data].length)
    writes.bytes.push(data.byteLength)
    return send(data)
  }
  return writes
}

async function scene(): Promise<Scene> {
  const [a, b] = multiaddrConnectionPair()
  const [fromWrites, toWrites] = [recorded(a), recorded(b)]
  const factory = leanYamux({ enableKeepAlive: false })()
  const [opener, other] = [factory.createStreamMuxer(a), factory.createStreamMuxer(b)]
  const incoming = new Promise<Stream>((resolve) =>
    other.addEventListener('stream', ({ detail }) => resolve(detail)),
  )
  const from = { stream: await opened(opener), writes: fromWrites }
  const to = { stream: await incoming, writes: toWrites, received: 0 }
  to.stream.addEventListener('message', ({ data }) => void (to.received += data.byteLength))
  // What opens the stream is not what is measured.
  from.stream.send(new Uint8Array(1))
  await eventually(() => expect(to.received).toBe(1))
  to.received = 0
  for (const writes of [from.writes, to.writes]) writes.pieces.length = writes.bytes.length = 0
  return { from, to }
}

async function opened(muxer: StreamMuxer): Promise<Stream> {
  return muxer.createStream()
}

test('given short messages one at a time, then each is one write in one piece, and nothing comes back', async () => {
  const { from, to } = await scene()
  for (let n = 1; n <= 100; n++) {
    from.stream.send(new Uint8Array(128))
    await eventually(() => expect(to.received).toBe(128 * n))
  }
  expect(from.writes.pieces).toEqual(Array.from({ length: 100 }, () => 1))
  expect(to.writes.bytes).toEqual([])
})

test('given many times what a window holds, then all of it arrives, with a few updates of the window', async () => {
  const { from, to } = await scene()
  const chunk = new Uint8Array(64 * KIB)
  for (let n = 0; n < 64; n++) {
    if (!from.stream.send(chunk)) await from.stream.onDrain()
    await nextTurn()
  }
  await eventually(() => expect(to.received).toBe(64 * chunk.byteLength))
  expect(to.writes.bytes.length).toBeGreaterThan(0)
  expect(to.writes.bytes.length).toBeLessThanOrEqual(32)
})

test('given a reader that pauses, then the writer comes to a halt, and everything comes when it resumes', async () => {
  const { from, to } = await scene()
  to.stream.pause()
  let sent = 0
  while (from.stream.send(new Uint8Array(16 * KIB)) && sent < 2048 * KIB) {
    sent += 16 * KIB
    await nextTurn()
  }
  sent += 16 * KIB
  expect(sent).toBeLessThanOrEqual(288 * KIB)
  expect(to.received).toBe(0)
  to.stream.resume()
  await eventually(() => expect(to.received).toBe(sent))
})
