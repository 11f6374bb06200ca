import type { GossipSub } from '@libp2p/gossipsub'
import { invariant } from '#framework/primitives'

/** A remote procedure call of gossipsub, as far as we make them. */
export interface GossipRpc {
  subscriptions: { topic: string; subscribe: boolean }[]
  messages: never[]
  control?: {
    ihave: { topicID: string; messageIDs: Uint8Array[] }[]
    iwant: never[]
    graft: never[]
    prune: never[]
    idontwant: never[]
  }
}

/**
 * What we use of gossipsub 17.1.1 beyond its published interface. Peers are in libp2p's text form. The version is
 * pinned in package.json; a test starts a host, which fails when one of these members has gone.
 */
export interface GossipsubInternals {
  /** By topic, the peers that messages are forwarded to at once. */
  readonly mesh: ReadonlyMap<string, ReadonlySet<string>>
  /** By topic, the peers that have subscribed to it. */
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
  readonly streamsOutbound: ReadonlyMap<string, unknown>
  /** The messages of the last few heartbeats. */
  readonly mcache: { getGossipIDs(topics: ReadonlySet<string>): ReadonlyMap<string, Uint8Array[]> }
  /** While started, the timer of the next heartbeat, which stopping leaves running. */
  readonly status: { readonly heartbeatTimeout?: NodeJS.Timeout }
  /** Its timer is stopped only after all streams are closed. */
  readonly score: { stop(): void; score(peer: string): number }
  /** A timer that is cleared only after all streams are closed. */
  readonly directPeerInitial: NodeJS.Timeout | null
  /** False when there is no stream to send it on. */
  sendRpc(peer: string, rpc: GossipRpc): boolean
  start(): Promise<void>
  stop(): Promise<void>
}

const MEMBERS = [
  'mesh',
  'topics',
  'streamsOutbound',
  'mcache',
  'status',
  'score',
  'directPeerInitial',
  'sendRpc',
  'start',
  'stop',
] as const

/** @throws {InvariantError} When this is another gossipsub than the one we know. */
export function internalsOf(gossipsub: GossipSub): GossipsubInternals {
  for (const member of MEMBERS) {
    invariant(member in gossipsub, `gossipsub has no "${member}": this version is not the one we know`)
  }
  const internals = gossipsub as unknown as GossipsubInternals
  invariant(typeof internals.score.stop === 'function', 'the score of gossipsub is another')
  invariant(typeof internals.score.score === 'function', 'the score of gossipsub is another')
  invariant(typeof internals.mcache.getGossipIDs === 'function', 'the message cache of gossipsub is another')
  return internals
}
