import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { EventEmitter, once } from 'node:events'
import { MosaikError, messageOf } from '#framework/primitives'

/** The largest packet that is looked at; answers of the DHT fit into an Ethernet frame. */
const PACKET_BYTES_MAX = 4_096

/** How a packet ends that asks something: `y`, what it is, is the last key of the dictionary (BEP 5). */
const QUERY_END = Buffer.from('1:y1:qe')

/** Where `t` begins in a query of the library: before two bytes of its value, and what a query ends with. */
const TRANSACTION = Buffer.from('1:t2:')
const TRANSACTION_AT = -(TRANSACTION.length + 2 + QUERY_END.length)

/** `ro`, 1: who asks answers no questions itself (BEP 43). */
const READ_ONLY = Buffer.from('2:roi1e')

/** What happened to a packet that came in. `failed`: the library could not bear it. */
export type PacketResult = 'read' | 'query' | 'oversized' | 'failed'

export interface GuardedSocketOptions {
  readonly port: number
  /** The IPv4 address to bind to. */
  readonly bind: string
  readonly onPacket: (result: PacketResult, error?: unknown) => void
}

/**
 * The UDP socket that the DHT library is given instead of one of its own. It stands between it and the Internet:
 *
 * - What the library throws at a malformed packet ends here. In an event handler it would end the process, and some
 *   packets of a few bytes do that (a `put` whose token is a number).
 * - Queries are not passed on, and what we ask says that we are read-only (BEP 43). So nobody uses us to store, look up
 *   or amplify anything, and we are not put into routing tables.
 * - Binding, which can fail, is done before there is a client.
 */
export class GuardedSocket extends EventEmitter {
  readonly #socket: Socket
  #closed = false

  private constructor(socket: Socket) {
    super()
    this.#socket = socket
  }

  /** @throws MosaikError `DHT_BIND_FAILED`, with the system's error as its cause. */
  static async open({ port, bind, onPacket }: GuardedSocketOptions): Promise<GuardedSocket> {
    const socket = createSocket('udp4')
    try {
      const listening = once(socket, 'listening')
      socket.bind(port, bind)
      await listening
    } catch (cause) {
      socket.close()
      throw new MosaikError(
        'DHT_BIND_FAILED',
        `the DHT has no UDP socket on ${bind}:${port}: ${messageOf(cause)}`,
        { cause, details: { bind, port } },
      )
    }
    const guarded = new GuardedSocket(socket)
    socket.on('message', (bytes, from) => guarded.#onMessage(bytes, from, onPacket))
    socket.on('error', (error) => guarded.emit('error', error))
    socket.on('close', () => guarded.emit('close'))
    return guarded
  }

  /** Called by the library; the socket is bound already. */
  bind(): void {
    setImmediate(() => {
      if (!this.#closed) this.emit('listening')
    })
  }

  address(): { readonly address: string; readonly port: number } {
    return this.#socket.address()
  }

  /** Called by the library, which lets go of what cannot be sent: its query then times out. */
  send(bytes: Buffer, _offset: number, _length: number, port: number, host: string): void {
    if (this.#closed || !(port > 0 && port < 65_536)) return
    this.#socket.send(asReadOnly(bytes), port, host, () => {})
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }

  #onMessage(bytes: Buffer, from: RemoteInfo, onPacket: GuardedSocketOptions['onPacket']): void {
    if (bytes.length > PACKET_BYTES_MAX) return onPacket('oversized')
    if (endsWith(bytes, QUERY_END)) return onPacket('query')
    try {
      this.emit('message', bytes, from)
      onPacket('read')
    } catch (error) {
      onPacket('failed', error)
    }
  }
}

function asReadOnly(bytes: Buffer): Buffer {
  const at = bytes.length + TRANSACTION_AT
  if (at < 0 || !endsWith(bytes, QUERY_END) || !startsAt(bytes, at, TRANSACTION)) return bytes
  return Buffer.concat([bytes.subarray(0, at), READ_ONLY, bytes.subarray(at)])
}

function endsWith(bytes: Buffer, end: Buffer): boolean {
  return bytes.length >= end.length && startsAt(bytes, bytes.length - end.length, end)
}

function startsAt(bytes: Buffer, at: number, part: Buffer): boolean {
  return bytes.subarray(at, at + part.length).equals(part)
}
