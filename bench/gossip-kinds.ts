// What the gossip of this process is made of. gossipsub keeps no account of that, so the two methods by which it sends
// are watched.
import { RPC } from '@libp2p/gossipsub/message'

/** `messages` are records; the rest is what neighbours say about them and about each other. */
export const gossipKinds = [
  'messages',
  'ihave',
  'iwant',
  'idontwant',
  'graft',
  'prune',
  'subscriptions',
] as const
export type GossipKind = (typeof gossipKinds)[number]

/** Bytes sent since {@link countGossipKinds}, by kind and over all nodes of the process. */
export type GossipKinds = Record<GossipKind, number>

interface Sender {
  sendRpc: (this: Sender, peer: string, rpc: RPC) => boolean
  sendRpcInBatch: (this: Sender, peers: Set<string>, rpc: RPC) => void
}

/** Begins to count, for the rest of the process. */
export async function countGossipKinds(): Promise<GossipKinds> {
  const kinds = Object.fromEntries(gossipKinds.map((kind) => [kind, 0])) as GossipKinds
  // The class that the built code uses, which is not the one in node_modules (scripts/build.mjs).
  const file = new URL('../dist/bench/gossipsub.js', import.meta.url)
  const { GossipSub } = (await import(file.href)) as { GossipSub: { prototype: Sender } }
  const { sendRpc, sendRpcInBatch } = GossipSub.prototype
  GossipSub.prototype.sendRpc = function (peer, rpc) {
    // Afterwards: what waited to be said to this peer is added to the call on its way.
    const sent = sendRpc.call(this, peer, rpc)
    if (sent) count(kinds, rpc, 1)
    return sent
  }
  GossipSub.prototype.sendRpcInBatch = function (peers, rpc) {
    sendRpcInBatch.call(this, peers, rpc)
    count(kinds, rpc, peers.size)
  }
  return kinds
}

function count(kinds: GossipKinds, { messages, subscriptions, control = none }: RPC, copies: number): void {
  const { ihave, iwant, idontwant, graft, prune } = control
  const add = (kind: GossipKind, rpc: RPC): void => void (kinds[kind] += copies * RPC.encode(rpc).byteLength)
  if (messages.length > 0) add('messages', { messages, subscriptions: [] })
  if (subscriptions.length > 0) add('subscriptions', { messages: [], subscriptions })
  for (const [kind, part] of Object.entries({ ihave, iwant, idontwant, graft, prune })) {
    if (part.length === 0) continue
    add(kind as GossipKind, { messages: [], subscriptions: [], control: { ...none, [kind]: part } })
  }
}

const none: NonNullable<RPC['control']> = { ihave: [], iwant: [], graft: [], prune: [], idontwant: [] }
