// The edges that really exist, named as people know them. Pure.
import { shortId, type PeerId } from '#framework/primitives'
import type { SubscriptionStatus } from '#framework/streams'

/** A subscription that is up. */
export interface ObservedEdge {
  /** The stream's name. */
  readonly stream: string
  /** The producing end. */
  readonly from: EdgeEnd
  /** The consuming end. */
  readonly to: EdgeEnd
}

export interface EdgeEnd {
  /** The node's name; the short peer id of a peer that announces none. */
  readonly node: string
  readonly replica: number
  readonly peer: PeerId
}

/** Which declared node a peer is, as far as that is known. */
export type NodeNameOf = (peer: PeerId) => { readonly name: string; readonly replica: number } | undefined

/** The connected ones among the subscriptions, sorted; an edge with several subscriptions appears once. */
export function observedEdges(
  subscriptions: readonly SubscriptionStatus[],
  nodeNameOf: NodeNameOf,
): readonly ObservedEdge[] {
  const edges = new Map<string, ObservedEdge>()
  for (const { state, name, producer, consumer } of subscriptions) {
    if (state !== 'connected') continue
    const edge = { stream: name, from: endOf(producer, nodeNameOf), to: endOf(consumer, nodeNameOf) }
    edges.set(keyOf(edge), edge)
  }
  return [...edges].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, edge]) => edge)
}

/** Whether two lists of {@link observedEdges} say the same. */
export function sameEdges(a: readonly ObservedEdge[], b: readonly ObservedEdge[]): boolean {
  return (
    a.length === b.length &&
    a.every((edge, index) => keyOf(edge) === keyOf(b[index] ?? edge) && b[index] !== undefined)
  )
}

function endOf(peer: PeerId, nodeNameOf: NodeNameOf): EdgeEnd {
  const node = nodeNameOf(peer)
  return { node: node?.name ?? shortId(peer), replica: node?.replica ?? 0, peer }
}

function keyOf({ stream, from, to }: ObservedEdge): string {
  return [stream, from.node, from.replica, from.peer, to.node, to.replica, to.peer].join('\n')
}
