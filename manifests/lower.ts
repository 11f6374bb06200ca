import type { ServiceDeclaration, Topology } from '#framework/topology'
import type { Manifest } from './manifest.js'

/**
 * Makes a manifest and the declarations of its services into a topology. Nodes keep their order, and with it their index
 * in the paths of problems. A node that `services` does not mention gets none.
 *
 * @param services The services of each node by its name, in the order in which they start.
 */
export function lower(
  manifest: Manifest,
  services: ReadonlyMap<string, readonly ServiceDeclaration[]>,
): Topology {
  return {
    ...manifest,
    nodes: manifest.nodes.map((node) => ({ ...node, services: services.get(node.name) ?? [] })),
  }
}
