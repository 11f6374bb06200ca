// The only file that knows the YAML library. It reads a text into a tree with places, and into findings.
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Parser,
  Scalar,
  type Document,
  type Pair,
  type ParsedNode,
  type YAMLError,
} from 'yaml'
import type { Finding } from './finding.js'
import { numberFault } from './scalar.js'
import type { SourceText, Span } from './source.js'
import type { YamlBroken, YamlEntry, YamlNode } from './yaml-tree.js'

/** Levels of nesting, aliases followed. Manifests have five, and configuration of the services below them. */
const depthMax = 64
/** Parts of the YAML text: scalars, collections, marks, comments, line breaks. */
const tokenCountMax = 250_000
/** Values of the document, each mention of an alias counted with everything that it stands for. */
const valueCountMax = 100_000

/** What a text says. Without a root there is nothing to go on with: the findings say why. */
export interface YamlText {
  readonly root?: YamlNode
  readonly findings: readonly Finding[]
}

/**
 * Reads one YAML 1.2 document of the core schema. Keys are strings; aliases are followed, within limits; `<<` merges.
 * Never throws, whatever the text.
 */
export function readYaml(source: SourceText): YamlText {
  const { text } = source
  const tokens = [...new Parser().parse(text)]
  const excess = excessOf(tokens)
  if (excess !== undefined) return { findings: [excess] }

  const composer = new Composer({
    schema: 'core',
    resolveKnownTags: false,
    merge: false,
    // The library compares every key with all before it; the walk below finds duplicates with a map.
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
  })
  const documents = [...composer.compose(tokens, true, text.length)]
  const extra = tokens.filter((token) => token.type === 'document')[1]
  if (extra !== undefined) {
    return { findings: [secondDocument(extra)] }
  }
  const [document] = documents
  if (document === undefined) return { findings: [] }
  const syntax = syntaxFindings(document, source)
  if (syntax.length > 0) return { findings: syntax }
  // A document of comments only has either no contents or a null that no text stands for.
  const contents = document.contents as ParsedNode | null
  if (contents === null || (isScalar(contents) && contents.range[0] === contents.range[1])) {
    return { findings: [emptyFile] }
  }
  return new TreeBuilder(source).build(contents)
}

const emptyFile: Finding = {
  code: 'MANIFEST_EMPTY',
  message: 'there is nothing in this manifest',
  hint: 'begin with "mosaik: 1", "network: <name>" and "nodes:"',
  span: { start: 0, end: 0 },
}

function secondDocument({ offset, start }: CST.Document): Finding {
  const mark = start.find(({ type }) => type === 'doc-start')
  const at = mark?.offset ?? offset
  return {
    code: 'MANIFEST_MULTIPLE_DOCUMENTS',
    message: 'a second YAML document begins here, and a manifest is one document',
    hint: 'put it into a file of its own',
    span: { start: at, end: at + (mark?.source.length ?? 1) },
  }
}

/** The token tree is measured before anything recursive looks at it. */
function excessOf(tokens: readonly CST.Token[]): Finding | undefined {
  const open: { readonly token: CST.Token; readonly depth: number }[] = tokens.map((token) => ({
    token,
    depth: 0,
  }))
  let count = 0
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    count++
    if (count > tokenCountMax) return tooComplex(`has more than ${tokenCountMax} parts`, token.offset)
    if (depth > depthMax) return tooComplex(`is nested deeper than ${depthMax} levels`, token.offset)
    if ('end' in token && Array.isArray(token.end)) count += token.end.length
    if (token.type === 'document') count += token.start.length
    if (token.type === 'document' && token.value !== undefined) open.push({ token: token.value, depth })
    if (!('items' in token)) continue
    for (const { start, key, sep, value } of token.items) {
      count += start.length + (sep?.length ?? 0)
      for (const part of [key, value])
        if (part !== undefined && part !== null) open.push({ token: part, depth: depth + 1 })
    }
  }
  return undefined
}

function tooComplex(what: string, offset: number): Finding {
  return {
    code: 'MANIFEST_TOO_COMPLEX',
    message: `the manifest ${what}`,
    span: { start: offset, end: offset + 1 },
  }
}

/** One finding a line: what the parser says further along a line that it has lost is noise. */
function syntaxFindings(document: Document, source: SourceText): Finding[] {
  const lines = new Set<number>()
  const findings: Finding[] = []
  for (const error of [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])) {
    const { line } = source.position(error.pos[0])
    if (lines.has(line)) continue
    lines.add(line)
    findings.push(syntaxFinding(error, source))
  }
  return findings
}

function syntaxFinding(error: YAMLError, source: SourceText): Finding {
  const [start, end] = error.pos
  const line = source.slice(source.lineSpan(source.position(start).line))
  const hint = line.includes('${') ? referenceHint : hints[error.code]
  return {
    code: 'MANIFEST_SYNTAX',
    message: messages[error.code] ?? `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`,
    ...(hint !== undefined && { hint }),
    span: { start, end: Math.max(start, end) },
  }
}

const referenceHint = 'put a ${…} in quotes where it stands inside { } or [ ], or contains ": " or " #"'

/** The library's words where a reader of YAML would not understand them. */
const messages: Partial<Record<YAMLError['code'], string>> = {
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " on this line makes it a mapping inside a mapping',
  MULTILINE_IMPLICIT_KEY: 'this line is no "key: value"',
  MISSING_CHAR: 'something is not closed here',
  NON_STRING_KEY: 'a key must be plain text',
  TAB_AS_INDENT: 'this line is indented with a tab',
  TAG_RESOLVE_FAILED: 'a manifest has no use for tags such as this',
}

const hints: Partial<Record<YAMLError['code'], string>> = {
  BAD_SCALAR_START: 'put the text in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'put the text in quotes',
  MULTILINE_IMPLICIT_KEY: 'is there a ":" missing?',
  TAB_AS_INDENT: 'YAML is indented with spaces',
  TAG_RESOLVE_FAILED: 'remove it',
}

/** How much a node holds, itself included, when every alias is followed. */
interface Extent {
  readonly values: number
  readonly depth: number
}

/** Turns the library's nodes into ours. Aliases share the node of their anchor, so that building stays linear. */
class TreeBuilder {
  readonly #source: SourceText
  readonly #findings: Finding[] = []
  /** The latest node of each anchor; undefined while it is being built. */
  readonly #anchors = new Map<string, YamlNode | undefined>()
  readonly #extents = new Map<YamlNode, Extent>()

  constructor(source: SourceText) {
    this.#source = source
  }

  build(contents: ParsedNode): YamlText {
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

  /** Collections end with their last value, and not with the blank lines and comments below it. */
  #spanOf(node: ParsedNode): Span {
    const [start, end] = node.range
    const text = this.#source.slice({ start, end })
    return { start, end: start + text.trimEnd().length }
  }
}
