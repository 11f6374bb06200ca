// References to environment variables. They are filled in after the YAML has been read, one text at a time: places stay
// true, and whatever a variable holds it cannot add a key or end a quote.
import type { Finding } from './finding.js'
import { numberFault, scalarOf } from './scalar.js'
import type { SourceText, Span } from './source.js'
import { suggest } from '#framework/primitives'
import type { YamlNode, YamlScalar } from './yaml-tree.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** One piece of a text with references in it. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | Reference
  | { readonly kind: 'malformed'; readonly raw: string; readonly message: string }

/** `${NAME}`, `${NAME:-fallback}` or `${NAME:?complaint}`. */
export interface Reference {
  readonly kind: 'reference'
  /** The reference as it is written. */
  readonly raw: string
  readonly name: string
  /** Taken when the variable is not set, or empty. */
  readonly fallback?: string
  /** Said when the variable is not set, or empty. */
  readonly complaint?: string
}

/**
 * Takes a text apart. `$${` stands for the two characters `${`; every other `${` begins a reference, which ends at the
 * next `}`. References do not nest.
 */
export function partsOf(text: string): readonly Part[] {
  const parts: Part[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    const mark = text.indexOf('${', at)
    if (mark === -1) break
    if (mark > at && text[mark - 1] === '$') {
      literal += `${text.slice(at, mark - 1)}\${`
      at = mark + 2
      continue
    }
    literal += text.slice(at, mark)
    if (literal !== '') parts.push({ kind: 'text', text: literal })
    literal = ''
    const end = text.indexOf('}', mark)
    const raw = text.slice(mark, end === -1 ? undefined : end + 1)
    parts.push(end === -1 ? { kind: 'malformed', raw, message: 'this "${" has no "}"' } : referenceOf(raw))
    at = mark + raw.length
  }
  literal += text.slice(at)
  if (literal !== '') parts.push({ kind: 'text', text: literal })
  return parts
}

function referenceOf(raw: string): Part {
  const inside = raw.slice(2, -1)
  const [, name, operator, rest = ''] = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:[-?])([^]*))?$/.exec(inside) ?? []
  if (rest.includes('${'))
    return { kind: 'malformed', raw, message: 'a reference cannot stand inside another' }
  if (name === undefined) return { kind: 'malformed', raw, message: `${raw} is no reference to a variable` }
  if (operator === ':-') return { kind: 'reference', raw, name, fallback: rest }
  if (operator === ':?') return { kind: 'reference', raw, name, complaint: rest }
  return { kind: 'reference', raw, name }
}

/**
 * Fills in the references of every text in the tree; keys are left as they are. A value with a reference that cannot be
 * filled in becomes broken, and `findings` says why.
 *
 * A value that is written without quotes and consists of one reference is a number or a boolean when its text is one.
 */
export function substitute(
  root: YamlNode,
  source: SourceText,
  env: Environment,
): { readonly root: YamlNode; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  return { root: new Substitution(source, env, findings).node(root), findings }
}

class Substitution {
  readonly #source: SourceText
  readonly #env: Environment
  readonly #findings: Finding[]
  /** What an anchor holds is filled in once, however many aliases share it. */
  readonly #done = new Map<YamlNode, YamlNode>()

  constructor(source: SourceText, env: Environment, findings: Finding[]) {
    this.#source = source
    this.#env = env
    this.#findings = findings
  }

  node(node: YamlNode): YamlNode {
    const known = this.#done.get(node)
    if (known !== undefined) return known
    const filled = this.#filled(node)
    this.#done.set(node, filled)
    return filled
  }

  #filled(node: YamlNode): YamlNode {
    switch (node.kind) {
      case 'broken':
        return node
      case 'list':
        return { ...node, items: node.items.map((item) => this.node(item)) }
      case 'map': {
        const entries = Array.from(
          node.entries,
          ([key, { keySpan, value }]) => [key, { keySpan, value: this.node(value) }] as const,
        )
        return { ...node, entries: new Map(entries) }
      }
      case 'scalar':
        return this.#scalar(node)
    }
  }

  #scalar(scalar: YamlScalar): YamlNode {
    const { value, span } = scalar
    if (typeof value !== 'string' || !value.includes('${')) return scalar
    const parts = partsOf(value)
    const places = this.#placesOf(parts, span)
    const before = this.#findings.length
    const text = parts.map((part, index) => this.#textOf(part, places[index] ?? span)).join('')
    if (this.#findings.length > before) return { kind: 'broken', span }
    const variables = parts.flatMap((part) => (part.kind === 'reference' ? [part.name] : []))
    if (variables.length === 0) return { ...scalar, value: text }
    const [only] = parts
    const retyped = scalar.plain && parts.length === 1 && only?.kind === 'reference' ? typed(text) : text
    return { ...scalar, value: retyped, variables }
  }

  #textOf(part: Part, span: Span): string {
    if (part.kind === 'text') return part.text
    if (part.kind === 'malformed') {
      this.#findings.push({
        code: 'MANIFEST_ENV_MALFORMED',
        message: part.message,
        hint: 'write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ stands for the characters ${',
        span,
      })
      return ''
    }
    const { name, fallback, complaint } = part
    const value = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined
    if (value !== undefined && (value !== '' || (fallback === undefined && complaint === undefined)))
      return value
    if (fallback !== undefined) return fallback
    this.#findings.push(this.#unset(part, value, span))
    return ''
  }

  #unset({ name, complaint = '' }: Reference, value: string | undefined, span: Span): Finding {
    const set = Object.keys(this.#env).filter((key) => this.#env[key] !== undefined)
    const likely = suggest(name, set)
    return {
      code: 'MANIFEST_ENV_UNSET',
      message: `the environment variable ${name} is ${value === '' ? 'empty' : 'not set'}${complaint === '' ? '' : `: ${complaint}`}`,
      hint:
        likely === undefined
          ? `set it, or give it a default: \${${name}:-…}`
          : `did you mean ${likely}, which is set?`,
      span,
    }
  }

  /**
   * Where each part stands in the file. References are looked up in the text as it is written, because escapes and
   * folded lines make the value's own offsets meaningless. One that an escape hides is placed at the whole value.
   */
  #placesOf(parts: readonly Part[], span: Span): readonly Span[] {
    let from = span.start
    return parts.map((part) => {
      if (part.kind === 'text') return span
      const at = this.#source.text.indexOf(part.raw, from)
      if (at === -1 || at + part.raw.length > span.end) return span
      from = at + part.raw.length
      return { start: at, end: from }
    })
  }
}

/** A number that would lose digits stays text. */
function typed(text: string): string | number | boolean {
  const value = scalarOf(text)
  return typeof value === 'number' && numberFault(value, text) !== undefined ? text : value
}
