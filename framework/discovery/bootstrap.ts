import type { DialTarget } from '#framework/network'

/**
 * A way to find first peers. Sightings are only candidates: a candidate is dialled, and becomes a peer once it has shown
 * that it belongs to the network. Local multicast, a distributed hash table, rendezvous points and peers remembered
 * from an earlier life are all sources of this kind; see {@link seeds} for the simplest.
 */
export interface BootstrapSource {
  /** For logs and metrics. */
  readonly name: string
  /**
   * Candidates as they are found. May end, or go on until the signal aborts. A source that throws is started again
   * after a while. Repeating a candidate does no harm.
   */
  candidates(signal: AbortSignal): AsyncIterable<DialTarget>
}

/**
 * Fixed addresses, each the multiaddr of a node that is expected to be up: `/dns4/seed.example/udp/4001/quic-v1`. The
 * address may end in `/p2p/<peer id>`, and then only that peer is accepted there. A node's own address among them is
 * recognised, so that all nodes can be given the same list.
 */
export function seeds(addresses: readonly string[]): BootstrapSource {
  return {
    name: 'seeds',
    async *candidates() {
      for (const address of addresses) yield { addresses: [address] }
    },
  }
}
