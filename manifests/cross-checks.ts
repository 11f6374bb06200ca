// What one value alone does not show: a file that is not there, replicas that would share a port. These look at the tree,
// so that they also speak about a manifest that has other problems.
import { portsOf } from './addresses.js'
import type { Finding } from './finding.js'
import { type ManifestFiles, useFindings } from './use.js'
import { nodeAt, spanAt, type YamlMap, type YamlNode } from './yaml-tree.js'

/** Checks every node of the tree. Without `files`, nothing is said about files that are not there. */
export function crossChecks(root: YamlNode, manifestFile: string, files?: ManifestFiles): readonly Finding[] {
  const nodes = nodeAt(root, ['nodes'])
  if (nodes?.kind !== 'map') return []
  return Array.from(nodes.entries).flatMap(([name, { value }]) => {
    if (value.kind !== 'map') return []
    return [...useFindings(root, name, value, manifestFile, files), ...listenFindings(root, name, value)]
  })
}

function listenFindings(root: YamlNode, name: string, node: YamlMap): Finding[] {
  const replicas = node.entries.get('replicas')?.value
  const listen = node.entries.get('listen')?.value
  if (replicas?.kind !== 'scalar' || typeof replicas.value !== 'number' || listen === undefined) return []
  const fault = listenFault(listen, replicas.value)
  if (fault === undefined) return []
  const path = ['nodes', name, 'listen']
  return [
    {
      code: 'MANIFEST_LISTEN_CONFLICT',
      message: `node "${name}" has ${fault.message}`,
      hint: fault.hint,
      span: spanAt(root, path),
      path,
    },
  ]
}

function listenFault(listen: YamlNode, replicas: number): { message: string; hint: string } | undefined {
  if (replicas <= 1) return undefined
  const value = listen.kind === 'scalar' ? listen.value : undefined
  if (typeof value === 'number') {
    const message = `${replicas} replicas, which cannot all listen on port ${value}`
    return { message, hint: `give each a port of its own: ${rangeOf(value, replicas)}` }
  }
  const ports = typeof value === 'string' ? portsOf(value) : undefined
  if (ports === undefined) {
    if (listen.kind !== 'list' && !(typeof value === 'string' && value.startsWith('/'))) return undefined
    const message = `${replicas} replicas, which cannot all listen on the same address`
    return { message, hint: `give them a range of ports instead: ${rangeOf(4001, replicas)}` }
  }
  const count = ports.last - ports.first + 1
  if (count < 1 || count >= replicas) return undefined
  const message = `${replicas} replicas and ports for ${count} of them`
  return { message, hint: `did you mean ${rangeOf(ports.first, replicas)}?` }
}

function rangeOf(first: number, count: number): string {
  return `${first}-${first + count - 1}`
}
