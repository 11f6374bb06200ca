import type { Problem } from '#framework/topology'
import { inOrder, type LocatedProblem, problemAt } from './problems.js'
import type { SourceText, Span } from './source.js'
import { keySpanAt, nodeAt, type Path, spanAt, type YamlNode } from './yaml-tree.js'

/** The text of a manifest and where its parts stand: what problems that are found later are placed by. */
export class ManifestSource {
  constructor(
    readonly text: SourceText,
    /** Undefined when the text could not be read. */
    readonly root?: YamlNode,
  ) {}
}

export interface LocateOptions {
  /**
   * Which of a node's `use` entries a service came from, by the service's place in the topology. Without it, problems of
   * services point at the whole of `use`.
   */
  readonly useOf?: (node: string, serviceIndex: number) => number | undefined
}

/**
 * Gives problems their places in the manifest. Paths may be those of the topology that the manifest was lowered to, where
 * nodes and groups are a list, or those of the manifest, where they go by name. What the manifest does not spell out is placed at
 * what brings it about: services and their streams at `use`, defaults at their node.
 */
export function locate(
  problems: readonly Problem[],
  source: ManifestSource,
  options: LocateOptions = {},
): readonly LocatedProblem[] {
  return inOrder(
    problems.map((problem) => {
      const { root, text } = source
      if (root === undefined) return problemAt(text, { start: 0, end: 0 }, problem)
      const path = manifestPath(problem.path, root, options)
      return problemAt(text, placeOf(path, root), { ...problem, path })
    }),
  )
}

function manifestPath(path: Path, root: YamlNode, { useOf }: LocateOptions): Path {
  const [head, node, ...rest] = path
  if (head === 'groups' && typeof node === 'number') {
    const group = namesAt(root, 'groups')[node]
    return group === undefined ? ['groups'] : ['groups', group, ...rest]
  }
  if (head !== 'nodes' || node === undefined) return path
  const name = typeof node === 'number' ? namesAt(root, 'nodes')[node] : node
  if (name === undefined) return ['nodes']
  const base = ['nodes', name]
  const [part, index] = rest
  switch (part) {
    case 'name':
      return base
    case 'services': {
      const use = typeof index === 'number' ? useOf?.(name, index) : undefined
      const isList = nodeAt(root, [...base, 'use'])?.kind === 'list'
      return use !== undefined && isList ? [...base, 'use', use] : [...base, 'use']
    }
    case 'listen': {
      const isList = nodeAt(root, [...base, 'listen'])?.kind === 'list'
      return isList && rest[2] !== undefined ? [...base, 'listen', rest[2]] : [...base, 'listen']
    }
    case 'use':
      return nodeAt(root, [...base, 'use'])?.kind === 'list' ? [...base, ...rest] : [...base, 'use']
    default:
      return [...base, ...rest]
  }
}

/** In the order in which what stands under names is lowered. */
function namesAt(root: YamlNode, key: 'nodes' | 'groups'): readonly string[] {
  const named = nodeAt(root, [key])
  return named?.kind === 'map' ? [...named.entries.keys()] : []
}

/** A node or group itself is pointed at by its name. */
function placeOf(path: Path, root: YamlNode): Span {
  const isNamed = path.length === 2 && (path[0] === 'nodes' || path[0] === 'groups')
  return isNamed ? keySpanAt(root, path) : spanAt(root, path)
}
