// What a YAML text says, with the place of every part: the one form of it that the rest of this folder knows.
import type { Span } from './source.js'

export type YamlNode = YamlScalar | YamlList | YamlMap | YamlBroken

export interface YamlScalar {
  readonly kind: 'scalar'
  readonly span: Span
  readonly value: string | number | boolean | null
  /** Written without quotes and on one line, so that it may be a number or a boolean. */
  readonly plain: boolean
  /** Names of the environment variables that went into the value. */
  readonly variables?: readonly string[]
}

export interface YamlList {
  readonly kind: 'list'
  readonly span: Span
  readonly items: readonly YamlNode[]
}

export interface YamlMap {
  readonly kind: 'map'
  readonly span: Span
  /** In the order in which the keys are written, keys that came in through `<<` last. */
  readonly entries: ReadonlyMap<string, YamlEntry>
}

export interface YamlEntry {
  readonly keySpan: Span
  readonly value: YamlNode
}

/** Something that a problem has been reported for already. Whatever else could be said about it would be a consequence. */
export interface YamlBroken {
  readonly kind: 'broken'
  readonly span: Span
}

/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export type Path = readonly (string | number)[]

/** The plain value of a node. Each mention of an alias becomes a value of its own. Broken parts read as null. */
export function valueOf(node: YamlNode): Json {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'list':
      return node.items.map(valueOf)
    case 'map':
      return Object.fromEntries(Array.from(node.entries, ([key, entry]) => [key, valueOf(entry.value)]))
    case 'broken':
      return null
  }
}

/** The node at a path. Undefined when there is none. */
export function nodeAt(root: YamlNode, path: Path): YamlNode | undefined {
  let node: YamlNode | undefined = root
  for (const step of path) node = node === undefined ? undefined : childOf(node, step)
  return node
}

/** Whether a path leads to something broken, or through it. */
export function isBroken(root: YamlNode, path: Path): boolean {
  let node: YamlNode | undefined = root
  for (const step of path) {
    if (node === undefined || node.kind === 'broken') break
    node = childOf(node, step)
  }
  return node?.kind === 'broken'
}

/**
 * The place to point at for a path: a scalar itself, the key that a mapping or a list stands under (it would be underlined
 * over many lines otherwise), the key again for a value that is left out. Where the path leads nowhere, the nearest place
 * on the way.
 */
export function spanAt(root: YamlNode, path: Path): Span {
  let node = root
  let span: Span = startOf(root)
  for (const step of path) {
    const child = childOf(node, step)
    if (child === undefined) break
    const key = node.kind === 'map' ? node.entries.get(String(step))?.keySpan : undefined
    const compact = (child.kind === 'scalar' || child.kind === 'broken') && child.span.end > child.span.start
    span = compact ? child.span : (key ?? startOf(child))
    node = child
  }
  return span
}

/** The place of the key that a path ends in; of its value when the path ends in a list. */
export function keySpanAt(root: YamlNode, path: Path): Span {
  const parent = nodeAt(root, path.slice(0, -1))
  const key = parent?.kind === 'map' ? parent.entries.get(String(path.at(-1)))?.keySpan : undefined
  return key ?? spanAt(root, path)
}

/** What a node is, in words that follow "found". */
export function describe(node: YamlNode): string {
  switch (node.kind) {
    case 'list':
      return node.items.length === 0 ? 'an empty list' : 'a list'
    case 'map':
      return node.entries.size === 0 ? 'an empty mapping' : 'a mapping'
    case 'broken':
      return 'something unreadable'
    case 'scalar': {
      const value = node.value === null ? 'nothing' : quoted(node.value)
      return node.variables === undefined ? value : `${value} (from ${node.variables.join(', ')})`
    }
  }
}

const quotedLengthMax = 60

/** A scalar as messages show it: texts in quotes, long ones cut. */
export function quoted(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value)
  return JSON.stringify(value.length > quotedLengthMax ? `${value.slice(0, quotedLengthMax)}…` : value)
}

function childOf(node: YamlNode, step: string | number): YamlNode | undefined {
  if (node.kind === 'map') return node.entries.get(String(step))?.value
  return node.kind === 'list' && typeof step === 'number' ? node.items[step] : undefined
}

function startOf({ span }: YamlNode): Span {
  return { start: span.start, end: Math.min(span.start + 1, span.end) }
}
