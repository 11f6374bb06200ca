import type { GossipSubComponents } from '@libp2p/gossipsub'
import type { StreamHandler, Topology } from '@libp2p/interface'
import { invariant } from '#framework/primitives'

/**
 * Stands between gossipsub and libp2p: it keeps what gossipsub would have libp2p call, so that the host calls it
 * instead, for admitted peers alone and without an identify protocol.
 */
export class GossipRegistrar {
  #handler: StreamHandler | undefined
  #topology: Topology | undefined

  /** What to call with an inbound stream. */
  get handler(): StreamHandler {
    invariant(this.#handler !== undefined, 'gossipsub has registered its handler when it has started')
    return this.#handler
  }

  /** Whom to tell about peers. */
  get topology(): Topology {
    invariant(this.#topology !== undefined, 'gossipsub has registered its topology when it has started')
    return this.#topology
  }

  /** In gossipsub's eyes, libp2p's own registrar. */
  asComponent(): GossipSubComponents['registrar'] {
    const registrar: Pick<
      GossipSubComponents['registrar'],
      'handle' | 'unhandle' | 'register' | 'unregister' | 'getTopologies'
    > = {
      handle: async (_protocol, handler) => {
        this.#handler = handler
      },
      unhandle: async () => {},
      register: async (_protocol, topology) => {
        this.#topology = topology
        return 'gossip'
      },
      unregister: () => {},
      getTopologies: () => (this.#topology === undefined ? [] : [this.#topology]),
    }
    return registrar as GossipSubComponents['registrar']
  }
}
