import { isAlias, isMap, isScalar, isSeq, Scalar, type Pair, type ParsedNode } from 'yaml'
import type { Finding } from './finding.js'
import { numberFault } from './scalar.js'
import type { SourceText, Span } from './source.js'
import type { YamlBroken, YamlEntry, YamlNode } from './yaml-tree.js'

/** Levels of nesting, aliases followed. Manifests have five, and configuration of the services below them. */
export const depthMax = 64
/** Values of the document, each mention of an alias counted with everything that it stands for. */
const valueCountMax = 100_000

/** How much a node holds, itself included, when every alias is followed. */
interface Extent {
  readonly values: number
  readonly depth: number
}

/** Turns the library's nodes into ours. Aliases share the node of their anchor, so that building stays linear. */
export class TreeBuilder {
  readonly #source: SourceText
  readonly #findings: Finding[] = []
  /** The latest node of each anchor; undefined while it is being built. */
  readonly #anchors = new Map<string, YamlNode | undefined>()
  readonly #extents = new Map<YamlNode, Extent>()

  constructor(source: SourceText) {
    this.#source = source
  }

  build(contents: ParsedNode): { readonly root: YamlNode; readonly findings: readonly Finding[] } {
    const root = this.#node(contents, 0)
    return { root, findings: this.#findings }
  }

  #node(node: ParsedNode | null, offset: number): YamlNode {
    if (node === null)
      return this.#measured(
        { kind: 'scalar', span: { start: offset, end: offset }, value: null, plain: true },
        [],
      )
    const span = this.#spanOf(node)
    if (isAlias(node)) return this.#alias(node.source, span)
    const { anchor } = node
    if (anchor !== undefined) this.#anchors.set(anchor, undefined)
    const built = isMap(node)
      ? this.#map(node.items, span)
      : isSeq(node)
        ? this.#list(node.items, span)
        : this.#scalar(node, span)
    if (anchor !== undefined) this.#anchors.set(anchor, built)
    return built
  }

  #scalar(scalar: Scalar.Parsed, span: Span): YamlNode {
    const { value, type } = scalar
    const plain = type === Scalar.PLAIN && !this.#source.slice(span).includes('\n')
    if (typeof value === 'number') {
      const fault = numberFault(value, this.#source.slice(span))
      if (fault !== undefined) return this.#broken({ code: 'MANIFEST_VALUE_INVALID', ...fault, span })
    }
    const known = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    return this.#measured({ kind: 'scalar', span, value: known ? value : null, plain }, [])
  }

  #list(nodes: readonly unknown[], span: Span): YamlNode {
    const items = nodes.map((node) => this.#node(node as ParsedNode | null, span.start))
    return this.#measured({ kind: 'list', span, items }, items)
  }

  #map(pairs: readonly Pair[], span: Span): YamlNode {
    const entries = new Map<string, YamlEntry>()
    const merged: YamlNode[] = []
    for (const pair of pairs) {
      const key = pair.key as ParsedNode
      const keySpan = this.#spanOf(key)
      // Every key is a text: the composer was told so, and the document would have an error otherwise.
      const name = isScalar(key) && typeof key.value === 'string' ? key.value : ''
      if (isScalar(key) && key.anchor !== undefined) {
        this.#anchors.set(
          key.anchor,
          this.#measured({ kind: 'scalar', span: keySpan, value: name, plain: false }, []),
        )
      }
      const value = this.#node(pair.value as ParsedNode | null, keySpan.end)
      const first = entries.get(name)
      if (name === '<<' && isScalar(key) && key.type === Scalar.PLAIN) {
        merged.push(...this.#mergeable(value, keySpan))
      } else if (name === '__proto__') {
        // Whoever copies configuration key by key would otherwise change the prototype of the copy.
        this.#findings.push({
          code: 'MANIFEST_NAME_INVALID',
          message: 'the key "__proto__" is reserved',
          span: keySpan,
        })
      } else if (first !== undefined) {
        const { line } = this.#source.position(first.keySpan.start)
        this.#findings.push({
          code: 'MANIFEST_DUPLICATE_KEY',
          message: `the key ${JSON.stringify(name)} is on line ${line} already`,
          span: keySpan,
        })
      } else {
        entries.set(name, { keySpan, value })
      }
    }
    for (const map of merged) {
      if (map.kind !== 'map') continue
      for (const [name, entry] of map.entries) if (!entries.has(name)) entries.set(name, entry)
    }
    return this.#measured(
      { kind: 'map', span, entries },
      Array.from(entries.values(), ({ value }) => value),
    )
  }

  /** The mappings that a `<<` brings in; those named first win, and keys of the mapping itself win over all. */
  #mergeable(value: YamlNode, span: Span): readonly YamlNode[] {
    const maps = value.kind === 'list' ? value.items : [value]
    if (maps.some(({ kind }) => kind !== 'map' && kind !== 'broken')) {
      this.#findings.push({
        code: 'MANIFEST_MERGE_INVALID',
        message: '"<<" merges mappings, and this is none',
        hint: 'name the anchor of a mapping: "<<: *name"',
        span,
      })
    }
    return maps
  }

  #alias(name: string, span: Span): YamlNode {
    const target = this.#anchors.get(name)
    if (target !== undefined) return target
    const message = this.#anchors.has(name)
      ? `the alias "*${name}" is part of the anchor "&${name}" that it stands for`
      : `the alias "*${name}" has no anchor "&${name}" above it`
    return this.#broken({ code: 'MANIFEST_ALIAS_INVALID', message, span })
  }

  /** Keeps count of what following aliases would unfold. What would be too much is cut off where it becomes so. */
  #measured(node: YamlNode, children: readonly YamlNode[]): YamlNode {
    let values = 1
    let depth = 0
    for (const child of children) {
      const extent = this.#extents.get(child) ?? { values: 1, depth: 0 }
      values += extent.values
      depth = Math.max(depth, extent.depth + 1)
    }
    if (values > valueCountMax || depth > depthMax) {
      return this.#broken({
        code: 'MANIFEST_TOO_COMPLEX',
        message:
          depth > depthMax
            ? `with its aliases followed, this is nested deeper than ${depthMax} levels`
            : `with its aliases followed, this has more than ${valueCountMax} values`,
        span: { start: node.span.start, end: node.span.start + 1 },
      })
    }
    this.#extents.set(node, { values, depth })
    return node
  }

  #broken(finding: Finding): YamlBroken {
    this.#findings.push(finding)
    return { kind: 'broken', span: finding.span }
  }

  /** Without the line breaks and spaces that a block's last line ends in. */
  #spanOf(node: ParsedNode): Span {
    const [start, end] = node.range
    const text = this.#source.slice({ start, end })
    return { start, end: start + text.trimEnd().length }
  }
}
