// The layout `packed/2`: how the datums of a shape are bytes. Both ends derive it from the canonical text of the shape
// alone, so that the bytes say nothing of names, types or lengths that the shape says already.
//
//   text      twice the number of bytes (varint), then Latin-1: a byte for each code unit; or one more than that, then UTF-8
//   number    64-bit IEEE 754, little-endian; the negative zero and all others as they are
//   integer   varint if the shape allows none below zero. Else its first byte has a sign (0x40) and the lowest six bits
//             of the magnitude, and the bytes after it seven more bits each.
//   choice    one of several given values (an enum, a literal, null, a boolean): the place of its JSON text among the
//             others in ascending order. Nothing for the only one, one byte up to 256 of them, two bytes beyond.
//   date      milliseconds since 1970 as a number
//   bigint    how many 64-bit words it takes (one byte, 1 to 64, the fewest that hold it with its sign), then the words
//             of its two's complement, the least significant one first, each little-endian
//   bytes     length (varint), the bytes
//   array     how many elements (varint), the elements
//   tuple     the elements
//   object    a bit for each field that may be absent, whether it is there: in ascending order of names, the first in the
//             lowest bit of the first byte; then the required fields, then the others that are there, both in that order
//   record    how many members (varint), key (text) and value of each
//   union     the place of the alternative in the order of the shape (one byte), the value
//
// A varint has seven bits in each byte, the least significant ones first; 0x80 says that there are more. Whatever can be
// written in several ways is read in the shortest only. Texts are Latin-1 where they can be because any bytes are: a reader
// need not look at them.

export type Choice = string | number | boolean | null

/** Inclusive unless it says otherwise. Absent: none. */
export interface Bounds {
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}

/** How long texts (in code points) and arrays may be. */
export interface LengthBounds {
  readonly lengthMin?: number
  readonly lengthMax?: number
}

export interface TextLayout extends LengthBounds {
  readonly kind: 'text'
  /** The source of a regular expression without flags. */
  readonly pattern?: string
}

export interface Field {
  readonly name: string
  readonly layout: Layout
}

export interface ObjectLayout {
  readonly kind: 'object'
  /** Both in ascending order of names. */
  readonly required: readonly Field[]
  readonly optional: readonly Field[]
}

export interface UnionLayout {
  readonly kind: 'union'
  /** None of them is a union itself. */
  readonly members: readonly Layout[]
}

/** What is compared with a datum's value to find its bytes; the constraints take part in judging it only. */
export type Layout =
  | TextLayout
  | ({ readonly kind: 'number' } & Bounds)
  | ({ readonly kind: 'integer'; readonly isSigned: boolean } & Bounds)
  | { readonly kind: 'choice'; readonly values: readonly Choice[] }
  | { readonly kind: 'date' | 'bigint' | 'bytes' }
  | ({ readonly kind: 'array'; readonly element: Layout } & LengthBounds)
  | { readonly kind: 'tuple'; readonly elements: readonly Layout[] }
  | ObjectLayout
  | { readonly kind: 'record'; readonly key: TextLayout; readonly value: Layout }
  | UnionLayout
  /** The part of the layout that is kept under this number, which contains itself. */
  | { readonly kind: 'recursion'; readonly part: number }

/** A layout and the parts of it that contain themselves. Plain data. */
export interface DatumLayout {
  readonly root: Layout
  readonly parts: readonly Layout[]
  /** For each of the parts how many bytes it takes at least. */
  readonly partsBytesMin: readonly number[]
}

/** Code for more of them would be too long to be compiled well. */
const layoutsMax = 1_000

/** As deep as MessagePack goes, so that what fits into a datum does not depend on its codec. */
export const containersMax = 64

/**
 * The layout of a shape, which is the same for all schemas of this shape.
 *
 * @param shape The canonical text of a schema.
 * @returns undefined where the layout does not cover the shape: parts that may be anything, objects with other fields
 *   than the named ones, intersections, tuples of varying length, arrays of elements that take no bytes (the length of
 *   which nothing would bound), and shapes that are very large or deep.
 */
export function layoutOf(shape: string): DatumLayout | undefined {
  try {
    return new LayoutReader().read(JSON.parse(shape) as Json)
  } catch (error) {
    if (error instanceof NotCovered) return undefined
    throw error
  }
}

type Json = Readonly<Record<string, unknown>>

class NotCovered extends Error {}

/** A schema around the one that is read. */
interface Around {
  /** Which part it is, if it was found to contain itself. */
  part?: number
}

class LayoutReader {
  readonly #around: Around[] = []
  readonly #parts: Layout[] = []
  /** Of all arrays. */
  readonly #elements: Layout[] = []
  #count = 0

  read(shape: Json): DatumLayout {
    const root = this.#layout(shape, 0)
    const parts = this.#parts
    // What a part takes is more than what its parts take, if only by what is known of those: two rounds see enough.
    const atLeast = (known: readonly number[]): number[] => parts.map((part) => bytesMin(part, known))
    const partsBytesMin = atLeast(atLeast(parts.map(() => 0)))
    if (this.#elements.some((element) => bytesMin(element, partsBytesMin) === 0)) throw new NotCovered()
    return { root, parts, partsBytesMin }
  }

  #layout(schema: Json, containers: number): Layout {
    const levels = schema['$up']
    if (typeof levels === 'number') return this.#recursion(levels)
    if (++this.#count > layoutsMax || containers > containersMax) throw new NotCovered()
    const self: Around = {}
    this.#around.push(self)
    const layout = this.#content(schema, containers)
    this.#around.pop()
    if (self.part === undefined) return layout
    this.#parts[self.part] = layout
    return { kind: 'recursion', part: self.part }
  }

  #recursion(levels: number): Layout {
    const target = this.#around[this.#around.length - levels]
    if (target === undefined) throw new NotCovered()
    if (target.part === undefined) {
      target.part = this.#parts.length
      // Takes the number; what belongs here is known when the target has been read.
      this.#parts.push({ kind: 'recursion', part: target.part })
    }
    return { kind: 'recursion', part: target.part }
  }

  #content(schema: Json, containers: number): Layout {
    const alternatives = schema['anyOf'] ?? schema['oneOf']
    if (alternatives !== undefined) return this.#union(schema, alternatives as Json[], containers)
    const choices = schema['enum']
    if (choices !== undefined) return { kind: 'choice', values: sortedChoices(choices as Choice[]) }
    switch (schema['type']) {
      case 'string':
        return text(schema)
      case 'number':
        return { kind: 'number', ...bounds(schema) }
      case 'integer':
        return {
          kind: 'integer',
          isSigned: !((numberOf(schema, 'minimum') ?? numberOf(schema, 'exclusiveMinimum') ?? -1) >= 0),
          ...bounds(schema),
        }
      case 'boolean':
        return { kind: 'choice', values: [false, true] }
      case 'null':
        return { kind: 'choice', values: [null] }
      case 'date':
      case 'bigint':
      case 'bytes':
        return { kind: schema['type'] }
      case 'array':
        return 'prefixItems' in schema ? this.#tuple(schema, containers) : this.#array(schema, containers)
      case 'object':
        return 'propertyNames' in schema ? this.#record(schema, containers) : this.#object(schema, containers)
      default:
        throw new NotCovered()
    }
  }

  #union(schema: Json, alternatives: readonly Json[], containers: number): Layout {
    if (Object.keys(schema).length > 1) throw new NotCovered()
    const members = alternatives.flatMap((alternative) => {
      const member = this.#layout(alternative, containers)
      return member.kind === 'union' ? member.members : [member]
    })
    if (members.length > 256) throw new NotCovered()
    return { kind: 'union', members }
  }

  #array(schema: Json, containers: number): Layout {
    this.#refuse(schema, ['allOf', 'contains', 'uniqueItems'])
    const items = schema['items']
    if (!isJson(items)) throw new NotCovered()
    const element = this.#layout(items, containers + 1)
    this.#elements.push(element)
    return {
      kind: 'array',
      element,
      ...defined('lengthMin', numberOf(schema, 'minItems')),
      ...defined('lengthMax', numberOf(schema, 'maxItems')),
    }
  }

  #tuple(schema: Json, containers: number): Layout {
    this.#refuse(schema, ['allOf', 'contains', 'uniqueItems'])
    const items = schema['prefixItems'] as readonly Json[]
    const isFixed = schema['minItems'] === items.length && schema['maxItems'] === items.length
    if (!isFixed || schema['items'] !== false) throw new NotCovered()
    return { kind: 'tuple', elements: items.map((item) => this.#layout(item, containers + 1)) }
  }

  #object(schema: Json, containers: number): Layout {
    this.#refuse(schema, ['allOf', 'patternProperties', 'not'])
    if (schema['additionalProperties'] !== false) throw new NotCovered()
    const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>
    const required = new Set((schema['required'] ?? []) as readonly string[])
    // JSON.parse puts names that look like indexes first.
    const names = Object.keys(properties).sort(compare)
    if (names.some((name) => !canBeField(name))) throw new NotCovered()
    if ([...required].some((name) => !Object.hasOwn(properties, name))) throw new NotCovered()
    const fields = names.map((name) => ({
      name,
      layout: this.#layout(properties[name]!, containers + 1),
    }))
    return {
      kind: 'object',
      required: fields.filter(({ name }) => required.has(name)),
      optional: fields.filter(({ name }) => !required.has(name)),
    }
  }

  #record(schema: Json, containers: number): Layout {
    this.#refuse(schema, ['allOf', 'patternProperties', 'properties', 'not'])
    const { propertyNames, additionalProperties } = schema
    if (!isJson(propertyNames) || !isJson(additionalProperties)) throw new NotCovered()
    // Keys out of a list are texts as well; whether all are there that should be is for the schema to judge.
    if (propertyNames['type'] !== 'string') throw new NotCovered()
    const value = this.#layout(additionalProperties, containers + 1)
    return { kind: 'record', key: text(propertyNames), value }
  }

  #refuse(schema: Json, keywords: readonly string[]): void {
    if (keywords.some((keyword) => keyword in schema)) throw new NotCovered()
  }
}

/** An object that has no such member has it all the same, by inheritance: absence could not be told. */
function canBeField(name: string): boolean {
  return !(name in Object.prototype) && name.isWellFormed()
}

function text(schema: Json): TextLayout {
  const pattern = schema['pattern']
  return {
    kind: 'text',
    ...defined('lengthMin', numberOf(schema, 'minLength')),
    ...defined('lengthMax', numberOf(schema, 'maxLength')),
    ...defined('pattern', typeof pattern === 'string' ? pattern : undefined),
  }
}

function bounds(schema: Json): Bounds {
  return {
    ...defined('minimum', numberOf(schema, 'minimum')),
    ...defined('maximum', numberOf(schema, 'maximum')),
    ...defined('exclusiveMinimum', numberOf(schema, 'exclusiveMinimum')),
    ...defined('exclusiveMaximum', numberOf(schema, 'exclusiveMaximum')),
  }
}

function numberOf(schema: Json, keyword: string): number | undefined {
  const value = schema[keyword]
  return typeof value === 'number' ? value : undefined
}

function defined<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<K, V>>)
}

function sortedChoices(values: readonly Choice[]): readonly Choice[] {
  const isCovered = values.every((value) => typeof value !== 'string' || value.isWellFormed())
  const texts = [...new Set(values.map((value) => JSON.stringify(value)))]
  if (!isCovered || texts.length > 0x1_0000) throw new NotCovered()
  return texts.sort(compare).map((value) => JSON.parse(value) as Choice)
}

/** The fewest bytes of a value, from what is known of the parts that contain themselves. */
export function bytesMin(layout: Layout, partsBytesMin: readonly number[]): number {
  const sum = (layouts: readonly Layout[]): number =>
    layouts.reduce((bytes, each) => bytes + bytesMin(each, partsBytesMin), 0)
  switch (layout.kind) {
    case 'text':
    case 'integer':
    case 'bytes':
    case 'array':
    case 'record':
      return 1
    case 'number':
    case 'date':
      return 8
    case 'bigint':
      return 9
    case 'choice':
      return layout.values.length === 1 ? 0 : layout.values.length <= 256 ? 1 : 2
    case 'union':
      return 1 + Math.min(...layout.members.map((member) => bytesMin(member, partsBytesMin)))
    case 'tuple':
      return sum(layout.elements)
    case 'object':
      return Math.ceil(layout.optional.length / 8) + sum(layout.required.map((field) => field.layout))
    case 'recursion':
      return partsBytesMin[layout.part]!
  }
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** By code unit, as the shape's own order. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
