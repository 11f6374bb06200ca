// The package's door: what a program writes `import … from 'mosaik'` for.

// Services: decorated classes, and a network of them in this process.
export { Config, Consumer, Injectable, Producer, Service, bindingOf, launch, servicesIn } from '#decorators'
export type {
  Class,
  HandlerOptions,
  LaunchedNetwork,
  LaunchedService,
  LaunchOptions,
  OnStart,
  OnStop,
  ServiceContext,
  ServiceOptions,
} from '#decorators'

// Streams: what they carry, and what the two ends take and report.
export { ProducerError, Streams, stream } from '#framework/streams'
export type {
  ConsumerOptions,
  ConsumerStats,
  Envelope,
  OverflowPolicy,
  ProducerOptions,
  ProducerStats,
  StreamDefinition,
  SubscriptionStatus,
} from '#framework/streams'

// The layers below, for programs that do without decorators.
export { ConfigError, ServiceError, joinNetwork, startNode } from '#framework/topology'
export type {
  DiscoverySwitches,
  JoinOptions,
  Membership,
  NodeInfo,
  NodeOptions,
  ObservedEdge,
  RunningNode,
  Topology,
} from '#framework/topology'
export { Discovery, RecordError, dht, mdns, nearest, prefer, remembered, seeds } from '#framework/discovery'
export type {
  BootstrapSource,
  Catalog,
  DiscoveryEvent,
  DiscoveryOptions,
  PeerEntry,
  PeerInfo,
  Preference,
  PreferenceOptions,
  RankedPeer,
  Ranking,
  RankingResult,
  Reason,
} from '#framework/discovery'
export {
  CloseReasons,
  FrameTooLargeError,
  Host,
  Identity,
  LinkBusyError,
  LinkClosedError,
  closeReason,
} from '#framework/network'
export type { CloseReason, HostOptions, Link, LinkProtocol, NetworkLimits } from '#framework/network'

// Ids, errors and the ports that every layer takes.
export {
  CodecError,
  EndedError,
  MosaikError,
  TimeoutError,
  derive,
  digestOf,
  isMosaikError,
  shortId,
  systemClock,
  systemRandom,
} from '#framework/primitives'
export type {
  Clock,
  Condition,
  Digest,
  Logger,
  NetworkId,
  PeerId,
  Random,
  StreamId,
} from '#framework/primitives'
