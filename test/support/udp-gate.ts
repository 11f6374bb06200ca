import { createSocket, type Socket } from 'node:dgram'

/** How many clients a gate tells apart. */
const CLIENTS_MAX = 256

/**
 * Stands before a UDP port of this machine and passes datagrams on, both ways, as long as it is open: closed, it is a
 * network that has been cut.
 */
export class UdpGate implements AsyncDisposable {
  isOpen = true
  readonly #front: Socket
  readonly #targetPort: number
  /** One socket for each client, so that answers find their way. */
  readonly #backs = new Map<string, Socket>()

  private constructor(front: Socket, targetPort: number) {
    this.#front = front
    this.#targetPort = targetPort
    front.on('message', (datagram, { address, port }) => {
      if (this.isOpen) this.#backOf(address, port)?.send(datagram, this.#targetPort, '127.0.0.1')
    })
  }

  /** A gate before the port that a QUIC multiaddr on 127.0.0.1 names. */
  static async before(address: string): Promise<UdpGate> {
    const port = Number(/^\/ip4\/127\.0\.0\.1\/udp\/(\d+)\//.exec(address)?.[1])
    const front = createSocket('udp4')
    await new Promise<void>((resolve) => front.bind(0, '127.0.0.1', resolve))
    return new UdpGate(front, port)
  }

  /** Where it lets in. */
  get address(): string {
    return `/ip4/127.0.0.1/udp/${this.#front.address().port}/quic-v1`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#front, ...this.#backs.values()]) socket.close()
    this.#backs.clear()
  }

  #backOf(address: string, port: number): Socket | undefined {
    const client = `${address} ${port}`
    let back = this.#backs.get(client)
    if (back || this.#backs.size >= CLIENTS_MAX) return back
    back = createSocket('udp4')
    back.on('message', (datagram) => {
      if (this.isOpen) this.#front.send(datagram, port, address)
    })
    // Whoever was behind the gate is gone.
    back.on('error', () => {})
    this.#backs.set(client, back)
    return back
  }
}
