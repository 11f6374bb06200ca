// The canonical text of a schema. Two schemas have the same text exactly if they accept the same datums as far as a
// JSON Schema can tell: the order of fields, annotations, names and the way in which recursion was written do not count.
import { z } from 'zod'

/** Something in a schema that cannot travel. */
export interface UnsupportedPart {
  /** Where it is: `/orders/*` is every item of the field `orders`. The schema as a whole is `/`. */
  readonly path: string
  /** What is wrong with it, in words. */
  readonly problem: string
}

export type CanonicalSchema =
  { readonly shape: string } | { readonly unsupported: readonly [UnsupportedPart, ...UnsupportedPart[]] }

/**
 * Writes a zod schema as a canonical JSON Schema: keys sorted, without white space, without annotations.
 *
 * Three types of ours stand for what MessagePack can carry and JSON cannot: `date`, `bigint` and `bytes`. A schema that
 * contains itself is cut where it would repeat: `{"$up":n}` is the schema n levels further out. What a JSON Schema cannot
 * say (refinements, bounds of dates and big integers) is not part of the text; both ends check it for themselves.
 */
export function canonicalSchema(schema: z.ZodType): CanonicalSchema {
  const parts: UnsupportedPart[] = []
  const json = z.toJSONSchema(schema, {
    metadata: noMetadata,
    unrepresentable: ({ zodSchema, path }) => {
      const type = travellingType(zodSchema)
      if (type === undefined)
        parts.push({ path: fieldPath(path), problem: problemWith(zodSchema._zod.def.type) })
      return type === undefined ? {} : { type: type as 'object' }
    },
    override: ({ zodSchema, path }) => {
      const { type } = zodSchema._zod.def
      if (convertingTypes.has(type)) parts.push({ path: fieldPath(path), problem: problemWith(type) })
    },
  })
  const [first, ...others] = parts
  if (first !== undefined) return { unsupported: [first, ...others] }
  try {
    return { shape: new ShapeWriter(json).write() }
  } catch (error) {
    if (error instanceof ShapeTooLargeError) return { unsupported: [{ path: '/', problem: error.message }] }
    throw error
  }
}

/** Titles, ids and the like do not count, and zod writes some schemas differently where it finds any. */
const noMetadata = z.registry<z.core.JSONSchemaMeta>()

/** Types that JSON Schema can describe, and that still are not what goes in or comes out. */
const convertingTypes: ReadonlySet<string> = new Set(['pipe', 'promise', 'file', 'success'])

function problemWith(type: string): string {
  switch (type) {
    case 'transform':
    case 'pipe':
      return 'a transform, pipe or codec changes values: convert before sending or after receiving'
    case 'promise':
      return 'a promise has no value yet: await it before sending'
    case 'success':
      return 'it replaces the value by whether it is valid'
    case 'map':
      return 'a Map cannot travel: use a record or an array of pairs'
    case 'set':
      return 'a Set cannot travel: use an array'
    case 'undefined':
    case 'void':
      return 'undefined is no value: use optional() on the field, or null'
    case 'custom':
      return 'it says nothing about what it accepts; of classes, only z.instanceof(Uint8Array) can travel'
    case 'literal':
      return 'a literal can be text, a number, a boolean or null'
    default:
      return `${type} cannot travel`
  }
}

/** The type of ours for what JSON cannot carry and MessagePack can. */
function travellingType(schema: z.core.$ZodType): 'date' | 'bigint' | 'bytes' | undefined {
  const { type } = schema._zod.def
  if (type === 'date' || type === 'bigint') return type
  if (type === 'custom' && acceptsBytesOnly(schema)) return 'bytes'
  return undefined
}

/** A class in a zod schema is an opaque check, so that asking it is the only way to find out which one it is. */
function acceptsBytesOnly(schema: z.core.$ZodType): boolean {
  const accepts = (value: unknown): boolean => {
    try {
      return z.safeParse(schema, value).success
    } catch {
      return false
    }
  }
  const others = ['', 0, true, null, undefined, {}, [], new Date(0), 0n]
  return accepts(new Uint8Array(1)) && !others.some(accepts)
}

/** The path of a datum's field, from the path of its schema in a JSON Schema. */
function fieldPath(path: readonly (string | number)[]): string {
  let text = ''
  for (let index = 0; index < path.length; index++) {
    switch (path[index]) {
      case 'properties':
      case 'prefixItems':
        text += `/${path[++index]}`
        break
      case 'items':
      case 'additionalProperties':
      case 'propertyNames':
        text += '/*'
        break
      case 'patternProperties':
        text += '/*'
        index++
        break
      case 'anyOf':
      case 'oneOf':
      case 'allOf':
        index++
        break
    }
  }
  return text === '' ? '/' : text
}

/** Larger shapes come from schemas that share parts in each other many levels deep, which doubles them at each level. */
const schemasMax = 10_000

class ShapeTooLargeError extends Error {
  constructor() {
    super(`a schema has at most ${schemasMax} parts, after parts that are used twice are counted twice`)
  }
}

type Json = Readonly<Record<string, unknown>>

/** One schema of the graph that a JSON Schema with references stands for. */
interface SchemaNode {
  /** What it says by itself, as canonical text. */
  readonly own: readonly (readonly [keyword: string, text: string])[]
  /** What it says through other schemas; under each keyword by name, in order, or in no order. */
  readonly named: Map<string, Map<string, SchemaNode>>
  readonly ordered: Map<string, SchemaNode[]>
  readonly unordered: Map<string, SchemaNode[]>
}

/** Keywords whose value is one schema, or a boolean. */
const oneSchema = ['items', 'additionalProperties', 'propertyNames', 'not', 'contains']
const schemasByName = ['properties', 'patternProperties']
const schemasInOrder = ['prefixItems']
const schemasInAnyOrder = ['anyOf', 'oneOf', 'allOf']

/** Keywords that constrain values. All others (titles, examples, defaults, whatever meta() was given) are annotations. */
const constraints = [
  'type',
  'format',
  'pattern',
  'contentEncoding',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
]

class ShapeWriter {
  readonly #root: Json
  readonly #nodes = new Map<Json, SchemaNode>()
  readonly #classes: ReadonlyMap<SchemaNode, number>
  readonly #top: SchemaNode
  #written = 0

  constructor(root: Json) {
    this.#root = root
    this.#top = this.#nodeOf(root)
    this.#classes = equivalenceClasses([...this.#nodes.values()])
  }

  write(): string {
    return this.#text(this.#top, [])
  }

  #nodeOf(schema: Json): SchemaNode {
    const known = this.#nodes.get(schema)
    if (known !== undefined) return known
    const full = this.#full(schema)
    const node: SchemaNode = {
      own: ownKeywords(full),
      named: new Map(),
      ordered: new Map(),
      unordered: new Map(),
    }
    // Before its parts, which may contain it.
    this.#nodes.set(schema, node)
    for (const keyword of oneSchema) {
      const part = full[keyword]
      if (isJson(part)) node.ordered.set(keyword, [this.#nodeOf(part)])
    }
    for (const keyword of schemasByName) {
      const parts = full[keyword]
      if (!isJson(parts)) continue
      const nodes = Object.entries(parts).map(([name, part]) => [name, this.#nodeOf(part as Json)] as const)
      node.named.set(keyword, new Map(nodes.toSorted(([a], [b]) => compare(a, b))))
    }
    for (const [keywords, target] of [
      [schemasInOrder, node.ordered],
      [schemasInAnyOrder, node.unordered],
    ] as const) {
      for (const keyword of keywords) {
        const parts = full[keyword]
        if (Array.isArray(parts))
          target.set(
            keyword,
            parts.map((part: Json) => this.#nodeOf(part)),
          )
      }
    }
    return node
  }

  /** A reference stands for its target; what is written beside it adds to that. */
  #full(schema: Json): Json {
    const { $ref, type, ...beside } = schema
    // How zod writes a union of plain types, if it does: as any other union here, so that there is one way.
    if (Array.isArray(type)) return { ...beside, anyOf: type.map((one: unknown) => ({ type: one })) }
    if (typeof $ref !== 'string') return schema
    let target: unknown = this.#root
    for (const segment of $ref.split('/').slice(1)) {
      const name = segment.replaceAll('~1', '/').replaceAll('~0', '~')
      target = isJson(target) ? target[name] : undefined
    }
    return { ...this.#full(target as Json), ...(type !== undefined && { type }), ...beside }
  }

  #text(node: SchemaNode, outer: readonly number[]): string {
    if (++this.#written > schemasMax) throw new ShapeTooLargeError()
    const equivalent = this.#classes.get(node) ?? 0
    const up = outer.lastIndexOf(equivalent)
    if (up >= 0) return `{"$up":${outer.length - up}}`
    const path = [...outer, equivalent]
    const members = new Map(node.own)
    for (const [keyword, parts] of node.named) {
      if (parts.size === 0) continue
      const texts = [...parts].map(([name, part]) => `${JSON.stringify(name)}:${this.#text(part, path)}`)
      members.set(keyword, `{${texts.join(',')}}`)
    }
    for (const [keyword, parts] of node.ordered) {
      const texts = parts.map((part) => this.#text(part, path))
      members.set(keyword, schemasInOrder.includes(keyword) ? `[${texts.join(',')}]` : texts.join(''))
    }
    for (const [keyword, parts] of node.unordered) {
      const texts = parts.map((part) => this.#text(part, path)).sort(compare)
      const distinct = keyword === 'oneOf' ? texts : [...new Set(texts)]
      if (distinct.length === 1 && members.size === 0) return this.#onlyText(parts[0]!, distinct[0]!, outer)
      members.set(keyword, `[${distinct.join(',')}]`)
    }
    const sorted = [...members].sort(([a], [b]) => compare(a, b))
    return `{${sorted.map(([keyword, text]) => `"${keyword}":${text}`).join(',')}}`
  }

  /** What has one alternative is this alternative: no level of the text, so that none of it may count as one. */
  #onlyText(part: SchemaNode, textWithin: string, outer: readonly number[]): string {
    const isNothingButItself = textWithin === '{"$up":1}'
    return isNothingButItself || !textWithin.includes('"$up"') ? textWithin : this.#text(part, outer)
  }
}

/**
 * Which schemas of a graph accept the same values, found by splitting them until no two in one class can be told apart
 * (partition refinement, Moore 1956). So a recursive schema has one text, wherever its author happened to tie the knot.
 */
function equivalenceClasses(nodes: readonly SchemaNode[]): ReadonlyMap<SchemaNode, number> {
  let classes: ReadonlyMap<SchemaNode, number> = new Map(nodes.map((node) => [node, 0]))
  let classCount = 1
  for (;;) {
    const numbers = new Map<string, number>()
    const next = new Map<SchemaNode, number>()
    for (const node of nodes) {
      const signature = signatureOf(node, classes)
      const number = numbers.get(signature) ?? numbers.size
      numbers.set(signature, number)
      next.set(node, number)
    }
    classes = next
    // Each round splits classes or leaves all as they are, so that there are no more rounds than schemas.
    if (numbers.size === classCount) return classes
    classCount = numbers.size
  }
}

function signatureOf(node: SchemaNode, classes: ReadonlyMap<SchemaNode, number>): string {
  const classOf = (part: SchemaNode): number => classes.get(part) ?? 0
  return JSON.stringify([
    classOf(node),
    node.own,
    [...node.named].map(([keyword, parts]) => [
      keyword,
      [...parts].map(([name, part]) => [name, classOf(part)]),
    ]),
    [...node.ordered].map(([keyword, parts]) => [keyword, parts.map(classOf)]),
    [...node.unordered].map(([keyword, parts]) => [keyword, parts.map(classOf).sort((a, b) => a - b)]),
  ])
}

function ownKeywords(schema: Json): (readonly [string, string])[] {
  const own: (readonly [string, string])[] = []
  for (const keyword of constraints) {
    const value = schema[keyword]
    if (value !== undefined)
      own.push([keyword, Array.isArray(value) ? sortedArray(value) : JSON.stringify(value)])
  }
  // One allowed value and a list of one are the same thing.
  const allowed = 'const' in schema ? [schema['const']] : schema['enum']
  if (Array.isArray(allowed)) own.push(['enum', sortedArray(allowed)])
  const { required } = schema
  if (Array.isArray(required) && required.length > 0) own.push(['required', sortedArray(required)])
  for (const keyword of oneSchema) {
    if (typeof schema[keyword] === 'boolean') own.push([keyword, String(schema[keyword])])
  }
  return own
}

/** The arrays that are keywords' own values (types, allowed values, required fields) are sets. */
function sortedArray(values: readonly unknown[]): string {
  return `[${values
    .map((value) => JSON.stringify(value))
    .sort(compare)
    .join(',')}]`
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** By code unit: the same order on every machine, which a locale's order is not. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
