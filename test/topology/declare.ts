// Small ways to write topologies down in tests.
import { digestOf } from '#framework/primitives'
import type { NodeDeclaration, PortDeclaration, ServiceDeclaration, Topology } from '#framework/topology'

/** A port of a stream whose datum has the given fields: `{ at: 'number' }`. */
export function port(stream: string, fields: Readonly<Record<string, string>> = {}): PortDeclaration {
  const properties = Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, { type }]))
  const shape = JSON.stringify({ type: 'object', properties })
  return { stream, id: digestOf(stream), fingerprint: digestOf(shape), shape, member: stream, options: {} }
}

export function service(name: string, ports: Partial<ServiceDeclaration> = {}): ServiceDeclaration {
  return { name, tags: [], produces: [], consumes: [], ...ports }
}

export function node(name: string, rest: Partial<NodeDeclaration> = {}): NodeDeclaration {
  return { name, replicas: 1, tags: [], services: [service('Idle')], config: {}, use: [], ...rest }
}

export function topology(...nodes: readonly NodeDeclaration[]): Topology {
  return { network: 'test', nodes, seeds: [] }
}

/** Two sensors, an aggregator and a console: what most tests draw and count. */
export function telemetry(): Topology {
  const samples = port('sample', { at: 'number', load: 'number' })
  const alerts = port('alert', { text: 'string' })
  return topology(
    node('sensor', { replicas: 2, tags: ['edge'], services: [service('Sensor', { produces: [samples] })] }),
    node('aggregator', { services: [service('Aggregator', { consumes: [samples], produces: [alerts] })] }),
    node('console', { services: [service('Console', { consumes: [alerts] })] }),
  )
}
