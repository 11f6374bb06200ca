import {
  digestOf,
  MetricsRegistry,
  Watch,
  type Clock,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import type { BondHost } from '../../../framework/groups/bond/bond-context.js'
import type { ByteStream } from '../../../framework/network/byte-stream.js'
import { acceptLink, openLink } from '../../../framework/network/framed-link.js'
import type { LinkHandler } from '../../../framework/network/link-service.js'
import type { LinkProtocol } from '../../../framework/network/link.js'

/** How long reaching somebody may take unless it is said, in milliseconds: what hosts of production take. */
const TIMEOUT_MS = 5_000

export const network: NetworkId = digestOf('simulated')

export interface NodeHostOptions {
  readonly peerId: PeerId
  readonly clock: Clock
  /** Opens a stream to a peer. */
  readonly openStream: (peer: PeerId, protocol: string) => ByteStream
}

/** What a host is to bonds: links of production, over simulated streams. */
export class NodeHost implements BondHost {
  readonly metrics = new MetricsRegistry()
  readonly connections = new Watch<ReadonlySet<PeerId>>(new Set()).asReadonly()
  readonly #options: NodeHostOptions
  readonly #handlers = new Map<string, { readonly protocol: LinkProtocol; readonly handler: LinkHandler }>()

  constructor(options: NodeHostOptions) {
    this.#options = options
  }

  get peerId(): PeerId {
    return this.#options.peerId
  }

  /** There are no connections, only streams: whether anybody is there shows when one is opened. */
  readonly connect: BondHost['connect'] = async ({ peer }) => peer!

  readonly open: BondHost['open'] = async ({ peer }, protocol, options) => {
    const { clock, openStream } = this.#options
    using deadline = clock.deadline(options?.timeoutMs ?? TIMEOUT_MS, options?.signal)
    const { signal } = deadline
    const stream = openStream(peer!, protocol.id)
    return await openLink({
      stream,
      peer: peer!,
      protocol,
      network,
      clock,
      signal,
      payload: options?.payload,
    })
  }

  readonly handle: BondHost['handle'] = (protocol, handler) => {
    this.#handlers.set(protocol.id, { protocol, handler })
    return () => this.#handlers.delete(protocol.id)
  }

  /** Somebody has opened a stream. Never rejects. */
  async accept(peer: PeerId, protocolId: string, stream: ByteStream): Promise<void> {
    const served = this.#handlers.get(protocolId)
    if (served === undefined) return stream.abort(new Error('nobody serves that here'))
    const { protocol, handler } = served
    const { clock } = this.#options
    try {
      const { link, accept } = await acceptLink({ stream, peer, protocol, network, clock })
      await handler(link, accept)
    } catch {
      // A link that was not opened, or has ended while its handler wanted something of it, is nothing unusual.
    }
  }
}
