import { z } from 'zod'
import { manifestSchema, manifestVersion } from './schema.js'

export type JsonSchema = z.core.JSONSchema.BaseSchema

/** The same grammar as that of `substitute.ts`; a reference may be a part of the value. */
const reference = {
  description: 'A reference to an environment variable: ${NAME}, ${NAME:-default} or ${NAME:?message}.',
  type: 'string',
  pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:[-?].*)?\\}',
} satisfies JsonSchema

/**
 * The JSON Schema (draft 7, which YAML editors know best) of manifests as they are written, that is before `${NAME}` is
 * filled in: wherever a value has to have a form, a reference may stand for it.
 *
 * Editors apply it to a manifest with this first line: `# yaml-language-server: $schema=<path or URL of the schema>`.
 */
export function manifestJsonSchema(): JsonSchema {
  const generated = z.toJSONSchema(manifestSchema, { target: 'draft-07', io: 'input' })
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `mosaik manifest, version ${manifestVersion}`,
    ...withReferences(generated),
    definitions: { reference },
  }
}

/** Annotations belong to a value however it is written. */
const annotations = ['description', 'default', 'examples'] as const

/** Lets a reference stand in for every value that has to have a form, below mappings and lists too. */
function withReferences(schema: JsonSchema): JsonSchema {
  if (schema.anyOf !== undefined) return { ...schema, anyOf: alternatives(schema.anyOf) }
  if (isFormed(schema)) {
    const { kept, form } = split(schema)
    return { ...kept, anyOf: alternatives([form]) }
  }
  const { properties, items, additionalProperties } = schema
  return {
    ...schema,
    ...(properties !== undefined && {
      properties: mapValues(properties, (property) =>
        isSchema(property) ? withReferences(property) : property,
      ),
    }),
    ...(isSchema(items) && { items: withReferences(items) }),
    ...(isSchema(additionalProperties) && { additionalProperties: withReferences(additionalProperties) }),
  }
}

function alternatives(schemas: readonly JsonSchema[]): JsonSchema[] {
  return [
    ...schemas.map((schema) => (isFormed(schema) ? schema : withReferences(schema))),
    { $ref: '#/definitions/reference' },
  ]
}

/** Whether a schema is one of scalars that not every text satisfies. The version has to be written out. */
function isFormed({ type, pattern, enum: choices, const: fixed }: JsonSchema): boolean {
  const isOfForm = pattern !== undefined || choices !== undefined
  return fixed === undefined && (type === 'integer' || type === 'number' || type === 'boolean' || isOfForm)
}

function split(schema: JsonSchema): { readonly kept: JsonSchema; readonly form: JsonSchema } {
  const kept: JsonSchema = {}
  const form: JsonSchema = { ...schema }
  for (const key of annotations) {
    if (form[key] === undefined) continue
    kept[key] = form[key] as never
    delete form[key]
  }
  return { kept, form }
}

function mapValues<T>(record: Readonly<Record<string, T>>, map: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
