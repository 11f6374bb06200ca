/** The gossipsub version that our nodes speak. */
export const GOSSIP_PROTOCOL = '/meshsub/1.2.0'
/** In each direction of a connection; one is in use, and another may be about to take its place. */
export const GOSSIP_STREAMS_MAX = 4
