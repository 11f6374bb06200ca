export type {
  DiscoveryDeclaration,
  GroupDeclaration,
  GroupMembership,
  GroupStorageKind,
  ListenDeclaration,
  NodeDeclaration,
  PortDeclaration,
  Problem,
  RelayDeclaration,
  SecretReference,
  ServiceDeclaration,
  Topology,
} from './model.js'
export {
  isLabel,
  isNodeName,
  isServiceName,
  labelRule,
  nodeNameFrom,
  nodeNameRule,
  serviceNameRule,
} from './names.js'
export { TopologyError } from './topology-error.js'
export { validate } from './validate.js'
export {
  dataflow,
  expectedEdges,
  type ExpectedEdge,
  type Graph,
  type GraphEdge,
  type GraphGroup,
  type GraphMember,
  type GraphNode,
  type GraphStream,
  type ReplicaName,
} from './dataflow.js'
export { toDot } from './dot.js'
export { toJson } from './json.js'
export { toMermaid } from './mermaid.js'
export { toSvg } from './svg.js'
export type { BoundService, ConfigProblem, NodeInfo, ServiceBinding, ServiceRuntime } from './service.js'
export { assertConfig, ConfigError, type NodeConfigProblem } from './config-error.js'
export { ServiceError } from './service-error.js'
export type { EdgeEnd, ObservedEdge } from './observed-edges.js'
export { joinNetwork, type DiscoverySwitches, type JoinOptions, type Membership } from './membership.js'
export type { GroupSettings, JoinGroupOptions, NamedGroupStatus } from './node-groups.js'
export { founderIdentity, foundingBy, withFoundings } from './founding.js'
export type { SharedByMembers } from './replica-identity.js'
export { foundersOf, groupsOf, type GroupMember, type GroupOfTopology } from './group-members.js'
export { startNode, type NodeOptions, type RunningNode } from './node.js'
