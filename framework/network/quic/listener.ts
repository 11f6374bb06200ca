import { TypedEventEmitter, type Listener, type ListenerEvents, type Upgrader } from '@libp2p/interface'
import { getThinWaistAddresses } from '@libp2p/utils'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, messageOf, type Clock } from '#framework/primitives'
import { resolveUdpAddress } from './address.js'
import { isAddressInUse, isServerClosed } from './native-error.js'
import type { NativeBinding, NativeConfig, NativeConnection, NativeServer } from './binding.js'

/** How many handshakes may be under way: as many as one slow or hostile dialler cannot hold up the others. */
const ACCEPTORS = 32
/** Closing waits this long for the connections to drain; the native side goes on by itself. */
const CLOSE_WAIT_MS = 1_000

export interface QuicListenerInit {
  readonly binding: NativeBinding
  readonly config: NativeConfig
  readonly clock: Clock
  readonly upgrader: Upgrader
  /** Makes a libp2p connection of a native one, or throws. */
  readonly upgrade: (native: NativeConnection, upgrader: Upgrader, signal: AbortSignal) => Promise<void>
}

/** Accepts QUIC connections on one address. */
export class QuicListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #init: QuicListenerInit
  readonly #closing = new AbortController()
  #server: NativeServer | undefined
  #address: Multiaddr | undefined

  constructor(init: QuicListenerInit) {
    super()
    this.#init = init
  }

  /** @throws {MosaikError} `ADDRESS_IN_USE` naming the address, or `ADDRESS_INVALID`. */
  async listen(address: Multiaddr): Promise<void> {
    const { binding, config } = this.#init
    const { ip, port } = await resolveUdpAddress(address)
    try {
      this.#server = new binding.Server(config, ip, port)
    } catch (cause) {
      const details = { address: address.toString() }
      if (isAddressInUse(cause)) {
        throw new MosaikError('ADDRESS_IN_USE', `${address.toString()} is in use`, { cause, details })
      }
      throw new MosaikError(
        'ADDRESS_INVALID',
        `cannot listen on ${address.toString()}: ${messageOf(cause)}`,
        {
          cause,
          details,
        },
      )
    }
    const family = ip.includes(':') ? 'ip6' : 'ip4'
    this.#address = multiaddr(`/${family}/${ip}/udp/${this.#server.port()}/quic-v1`)
    for (let i = 0; i < ACCEPTORS; i++) void this.#acceptAll(this.#server)
    this.safeDispatchEvent('listening')
  }

  /** With the real port; for a wildcard host one address of each network interface. */
  getAddrs(): Multiaddr[] {
    if (this.#address === undefined) return []
    const port = Number(this.#address.getComponents()[1]!.value)
    return getThinWaistAddresses(this.#address, port).map((address) =>
      isComplete(address) ? address : address.encapsulate('/quic-v1'),
    )
  }

  updateAnnounceAddrs(): void {
    // What this node says about its addresses is the host's affair.
  }

  /** Ends the connections that came in here too: they share the listener's socket. Idempotent. */
  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined || this.#closing.signal.aborted) return
    this.#closing.abort(new MosaikError('LISTENER_CLOSED', 'the listener was closed'))
    using deadline = this.#init.clock.deadline(CLOSE_WAIT_MS)
    await Promise.race([server.abort(), aborted(deadline.signal)])
    this.#server = undefined
    this.#address = undefined
    this.safeDispatchEvent('close')
  }

  async #acceptAll(server: NativeServer): Promise<void> {
    while (!this.#closing.signal.aborted) {
      let native
      try {
        native = await server.inboundConnection()
      } catch (error) {
        if (!isServerClosed(error)) continue // A handshake failed, which is the dialler's problem.
        if (!this.#closing.signal.aborted) this.#onLost(error)
        return
      }
      if (this.#closing.signal.aborted) native.abort()
      else await this.#upgrade(native)
    }
  }

  async #upgrade(native: NativeConnection): Promise<void> {
    try {
      await this.#init.upgrade(native, this.#init.upgrader, this.#closing.signal)
    } catch {
      // Refused by the host, or gone before it was ready; whoever refused it has counted it.
      native.abort()
    }
  }

  /** The endpoint died under us; the acceptors all notice, the first one says so. */
  #onLost(cause: unknown): void {
    if (this.#address === undefined) return
    const address = this.#address
    this.#address = undefined
    const error = new MosaikError('LISTENER_LOST', `the QUIC endpoint on ${address.toString()} stopped`, {
      cause,
    })
    this.safeDispatchEvent('error', { detail: error })
  }
}

function isComplete(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'quic-v1')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
