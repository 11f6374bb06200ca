// What people want to see of a datum's schema. The shape is a canonical JSON Schema; what cannot be read of it is left out,
// because a graph or a message is no place to fail.

/** The names of the datum's fields in the order of the shape. Empty for a datum that is no object. */
export function fieldsOf(shape: string): readonly string[] {
  return [...fieldTypes(shape).keys()]
}

/** A shape, and what to call the side that declares it. */
export interface NamedShape {
  readonly name: string
  readonly shape: string
}

/**
 * The first differences between two shapes in words, such as `"load" is number at sensor and string at board`; at most
 * `max` of them. Empty when the difference lies deeper than the fields and their types.
 */
export function fieldDifferences(a: NamedShape, b: NamedShape, max = 3): readonly string[] {
  const fieldsOfA = fieldTypes(a.shape)
  const fieldsOfB = fieldTypes(b.shape)
  const differences: string[] = []
  for (const [field, type] of fieldsOfA) {
    const other = fieldsOfB.get(field)
    if (other === undefined) differences.push(`"${field}" exists only at ${a.name}`)
    else if (other !== type) differences.push(`"${field}" is ${type} at ${a.name} and ${other} at ${b.name}`)
  }
  for (const field of fieldsOfB.keys()) {
    if (!fieldsOfA.has(field)) differences.push(`"${field}" exists only at ${b.name}`)
  }
  return differences.slice(0, max)
}

function fieldTypes(shape: string): ReadonlyMap<string, string> {
  const properties = member(parsed(shape), 'properties')
  if (!isRecord(properties)) return new Map()
  return new Map(Object.entries(properties).map(([name, schema]) => [name, typeText(schema)]))
}

function typeText(schema: unknown): string {
  const type = member(schema, 'type')
  if (type === 'array') return `array of ${typeText(member(schema, 'items'))}`
  if (typeof type === 'string') return type
  const options = member(schema, 'anyOf') ?? member(schema, 'oneOf')
  if (Array.isArray(options)) return options.map(typeText).join(' or ')
  return 'something else'
}

function parsed(shape: string): unknown {
  try {
    return JSON.parse(shape)
  } catch {
    return undefined
  }
}

function member(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
