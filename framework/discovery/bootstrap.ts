import { dialTargetOf, type DialTarget } from '#framework/network'

/**
 * A way to find first peers. Sightings are only candidates: a candidate is dialled, and becomes a peer once it has shown
 * that it belongs to the network. Local multicast, a distributed hash table, rendezvous points and peers remembered
 * from an earlier life are all sources of this kind; see {@link seeds} for the simplest.
 */
export interface BootstrapSource {
  /** For logs and metrics. */
  readonly name: string
  /**
   * Whether its candidates were written down by somebody who means them: they are kept and tried for as long as it takes.
   * Others give way when there are too many, and are left alone once their peer is known by other ways. Default false.
   */
  readonly isLasting?: boolean
  /**
   * Candidates as they are found. May end, or go on until the signal aborts. A source that throws is started again
   * after a while. Repeating a candidate does no harm.
   */
  candidates(signal: AbortSignal): AsyncIterable<DialTarget>
}

/**
 * Nodes that are expected to be up, each given by the multiaddr where it is, such as
 * `/dns4/seed.example/udp/4001/quic-v1`, or by its peer id alone. An address may end in `/p2p/<peer id>`, and then only
 * that peer is accepted there. A peer id alone is dialled as soon as its address is known by another way: the catalog,
 * multicast, the hash table, an earlier life. A node's own address among them is recognised, so that all nodes can be
 * given the same list.
 *
 * @throws MosaikError `ADDRESS_INVALID`, naming what is neither.
 */
export function seeds(addresses: readonly string[]): BootstrapSource {
  const targets = addresses.map(dialTargetOf)
  return {
    name: 'seeds',
    isLasting: true,
    async *candidates() {
      yield* targets
    },
  }
}
