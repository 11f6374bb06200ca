// The package's door: what a program writes `import … from 'mosaik'` for.

// Services: decorated classes, and a network of them in this process.
export {
  Config,
  Consumer,
  Group,
  Injectable,
  OnFollower,
  OnLeader,
  Producer,
  RequireTicket,
  Service,
  bindingOf,
  launch,
  servicesIn,
} from '#decorators'
export type {
  Class,
  GroupMemberOptions,
  HandlerOptions,
  LaunchedNetwork,
  LaunchedService,
  LaunchOptions,
  OnStart,
  OnStop,
  RoleContext,
  ServiceContext,
  ServiceOptions,
} from '#decorators'

// Streams: what they carry, and what the two ends take and report.
export { ProducerError, StreamAlreadyProducedError, Streams, stream } from '#framework/streams'
export type {
  AckOptions,
  BackoffPolicy,
  ConsumerEvent,
  ConsumerOptions,
  ConsumerStats,
  Criteria,
  EgressOptions,
  Envelope,
  OverflowPolicy,
  ProducerOptions,
  ProducerStats,
  ReplayOptions,
  Requirements,
  StreamConditions,
  StreamDefaults,
  StreamDefinition,
  SubscriptionStatus,
  UndeliveredCause,
} from '#framework/streams'

// Groups: what is replicated, and what members report.
export { GroupError, GroupKey, nothingCodec, schemaCodec } from '#framework/groups'
export type {
  Answered,
  ApplyContext,
  CallOptions,
  Consistency,
  Executed,
  Founding,
  GroupConditions,
  GroupErrorCode,
  GroupEvent,
  GroupStatus,
  MachineFactory,
  MemberStatus,
  QueryOptions,
  QuorumLoss,
  Receipt,
  StateMachine,
  ValueCodec,
} from '#framework/groups'

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
export {
  Discovery,
  RecordError,
  dht,
  mdns,
  nearest,
  prefer,
  remembered,
  seeds,
  validateTicket,
  validateTickets,
} from '#framework/discovery'
export type {
  BootstrapSource,
  Catalog,
  DiscoveryEvent,
  DiscoveryOptions,
  Expiration,
  PeerEntry,
  PeerInfo,
  Preference,
  PreferenceOptions,
  RankedPeer,
  Ranking,
  RankingResult,
  Reason,
  Ticket,
  TicketValidator,
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
  seededRandom,
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
