// A node with streams, as the benchmarks of streams use it: no services, nothing but the defaults.
import { digestOf } from '#framework/primitives'
import { Host } from '#framework/network'
import { Discovery, seeds } from '#framework/discovery'
import { Streams } from '#framework/streams'
import { listenOn, type Transport } from './transports.ts'

export interface MosaikNode {
  readonly host: Host
  readonly streams: Streams
}

/** @param addresses Of a node to begin with; none for the first one. */
export async function mosaikNode(
  transport: Transport,
  addresses: readonly string[] = [],
): Promise<MosaikNode> {
  const host = await Host.start({ network: digestOf('bench'), listen: [listenOn[transport]] })
  const discovery = await Discovery.start({ host, bootstrap: [seeds(addresses)] })
  return { host, streams: Streams.start({ host, discovery }) }
}
