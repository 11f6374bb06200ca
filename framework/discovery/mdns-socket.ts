import { createSocket, type Socket } from 'node:dgram'

/** The IPv4 group of mDNS (RFC 6762 §3). It is never routed. */
const GROUP = '224.0.0.251'

/** Receivers may discard anything that could have come from further away (RFC 6762 §11). */
const HOPS = 255

export interface MdnsSocketOptions {
  readonly port: number
  /** A packet that came in, and the IP address that it came from. The bytes are the callee's. */
  readonly onPacket: (bytes: Uint8Array, source: string) => void
  /** The socket is of no more use. */
  readonly onFailure: (cause: unknown) => void
}

/** A UDP socket on the port and in the group of mDNS, beside those that others have there. Does not keep the process alive. */
export class MdnsSocket implements AsyncDisposable {
  readonly #socket: Socket
  readonly #port: number

  private constructor(socket: Socket, port: number) {
    this.#socket = socket
    this.#port = port
  }

  /** @throws The system's error when there can be no such socket. */
  static async open({ port, onPacket, onFailure }: MdnsSocketOptions): Promise<MdnsSocket> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    socket.unref()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once('error', reject)
    // Where the system allows it, only what is sent to the group arrives: unicast to this port is for others.
    socket.bind({ port, ...(process.platform === 'linux' && { address: GROUP }) }, resolve)
    try {
      await promise
      socket.setMulticastTTL(HOPS)
      socket.setMulticastLoopback(true)
    } catch (error) {
      socket.close()
      throw error
    }
    socket.on('error', onFailure)
    socket.off('error', reject)
    socket.on('message', (bytes, { address }) => onPacket(bytes, address))
    return new MdnsSocket(socket, port)
  }

  /** Listens on a link. @throws The system's error when it has no multicast. */
  join(linkAddress: string): void {
    this.#socket.addMembership(GROUP, linkAddress)
  }

  /** Listens there no more. Harmless when the link is gone. */
  leave(linkAddress: string): void {
    try {
      this.#socket.dropMembership(GROUP, linkAddress)
    } catch {
      // The membership went with the link.
    }
  }

  /**
   * Sends to everyone on a link. One at a time: which link it goes to is a property of the socket.
   *
   * @throws The system's error.
   */
  send(bytes: Uint8Array, linkAddress: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.setMulticastInterface(linkAddress)
      this.#socket.send(bytes, this.#port, GROUP, (error) => (error ? reject(error) : resolve()))
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(resolve))
  }
}
