// What one value alone does not show: a file that is not there, replicas that would share a port. These look at the tree,
// so that they also speak about a manifest that has other problems.
import { basename, dirname, extname, join, resolve } from 'node:path'
import type { Finding } from './finding.js'
import { portsOf } from './schema.js'
import { suggest } from './suggest.js'
import { nodeAt, type Path, spanAt, type YamlMap, type YamlNode } from './yaml-tree.js'

/** What checking needs of a file system. Paths are absolute. */
export interface ManifestFiles {
  /** Whether there is a file, and no folder, at a path. */
  exists(path: string): boolean
  /** The names in a folder; none when there is no such folder. */
  list(folder: string): readonly string[]
}

/** Checks every node of the tree. Without `files`, nothing is said about files that are not there. */
export function crossChecks(root: YamlNode, manifestFile: string, files?: ManifestFiles): readonly Finding[] {
  const nodes = nodeAt(root, ['nodes'])
  if (nodes?.kind !== 'map') return []
  return Array.from(nodes.entries).flatMap(([name, { value }]) => {
    if (value.kind !== 'map') return []
    return [...useFindings(root, name, value, manifestFile, files), ...listenFindings(root, name, value)]
  })
}

function useFindings(
  root: YamlNode,
  name: string,
  node: YamlMap,
  manifestFile: string,
  files?: ManifestFiles,
): Finding[] {
  const use = node.entries.get('use')?.value
  const base: Path = ['nodes', name, 'use']
  const parts =
    use?.kind === 'list'
      ? use.items.map((part, index) => ({ part, path: [...base, index] }))
      : [{ part: use, path: base }]
  const seen = new Set<string>()
  return parts.flatMap(({ part, path }): Finding[] => {
    // A text that does not begin like a path has been reported as such.
    if (part?.kind !== 'scalar' || typeof part.value !== 'string' || !/^(\.{1,2})?\/./.test(part.value))
      return []
    const file = resolve(dirname(manifestFile), part.value)
    const span = spanAt(root, path)
    if (seen.has(file)) {
      const message = `node "${name}" uses "${part.value}" twice`
      return [{ code: 'MANIFEST_USE_DUPLICATE', message, hint: 'remove one of them', span, path }]
    }
    seen.add(file)
    if (files === undefined || files.exists(file)) return []
    const likely = similarFile(file, part.value, files)
    const message = `node "${name}" uses "${part.value}", and there is no such file`
    const hint = likely === undefined ? `looked for ${file}` : `did you mean "${likely}"?`
    return [{ code: 'MANIFEST_USE_NOT_FOUND', message, hint, span, path }]
  })
}

const moduleExtensions: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'])

/** A module of the same folder with a similar name, written the way `use` was. */
function similarFile(file: string, use: string, files: ManifestFiles): string | undefined {
  const modules = files.list(dirname(file)).filter((entry) => moduleExtensions.has(extname(entry)))
  const wanted = basename(file)
  const stem = basename(file, extname(file))
  // The same name with another extension, or without one, is nearer than any name with other letters.
  const likely = modules.find((entry) => basename(entry, extname(entry)) === stem) ?? suggest(wanted, modules)
  if (likely === undefined) return undefined
  const path = join(dirname(use), likely)
  return use.startsWith('./') ? `./${path}` : path
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
