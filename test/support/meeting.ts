import type { Discovery } from '#framework/discovery'
import type { Host } from '#framework/network'
import { eventually } from './eventually.js'

/** What a node of any test has. */
export interface Meeting {
  readonly host: Host
  readonly discovery: Discovery
}

/** Exchanges catalogs with another node; once more where the machine is too busy to shake hands in time. */
export async function meet(node: Meeting, other: Meeting): Promise<void> {
  const target = { peer: other.host.peerId, addresses: other.host.addresses.value }
  await eventually(async () => {
    await node.discovery.syncWith(target)
  })
}

/** Every node learns of every other one. */
export async function discoverAll(nodes: readonly Meeting[]): Promise<void> {
  for (const node of nodes) {
    for (const other of nodes) if (node !== other) await meet(node, other)
  }
}

/** Nodes that are disposed of together. */
export function together<N extends AsyncDisposable>(nodes: N[]): N[] & AsyncDisposable {
  return Object.assign(nodes, {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
    },
  })
}
