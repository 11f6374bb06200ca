export type { ByteStream, ByteStreamEnd, ByteStreamHandlers } from './byte-stream.js'
export {
  CloseReasons,
  LinkClosedError,
  closeReason,
  describeCloseReason,
  type CloseReason,
  type ClosedBy,
} from './close-reason.js'
export type { DialAttempt } from './dialler.js'
export {
  Host,
  type DialTarget,
  type HostOptions,
  type LinkHandler,
  type OpenOptions,
  type ReachOptions,
} from './host.js'
export { FrameBuilder } from './frame-builder.js'
export { Identity, verifySignature } from './identity.js'
export { libp2pPeerId, peerIdFromLibp2p } from './libp2p-peer-id.js'
export { defaultLimits, type GossipLimits, type NetworkLimits, type SignsOfLife } from './limits.js'
export { linkPair, type LinkPairOptions } from './link-pair.js'
export type { Frame, Link, LinkProtocol, RecvOptions } from './link.js'
export { networkMetrics } from './metrics.js'
