// What can be known to be wrong with a topology before anything runs.
import { suggest, type StreamId } from '#framework/primitives'
import { fieldDifferences } from './datum-shape.js'
import { isOpenToOthers } from './loopback.js'
import type { ListenDeclaration, NodeDeclaration, PortDeclaration, Problem, Topology } from './model.js'
import {
  isLabel,
  isNodeName,
  isServiceName,
  labelRule,
  nodeNameFrom,
  nodeNameRule,
  serviceNameRule,
} from './names.js'
import { groupProblems } from './validate-groups.js'

type Path = readonly (string | number)[]

/** A port with everything that a message about it names. */
interface Port {
  readonly port: PortDeclaration
  readonly direction: 'produces' | 'consumes'
  readonly node: string
  readonly service: string
  readonly path: Path
}

const replicasMax = 1000
const portMax = 65_535

/**
 * Everything that is wrong with a topology, or looks wrong, at once and in the order in which it is written. Empty for a
 * topology that can run as declared and in which every stream has both ends.
 *
 * Errors: `NETWORK_NAME_INVALID`, `NODE_NAME_INVALID`, `NODE_NAME_DUPLICATE`, `NODE_REPLICAS_INVALID`,
 * `SERVICE_NAME_INVALID`, `SERVICE_NAME_DUPLICATE`, `TAG_INVALID`, `LABEL_INVALID`, `REMEMBER_WITHOUT_DATA`, `SEED_INVALID`, `LISTEN_INVALID`,
 * `STREAM_NAME_INVALID`, `STREAM_PRODUCED_TWICE`, `STREAM_SCHEMA_CONFLICT`, `GROUP_UNKNOWN`, `GROUP_NAME_INVALID`,
 * `GROUP_VOTERS_INVALID`, `GROUP_STORAGE_WITHOUT_DATA`, `GROUP_CONFLICT`.
 *
 * Warnings: `NETWORK_EMPTY`, `DISCOVERY_LOOPBACK_ONLY`, `NODE_WITHOUT_SERVICES`, `CONFIG_KEY_UNREAD`, `LISTEN_PORT_SHARED`, `STREAM_NOT_PRODUCED`,
 * `STREAM_NOT_CONSUMED`: another manifest may bring the other end of a stream, or run on another machine;
 * `GROUP_VOTERS_EVEN`, `GROUP_VOTERS_MISSING`, `GROUP_WITHOUT_VOTERS`, `GROUP_KEY_PUBLIC`.
 */
export function validate(topology: Topology): readonly Problem[] {
  return [
    ...networkProblems(topology),
    ...discoveryProblems(topology),
    ...topology.nodes.flatMap((node, index) => nodeProblems(node, ['nodes', index])),
    ...duplicateNodes(topology.nodes),
    ...sharedPorts(topology.nodes),
    ...streamProblems(portsOf(topology)),
    ...groupProblems(topology),
  ]
}

function networkProblems({ network, nodes, seeds, listen }: Topology): Problem[] {
  const problems: Problem[] = []
  if (!isLabel(network)) {
    problems.push(
      error('NETWORK_NAME_INVALID', `${quoted(network)} cannot name a network`, ['network'], labelRule),
    )
  }
  if (nodes.length === 0) {
    problems.push(warning('NETWORK_EMPTY', `network ${quoted(network)} declares no nodes`, ['nodes']))
  }
  if (listen !== undefined && !isLabel(listen)) {
    problems.push(error('LISTEN_INVALID', `${quoted(listen)} is no host to listen on`, ['listen']))
  }
  for (const [index, seed] of seeds.entries()) {
    if (!looksLikeMultiaddr(seed) && !looksLikePeerId(seed)) {
      problems.push(
        error('SEED_INVALID', `seed ${quoted(seed)} is no multiaddr`, ['seeds', index], addressHint),
      )
    }
  }
  return problems
}

function discoveryProblems(topology: Topology): Problem[] {
  const { nodes, discovery = {}, data } = topology
  const problems: Problem[] = []
  if (discovery.remember === true && data === undefined) {
    const message = 'peers cannot be remembered: there is no folder to keep them in'
    problems.push(
      error('REMEMBER_WITHOUT_DATA', message, ['discovery', 'remember'], 'declare one with "data"'),
    )
  }
  if (nodes.length > 0 && !isOpenToOthers(topology)) {
    for (const way of (['mdns', 'dht'] as const).filter((name) => discovery[name] === true)) {
      const name = way === 'mdns' ? 'multicast DNS' : 'the DHT'
      problems.push(
        warning(
          'DISCOVERY_LOOPBACK_ONLY',
          `${name} finds nobody on other machines: every node listens on this one only`,
          ['discovery', way],
          'listen on 0.0.0.0, every interface',
        ),
      )
    }
  }
  return problems
}

function nodeProblems(node: NodeDeclaration, path: Path): Problem[] {
  const { name, replicas, tags, services, listen } = node
  const problems: Problem[] = []
  if (!isNodeName(name)) {
    const likely = nodeNameFrom(name)
    const rule = `a node's name has ${nodeNameRule}`
    problems.push(
      error(
        'NODE_NAME_INVALID',
        `${quoted(name)} cannot name a node`,
        [...path, 'name'],
        isNodeName(likely) ? `${rule}: ${quoted(likely)} would do` : rule,
      ),
    )
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > replicasMax) {
    const message = `node ${quoted(name)} cannot have ${replicas} replicas`
    problems.push(
      error(
        'NODE_REPLICAS_INVALID',
        message,
        [...path, 'replicas'],
        `a whole number from 1 to ${replicasMax}`,
      ),
    )
  }
  if (services.length === 0) {
    problems.push(
      warning(
        'NODE_WITHOUT_SERVICES',
        `node ${quoted(name)} has no services: it takes part in discovery and does nothing else`,
        [...path, 'services'],
        'export a class with @Service() from its file',
      ),
    )
  }
  problems.push(...tagProblems(tags, [...path, 'tags']), ...labelProblems(node, [...path, 'labels']))
  const firstWithName = new Map<string, number>()
  for (const [index, service] of services.entries()) {
    const servicePath = [...path, 'services', index]
    if (!isServiceName(service.name)) {
      const message = `${quoted(service.name)} cannot name a service`
      problems.push(error('SERVICE_NAME_INVALID', message, [...servicePath, 'name'], serviceNameRule))
    }
    if (firstWithName.has(service.name)) {
      problems.push(
        error(
          'SERVICE_NAME_DUPLICATE',
          `node ${quoted(name)} has two services called ${quoted(service.name)}`,
          [...servicePath, 'name'],
          "give one of them another name: @Service({ name: '…' })",
        ),
      )
    }
    firstWithName.set(service.name, index)
    problems.push(...tagProblems(service.tags, [...servicePath, 'tags']))
  }
  problems.push(...unreadConfig(node, [...path, 'config']))
  if (listen !== undefined) problems.push(...listenProblems(node, listen, [...path, 'listen']))
  return problems
}

/** Configuration that nothing looks at is mostly a slip: the service that was meant goes on with its default. */
function unreadConfig({ name, services, config }: NodeDeclaration, path: Path): Problem[] {
  const read = new Set<string>()
  for (const { configKeys } of services) {
    if (configKeys === undefined) return []
    for (const key of configKeys) read.add(key)
  }
  if (services.length === 0) return []
  return Object.keys(config)
    .filter((key) => !read.has(key))
    .map((key) => {
      const likely = suggest(key, read)
      const message = `node ${quoted(name)} configures ${quoted(key)}, which none of its services reads`
      const hint = likely === undefined ? undefined : `did you mean ${quoted(likely)}?`
      return warning('CONFIG_KEY_UNREAD', message, [...path, key], hint)
    })
}

function tagProblems(tags: readonly string[], path: Path): Problem[] {
  return tags.flatMap((tag, index) =>
    isLabel(tag) ? [] : [error('TAG_INVALID', `${quoted(tag)} cannot be a tag`, [...path, index], labelRule)],
  )
}

function labelProblems({ labels = {} }: NodeDeclaration, path: Path): Problem[] {
  return Object.entries(labels).flatMap(([key, value]) =>
    isLabel(key) && isLabel(value)
      ? []
      : [error('LABEL_INVALID', `${quoted(`${key}=${value}`)} cannot be a label`, [...path, key], labelRule)],
  )
}

function listenProblems(node: NodeDeclaration, listen: ListenDeclaration, path: Path): Problem[] {
  const { name, replicas } = node
  const { port, addresses } = listen
  const problems: Problem[] = []
  if (port !== undefined && (!Number.isInteger(port) || port < 0 || port > portMax)) {
    const message = `node ${quoted(name)} cannot listen on port ${port}`
    problems.push(error('LISTEN_INVALID', message, [...path, 'port'], `a whole number from 0 to ${portMax}`))
  } else if (port !== undefined && port > 0 && port + replicas - 1 > portMax) {
    const message = `node ${quoted(name)} has ${replicas} replicas, whose ports from ${port} on would pass ${portMax}`
    problems.push(error('LISTEN_INVALID', message, [...path, 'port'], 'begin with a lower port'))
  }
  if (addresses !== undefined && replicas > 1) {
    const message = `node ${quoted(name)} has ${replicas} replicas, which cannot all listen on the same addresses`
    const hint = 'declare a port instead: replica n takes that port plus n'
    problems.push(error('LISTEN_INVALID', message, [...path, 'addresses'], hint))
  }
  for (const [index, address] of (addresses ?? []).entries()) {
    if (!looksLikeMultiaddr(address)) {
      const message = `node ${quoted(name)} listens on ${quoted(address)}, which is no multiaddr`
      problems.push(error('LISTEN_INVALID', message, [...path, 'addresses', index], addressHint))
    }
  }
  return problems
}

function duplicateNodes(nodes: readonly NodeDeclaration[]): Problem[] {
  const seen = new Set<string>()
  return nodes.flatMap(({ name }, index) => {
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    const hint = 'names are unique in a network; use "replicas" for several nodes of one kind'
    return [
      error('NODE_NAME_DUPLICATE', `two nodes are called ${quoted(name)}`, ['nodes', index, 'name'], hint),
    ]
  })
}

/** Nodes that would take the same port if they run on the same machine. */
function sharedPorts(nodes: readonly NodeDeclaration[]): Problem[] {
  const problems: Problem[] = []
  const ranges: { readonly name: string; readonly first: number; readonly last: number }[] = []
  for (const [index, { name, replicas, listen }] of nodes.entries()) {
    const first = listen?.port
    if (first === undefined || first === 0) continue
    const last = first + replicas - 1
    const other = ranges.find((range) => first <= range.last && range.first <= last)
    if (other !== undefined) {
      problems.push(
        warning(
          'LISTEN_PORT_SHARED',
          `nodes ${quoted(other.name)} and ${quoted(name)} both take port ${Math.max(first, other.first)}`,
          ['nodes', index, 'listen', 'port'],
          'they cannot run on the same machine',
        ),
      )
    }
    ranges.push({ name, first, last })
  }
  return problems
}

function portsOf({ nodes }: Topology): Port[] {
  return nodes.flatMap((node, nodeIndex) =>
    node.services.flatMap((service, serviceIndex) =>
      (['produces', 'consumes'] as const).flatMap((direction) =>
        service[direction].map((port, portIndex) => ({
          port,
          direction,
          node: node.name,
          service: service.name,
          path: ['nodes', nodeIndex, 'services', serviceIndex, direction, portIndex],
        })),
      ),
    ),
  )
}

function streamProblems(ports: readonly Port[]): Problem[] {
  const streams = new Map<StreamId, Port[]>()
  for (const port of ports) {
    const ends = streams.get(port.port.id)
    if (ends === undefined) streams.set(port.port.id, [port])
    else ends.push(port)
  }
  const problems: Problem[] = []
  for (const ends of streams.values()) {
    const [first] = ends
    if (first === undefined) continue
    if (!isLabel(first.port.stream)) {
      const message = `${place(first)} declares stream ${quoted(first.port.stream)}, which cannot name a stream`
      problems.push(error('STREAM_NAME_INVALID', message, first.path, labelRule))
    }
    problems.push(...producedTwice(ends), ...schemaConflicts(ends), ...missingEnds(ends, ports))
  }
  return problems
}

/** The services of a node that produce one stream share a producer; only the first can say how it produces. */
function producedTwice(ends: readonly Port[]): Problem[] {
  const firstOfNode = new Map<string, Port>()
  const problems: Problem[] = []
  for (const end of ends) {
    if (end.direction !== 'produces') continue
    const first = firstOfNode.get(end.node)
    if (first === undefined) {
      firstOfNode.set(end.node, end)
      continue
    }
    if (end.service === first.service || Object.keys(end.port.options).length === 0) continue
    problems.push(
      error(
        'STREAM_PRODUCED_TWICE',
        `node ${quoted(end.node)} produces stream ${quoted(end.port.stream)} twice: ${member(first)}, and ${member(end)} with options of its own`,
        end.path,
        'give the options to the definition of the stream, or put the two services on nodes of their own',
      ),
    )
  }
  return problems
}

/** Compares every end with the first producing one (or the first end), which is what the others have to agree with. */
function schemaConflicts(ends: readonly Port[]): Problem[] {
  const reference = ends.find(({ direction }) => direction === 'produces') ?? ends[0]
  if (reference === undefined) return []
  return ends
    .filter(({ port }) => port.fingerprint !== reference.port.fingerprint)
    .map((end) => {
      const differences = fieldDifferences(
        { name: member(reference), shape: reference.port.shape },
        { name: member(end), shape: end.port.shape },
      )
      return error(
        'STREAM_SCHEMA_CONFLICT',
        `stream ${quoted(end.port.stream)} has two schemas: ${place(end)} ${end.direction} it with another one than ${place(reference)}${differences.length > 0 ? ` (${differences.join('; ')})` : ''}`,
        end.path,
        'declare the stream once and import it on both sides',
      )
    })
}

function missingEnds(ends: readonly Port[], all: readonly Port[]): Problem[] {
  const missing = (['produces', 'consumes'] as const).find((direction) =>
    ends.every((end) => end.direction !== direction),
  )
  if (missing === undefined) return []
  const candidates = all.filter(({ direction }) => direction === missing)
  return ends.map((end) => {
    const likely = suggest(
      end.port.stream,
      candidates.map(({ port }) => port.stream),
    )
    const owner = candidates.find(({ port }) => port.stream === likely)
    const [code, verb, lack, done] =
      missing === 'produces'
        ? ['STREAM_NOT_PRODUCED', 'consumes', 'no node produces', 'produced']
        : ['STREAM_NOT_CONSUMED', 'produces', 'no node consumes', 'consumed']
    return warning(
      code,
      `${place(end)} ${verb} stream ${quoted(end.port.stream)}, which ${lack}`,
      end.path,
      owner === undefined
        ? undefined
        : `did you mean ${quoted(owner.port.stream)} (${done} by ${quoted(owner.node)})?`,
    )
  })
}

function place({ node, service }: Port): string {
  return `node ${quoted(node)} (${service})`
}

function member({ service, port }: Port): string {
  return `${service}.${port.member}`
}

const addressHint = 'a multiaddr reads like /ip4/127.0.0.1/udp/4001/quic-v1'

/** A rough look: what exactly is an address is the network's to say, when it listens or dials. */
function looksLikeMultiaddr(text: string): boolean {
  return /^(\/[^\s/]+){2,}$/.test(text)
}

/** In hexadecimal, or as libp2p writes it. */
function looksLikePeerId(text: string): boolean {
  return /^([0-9a-fA-F]{64}|12D3Koo[1-9A-HJ-NP-Za-km-z]{45})$/.test(text)
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

function error(code: string, message: string, path: Path, hint?: string): Problem {
  return { code, severity: 'error', message, path, ...(hint !== undefined && { hint }) }
}

function warning(code: string, message: string, path: Path, hint?: string): Problem {
  return { code, severity: 'warning', message, path, ...(hint !== undefined && { hint }) }
}
