export {
  CloseReasons,
  LinkClosedError,
  closeReason,
  describeCloseReason,
  type CloseReason,
  type ClosedBy,
} from './close-reason.js'
export type { AddressOrigin } from './address-book.js'
export { dialTargetOf, type DialTarget } from './dial-target.js'
export type { DialAttempt } from './dialler.js'
export type { Disconnect } from './disconnect.js'
export { FrameBuilder } from './frame-builder.js'
export { FrameTooLargeError, bytesFrame } from './frame.js'
export type { GossipTopic, GossipTopicOptions, GossipVerdict } from './gossip/gossip-topic.js'
export type { TransportKind } from './addresses.js'
export { Host, type HostOptions, type OpenOptions, type PeerPath, type ReachOptions } from './host.js'
export { Identity, verifySignature } from './identity.js'
export { libp2pPeerId, peerIdFromLibp2p } from './libp2p-peer-id.js'
export {
  defaultLimits,
  type BlockLimits,
  type GossipLimits,
  type NetworkLimits,
  type SignsOfLife,
} from './limits.js'
export { LinkBusyError } from './link-outbox.js'
export type { LinkHandler } from './link-service.js'
export { linkPair, type LinkPairOptions } from './link-pair.js'
export type { Frame, FrameReceiver, Link, LinkProtocol, RecvOptions } from './link.js'
export { serveMetrics, type MetricsEndpoint, type MetricsEndpointOptions } from './metrics-endpoint.js'
export { NetworkKey } from './network-key.js'
export type { QuicOptions } from './quic/transport.js'
export type { RttEstimate } from './rtt/rtt-estimate.js'
export type { RttSubscription, RttTracker } from './rtt/rtt-tracker.js'
export type { Reachability } from './reach/reachability.js'
export type { RelayOptions } from './reach/reach-options.js'
export type { RelayLimits } from './relay/relay-limits.js'
export type { RelayTarget } from './relay/reservation-plan.js'
