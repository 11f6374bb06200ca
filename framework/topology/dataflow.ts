// The graph that a topology implies. Nobody draws edges: they follow from which node produces and consumes which stream.
import type { StreamId } from '#framework/primitives'
import { fieldsOf } from './datum-shape.js'
import { groupsOf, maxVotersOf, voterCandidates, type GroupOfTopology } from './group-members.js'
import type { NodeDeclaration, PortDeclaration, Topology } from './model.js'

/** A dataflow graph: plain data, sorted by name, the same for the same topology whatever order it was written in. */
export interface Graph {
  readonly network: string
  readonly nodes: readonly GraphNode[]
  readonly streams: readonly GraphStream[]
  readonly edges: readonly GraphEdge[]
  readonly groups: readonly GraphGroup[]
}

export interface GraphNode {
  readonly name: string
  readonly replicas: number
  /** The node's own tags and those of its services. */
  readonly tags: readonly string[]
  /** Names of the services, in the order in which they start. */
  readonly services: readonly string[]
}

export interface GraphStream {
  readonly name: string
  readonly id: StreamId
  /** Names of the nodes that produce it. */
  readonly producers: readonly string[]
  /** Names of the nodes that consume it. */
  readonly consumers: readonly string[]
  /** Names of the datum's fields; empty for a datum that is no object. */
  readonly fields: readonly string[]
}

/** A consensus group, and the kinds of nodes whose services take part in it. */
export interface GraphGroup {
  readonly name: string
  /** How many voters it has once every replica runs. */
  readonly voters: number
  readonly members: readonly GraphMember[]
}

export interface GraphMember {
  /** Name of the node. */
  readonly node: string
  /** `reader` when none of the node's services is more. */
  readonly role: 'member' | 'reader'
  /** What runs only on the node that leads, as `Service.method`. */
  readonly onLeader: readonly string[]
  /** What runs only on nodes that follow. */
  readonly onFollower: readonly string[]
}

/** A stream from one kind of node to another, or to itself. */
export interface GraphEdge {
  /** The stream's name. */
  readonly stream: string
  /** Name of the producing node. */
  readonly from: string
  /** Name of the consuming node. */
  readonly to: string
  /** Present when the two ends declare different schemas for the stream, so that no subscription can come about. */
  readonly conflict?: true
}

/** One end of an edge between running nodes. */
export interface ReplicaName {
  readonly node: string
  /** Counted from 0. */
  readonly replica: number
}

/** An edge that must be observed once every replica runs. */
export interface ExpectedEdge {
  readonly stream: string
  readonly from: ReplicaName
  readonly to: ReplicaName
}

/** Infers the dataflow graph. Works on any topology, valid or not. */
export function dataflow(topology: Topology): Graph {
  const nodes = topology.nodes.toSorted((a, b) => compare(a.name, b.name))
  const ends = endsOf(nodes)
  return {
    network: topology.network,
    nodes: nodes.map(({ name, replicas, tags, services }) => ({
      name,
      replicas,
      tags: sortedSet([...tags, ...services.flatMap((service) => service.tags)]),
      services: services.map((service) => service.name),
    })),
    streams: ends.map(({ name, id, produced, consumed }) => ({
      name,
      id,
      producers: sortedSet(produced.map(({ node }) => node.name)),
      consumers: sortedSet(consumed.map(({ node }) => node.name)),
      fields: fieldsOf((produced[0] ?? consumed[0])?.port.shape ?? ''),
    })),
    edges: ends.flatMap(edgesOf),
    groups: groupsOf(topology).map((group) => ({
      name: group.name,
      voters: Math.min(maxVotersOf(group), voterCandidates(group).length),
      members: membersOf(group),
    })),
  }
}

/**
 * Every edge between replicas that the topology calls for: each consuming replica subscribes to each producing one, its
 * own node included. Edges whose ends disagree about the schema are left out, because they cannot come about.
 */
export function expectedEdges(topology: Topology): readonly ExpectedEdge[] {
  const replicas = new Map(topology.nodes.map((node) => [node.name, node.replicas]))
  const replicasOf = (node: string): ReplicaName[] =>
    Array.from({ length: replicas.get(node) ?? 0 }, (_, replica) => ({ node, replica }))
  return dataflow(topology)
    .edges.filter(({ conflict }) => conflict !== true)
    .flatMap(({ stream, from, to }) =>
      replicasOf(from).flatMap((producer) =>
        replicasOf(to).map((consumer) => ({ stream, from: producer, to: consumer })),
      ),
    )
}

interface PortOfNode {
  readonly node: NodeDeclaration
  readonly port: PortDeclaration
}

interface StreamEnds {
  readonly name: string
  readonly id: StreamId
  readonly produced: PortOfNode[]
  readonly consumed: PortOfNode[]
}

/** Streams are told apart by id and not by name, as they are at run time. */
function endsOf(nodes: readonly NodeDeclaration[]): StreamEnds[] {
  const streams = new Map<StreamId, StreamEnds>()
  const endsOfPort = ({ stream, id }: PortDeclaration): StreamEnds => {
    const known = streams.get(id) ?? { name: stream, id, produced: [], consumed: [] }
    streams.set(id, known)
    return known
  }
  for (const node of nodes) {
    for (const service of node.services) {
      for (const port of service.produces) endsOfPort(port).produced.push({ node, port })
      for (const port of service.consumes) endsOfPort(port).consumed.push({ node, port })
    }
  }
  return [...streams.values()].sort((a, b) => compare(a.name, b.name) || compare(a.id, b.id))
}

function edgesOf({ name, produced, consumed }: StreamEnds): GraphEdge[] {
  const edges = new Map<string, GraphEdge>()
  for (const producer of produced) {
    for (const consumer of consumed) {
      const [from, to] = [producer.node.name, consumer.node.name]
      const key = `${from}\n${to}`
      const agrees = producer.port.fingerprint === consumer.port.fingerprint
      // A node may have several ports of one stream: it is enough that one pair of them agrees.
      if (agrees) edges.set(key, { stream: name, from, to })
      else if (!edges.has(key)) edges.set(key, { stream: name, from, to, conflict: true })
    }
  }
  return [...edges.values()].sort((a, b) => compare(a.from, b.from) || compare(a.to, b.to))
}

function membersOf({ members }: GroupOfTopology): readonly GraphMember[] {
  const names = sortedSet(members.map(({ node }) => node.name))
  return names.map((name) => {
    const own = members.filter(({ node }) => node.name === name)
    const methods = (list: 'onLeader' | 'onFollower'): readonly string[] =>
      sortedSet(
        own.flatMap(({ service, membership }) =>
          membership[list].map((method) => `${service.name}.${method}`),
        ),
      )
    return {
      node: name,
      role: own.some(({ membership }) => membership.role === 'member') ? 'member' : 'reader',
      onLeader: methods('onLeader'),
      onFollower: methods('onFollower'),
    }
  })
}

function sortedSet(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort(compare)
}

/** By code unit: the same order on every machine, which a locale's order is not. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
