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

/** The connected ones among the subscriptions of `me`, sorted; an edge with several subscriptions appears once. */
export function observedEdges(
  subscriptions: readonly SubscriptionStatus[],
  me: EdgeEnd,
): readonly ObservedEdge[] {
  const edges = new Map<string, ObservedEdge>()
  for (const status of subscriptions) {
    if (status.state !== 'connected') continue
    const { name: stream, producer, consumer } = status
    const edge = { stream, from: endOf(producer, me, status), to: endOf(consumer, me, status) }
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

function endOf(peer: PeerId, me: EdgeEnd, { peer: other }: SubscriptionStatus): EdgeEnd {
  if (peer === me.peer) return me
  return { node: other?.node?.name ?? shortId(peer), replica: other?.node?.replica ?? 0, peer }
}

function keyOf({ stream, from, to }: ObservedEdge): string {
  return [stream, from.node, from.replica, from.peer, to.node, to.replica, to.peer].join('\n')
}
