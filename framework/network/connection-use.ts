import type { Stream } from '@libp2p/interface'
import { GOSSIP_PROTOCOL } from './gossip/gossip-protocol.js'
import { HELLO } from './hello.js'
import type { PeerConnection } from './peer-connection.js'

/** Whether a connection carries nothing but what every connection does. Gossip moves to another one by itself. */
export function isUnused({ libp2p, linkStreams }: PeerConnection): boolean {
  return (linkStreams?.count ?? 0) === 0 && libp2p.streams.every(isOfEveryConnection)
}

export function isOfEveryConnection({ protocol }: Stream): boolean {
  return protocol === HELLO.id || protocol === GOSSIP_PROTOCOL
}
