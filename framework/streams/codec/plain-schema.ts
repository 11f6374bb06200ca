import type { z } from 'zod'

/** What the objects of a plain schema do with keys that it does not name. */
export type OtherKeys = 'strip' | 'strict'

/**
 * Whether a schema is plain: its shape says all there is to say, so that code made from the shape judges as the schema
 * does. Schemas with refinements, conversions, defaults or checks that a shape cannot say exactly are not; for them zod
 * has to be asked. When in doubt, a schema is not plain, which costs time and nothing else.
 *
 * @returns How all its objects treat other keys; undefined for a schema that is not plain, or in which they differ.
 */
export function plainness(schema: z.core.$ZodType): OtherKeys | undefined {
  const walk = new Walk()
  if (!walk.isPlain(schema)) return undefined
  if (walk.otherKeys.size > 1) return undefined
  const [otherKeys = 'strip'] = walk.otherKeys
  return otherKeys
}

/** Formats of text that are their pattern and nothing else. */
const patternFormats: ReadonlySet<string> = new Set([
  'regex',
  'guid',
  'uuid',
  'email',
  'nanoid',
  'ulid',
  'date',
  'time',
  'datetime',
  'duration',
  'ipv4',
])

const textChecks: ReadonlySet<string> = new Set([
  'min_length',
  'max_length',
  'length_equals',
  'string_format',
])
const numberChecks: ReadonlySet<string> = new Set(['greater_than', 'less_than', 'number_format'])
const arrayChecks: ReadonlySet<string> = new Set(['min_length', 'max_length', 'length_equals'])
const none: ReadonlySet<string> = new Set()

/** The parts of zod's definitions that are looked at here; which of them there are depends on the type. */
interface Definition {
  readonly type?: string
  readonly check?: string
  readonly coerce?: boolean
  readonly format?: string
  readonly pattern?: RegExp
  readonly value?: unknown
  readonly minimum?: unknown
  readonly maximum?: unknown
  readonly length?: unknown
  readonly mode?: string
  readonly checks?: readonly z.core.$ZodCheck[]
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>
  readonly catchall?: z.core.$ZodType
  readonly element?: z.core.$ZodType
  readonly innerType?: z.core.$ZodType
  readonly keyType?: z.core.$ZodType
  readonly valueType?: z.core.$ZodType
  readonly items?: readonly z.core.$ZodType[]
  readonly rest?: z.core.$ZodType | null
  readonly options?: readonly z.core.$ZodType[]
  readonly values?: readonly unknown[]
  readonly entries?: Readonly<Record<string, unknown>>
  readonly unionFallback?: boolean
}

class Walk {
  readonly otherKeys = new Set<OtherKeys>()
  readonly #seen = new Set<z.core.$ZodType>()

  isPlain(schema: z.core.$ZodType | undefined): boolean {
    if (schema === undefined) return false
    if (this.#seen.has(schema)) return true
    this.#seen.add(schema)
    // A schema that says itself what its JSON Schema is may say anything.
    if (schema._zod.toJSONSchema !== undefined) return false
    const definition = definitionOf(schema)
    switch (definition.type) {
      case 'string':
        return isPlainText(schema)
      case 'number':
        return !definition.coerce && hasChecks(schema, numberChecks)
      case 'boolean':
      case 'bigint':
      case 'date':
        return !definition.coerce && hasChecks(schema, none)
      case 'null':
        return hasChecks(schema, none)
      case 'literal':
        return hasChecks(schema, none) && (definition.values ?? []).every(isPlainLiteral)
      case 'enum':
        return hasChecks(schema, none) && Object.values(definition.entries ?? {}).every(isPlainLiteral)
      case 'custom':
        return isBytesSchema(schema, definition)
      case 'array':
        return hasChecks(schema, arrayChecks) && this.isPlain(definition.element)
      case 'tuple':
        return (
          hasChecks(schema, none) &&
          !definition.rest &&
          (definition.items ?? []).every((item) => this.isPlain(item))
        )
      case 'object':
        return hasChecks(schema, none) && this.#isPlainObject(definition)
      case 'record':
        return hasChecks(schema, none) && this.#isPlainRecord(definition)
      case 'union':
        return (
          hasChecks(schema, none) &&
          !definition.unionFallback &&
          (definition.options ?? []).every((option) => this.isPlain(option))
        )
      case 'nullable':
        return hasChecks(schema, none) && this.isPlain(definition.innerType)
      case 'lazy':
        return hasChecks(schema, none) && this.isPlain((schema as z.core.$ZodLazy)._zod.innerType)
      default:
        return false
    }
  }

  #isPlainObject({ catchall, shape = {} }: Definition): boolean {
    if (catchall !== undefined && definitionOf(catchall).type !== 'never') return false
    this.otherKeys.add(catchall === undefined ? 'strip' : 'strict')
    return Object.values(shape).every((field) => {
      const definition = definitionOf(field)
      if (definition.type !== 'optional') return this.isPlain(field)
      // Some optional fields may be absent, but not undefined.
      const mayBeUndefined = !field._zod.traits.has('$ZodExactOptional')
      return mayBeUndefined && hasChecks(field, none) && this.isPlain(definition.innerType)
    })
  }

  #isPlainRecord({ mode, keyType, valueType }: Definition): boolean {
    if (mode === 'loose' || keyType === undefined) return false
    return definitionOf(keyType).type === 'string' && this.isPlain(keyType) && this.isPlain(valueType)
  }
}

function definitionOf(schema: z.core.$ZodType | z.core.$ZodCheck): Definition {
  return schema._zod.def as unknown as Definition
}

/** All checks of a schema; a schema can be a check itself, as one for an integer or for a format is. */
function checksOf(schema: z.core.$ZodType): readonly Definition[] {
  const definition = definitionOf(schema)
  const own = schema._zod.traits.has('$ZodCheck') ? [definition] : []
  return [...own, ...(definition.checks ?? []).map(definitionOf)]
}

/** Whether a schema has no other checks than these kinds, with bounds that can be written down. */
function hasChecks(schema: z.core.$ZodType, kinds: ReadonlySet<string>): boolean {
  return checksOf(schema).every(
    ({ check, value, minimum, maximum, length }) =>
      check !== undefined &&
      kinds.has(check) &&
      [value, minimum, maximum, length].every((bound) => bound === undefined || Number.isFinite(bound)),
  )
}

function isPlainText(schema: z.core.$ZodType): boolean {
  if (definitionOf(schema).coerce || !hasChecks(schema, textChecks)) return false
  const formats = checksOf(schema).filter(({ check }) => check === 'string_format')
  // A shape has one pattern, and says nothing about flags.
  return (
    formats.length === 0 ||
    (formats.length === 1 &&
      patternFormats.has(formats[0]!.format ?? '') &&
      formats[0]!.pattern instanceof RegExp &&
      formats[0]!.pattern.flags === '')
  )
}

/** JSON has no other ones, and turns those it does not have into null. */
function isPlainLiteral(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

/** `z.instanceof(Uint8Array)`, and nothing that looks closer at the bytes. */
function isBytesSchema(schema: z.core.$ZodType, definition: Definition): boolean {
  return schema._zod.bag['Class'] === Uint8Array && (definition.checks ?? []).length === 0
}
