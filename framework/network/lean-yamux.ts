import { yamux, type FrameHeader, type YamuxMuxerInit } from '@chainsafe/libp2p-yamux'
import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { WindowUpdates } from './window-updates.js'

/** The frame type of yamux that gives a part of a stream's window back. */
const WINDOW_UPDATE = 1
/** What is no longer than the longest record of TLS goes to the cipher in one piece. */
const ONE_PIECE_BYTES_MAX = 16 * 1024

type Bytes = Uint8Array | { readonly byteLength: number; subarray(): Uint8Array }

/** Of a yamux session, what is taken a hand in: its own type hides a part of that. */
interface Session {
  /** Those that are open. */
  readonly streams: readonly { readonly streamId: number; readonly recvWindow: number }[]
  /** Sends a frame. @returns Whether there is room for more. */
  sendFrame(header: FrameHeader, data?: Bytes): boolean
  /** Hands encoded frames to the connection. @returns Whether there is room for more. */
  send(data: Bytes): boolean
  /** A stream is over. */
  closeStream(streamId: number): void
}

/**
 * yamux with fewer and larger writes, which any other yamux understands: the header of a short frame goes with its data
 * and not before it, and windows are given back in large parts. Of small messages that leaves one record of TLS where
 * there were three, and nothing that has to be written before a message that has arrived reaches its receiver.
 */
export function leanYamux(init: YamuxMuxerInit): () => StreamMuxerFactory {
  return () => {
    const factory = yamux(init)()
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => lean(factory.createStreamMuxer(connection)),
    }
  }
}

function lean(muxer: StreamMuxer): StreamMuxer {
  const session = muxer as unknown as Session
  // Should another version of the library lack one of them, then this throws, and there is no connection.
  const sendFrame = session.sendFrame.bind(session)
  const send = session.send.bind(session)
  const closeStream = session.closeStream.bind(session)
  const windows = new WindowUpdates(
    (id) => session.streams.find(({ streamId }) => streamId === id)?.recvWindow ?? 0,
  )
  session.sendFrame = (header, data) => {
    // Flags open and close a stream, and do not wait.
    if (header.type !== WINDOW_UPDATE || header.flag !== 0) return sendFrame(header, data)
    const length = windows.add(header.streamID, header.length)
    return length === 0 || sendFrame({ ...header, length })
  }
  session.send = (data) => send(data.byteLength <= ONE_PIECE_BYTES_MAX ? data.subarray() : data)
  session.closeStream = (streamId) => {
    windows.forget(streamId)
    closeStream(streamId)
  }
  return muxer
}
