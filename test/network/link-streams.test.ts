import type { MessageStream } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import { ManualClock, nextTurn } from '#framework/primitives'
import { linkStreamsOf, type LinkStream, type LinkStreamRoute } from '../../framework/network/link-streams.js'
import { quicMuxerFactory } from '../../framework/network/quic/muxer.js'
import { proposalOf } from '../../framework/network/quic/negotiation.js'
import type { NativeConnection } from '../../framework/network/quic/binding.js'
import { eventually } from '../support/eventually.js'
import { connectedPair, End } from './connected-pair.js'
import { FakeNativeStream } from './fake-native-stream.js'
import { listenOn } from './hosts.js'

const PROTOCOL = '/tests/raw/1.0'
const patience = () => ({ signal: AbortSignal.timeout(10_000) })

describe('the streams of a QUIC connection that carry links', () => {
  test('are no streams of libp2p, and are counted until both directions are over', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const [ours, theirs] = [linkStreamsOf(pair.dialler)!, linkStreamsOf(pair.acceptor)!]
    const [a, b] = await pair.ends('links')
    expect([ours.count, theirs.count]).toEqual([1, 1])
    expect([pair.dialler.streams, pair.acceptor.streams]).toEqual([[], []])
    await a.stream.endWrite(patience())
    await eventually(() => b.end !== undefined)
    expect([ours.count, theirs.count]).toEqual([1, 1])
    await b.stream.endWrite(patience())
    await eventually(() => ours.count + theirs.count === 0)
  })

  test('given a protocol that nobody speaks, tell the opener so, who did not wait for it, and are over', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const [ours, theirs] = [linkStreamsOf(pair.dialler)!, linkStreamsOf(pair.acceptor)!]
    theirs.serve(() => 'unknown')
    const opened = await ours.open('/tests/unheard-of/1.0', patience())
    await opened.write(new Uint8Array(100_000))
    const end = new End(opened)
    await eventually(() => end.end !== undefined)
    expect([opened.isProtocolUnknown, end.byteCount]).toEqual([true, 0])
    expect([ours.count, theirs.count]).toEqual([0, 0])
  })

  test('given a protocol that libp2p serves, are handed to it, and nothing that was said is lost', async () => {
    await using pair = await connectedPair(listenOn.quic)
    linkStreamsOf(pair.acceptor)!.serve(() => 'libp2p')
    const opened = await linkStreamsOf(pair.dialler)!.open(PROTOCOL, patience())
    const arrival = pair.arrival()
    await opened.write(Buffer.from('at once'))
    const end = End.of(await arrival)
    await eventually(() => end.text === 'at once')
    await end.stream.write(Buffer.from('and back'))
    const back = new End(opened)
    await eventually(() => back.text === 'and back')
  })

  test('given an opener that waits for the answer, leave it to libp2p', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const routed: string[] = []
    linkStreamsOf(pair.acceptor)!.serve((protocol) => {
      routed.push(protocol)
      return 'unknown'
    })
    const [a, b] = await pair.ends('libp2p')
    await a.stream.write(Buffer.from('as ever'))
    await eventually(() => b.text === 'as ever')
    expect(routed).toEqual([])
  })

  test('given one of which nothing was heard, count it: who opens the later has opened those before', async () => {
    await using pair = await connectedPair(listenOn.quic)
    const [ours, theirs] = [linkStreamsOf(pair.dialler)!, linkStreamsOf(pair.acceptor)!]
    await ours.open(PROTOCOL, patience())
    await pair.ends('links')
    expect(theirs.count).toBe(2)
  })
})

describe('an inbound stream that says nothing', () => {
  function make(routeOf: (protocol: string) => LinkStreamRoute) {
    const clock = new ManualClock()
    const inbound: ((stream: FakeNativeStream) => void)[] = []
    const native = {
      inboundStream: () => new Promise((resolve) => inbound.push(resolve)),
    } as unknown as NativeConnection
    const connection = {
      timeline: {},
      addEventListener: () => {},
      log: { newScope: () => () => {} },
    } as unknown as MessageStream
    quicMuxerFactory({ native, clock }).createStreamMuxer(connection)
    const streams = linkStreamsOf(connection)!
    streams.serve(routeOf)
    return { clock, streams, arrive: (stream: FakeNativeStream) => inbound.shift()!(stream) }
  }

  test('for ten seconds is reset, and its first word comes too late', async () => {
    const taken: LinkStream[] = []
    const { clock, streams, arrive } = make(() => (stream) => taken.push(stream))
    const silent = new FakeNativeStream()
    arrive(silent)
    await nextTurn()
    clock.advance(9_999)
    expect(silent.calls).toEqual(['read 1024'])
    clock.advance(1)
    expect(silent.calls).toEqual(['read 1024', 'resetWrite', 'stopRead'])
    expect(streams.count).toBe(1)
    await silent.arrive(Buffer.concat([proposalOf(PROTOCOL), Buffer.from('hello?')]))
    expect([taken, streams.count]).toEqual([[], 0])
    expect(clock.pendingCount).toBe(0)
  })
})
