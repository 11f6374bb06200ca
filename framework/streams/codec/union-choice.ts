import type { Choice, DatumLayout, Layout, ObjectLayout } from './layout.js'

/** What a value is before one looks into it. Records and objects with fields are both `object`. */
export type Category =
  'text' | 'number' | 'boolean' | 'null' | 'bigint' | 'date' | 'bytes' | 'array' | 'object'

/** How the alternative is found that a value is written as. */
export interface UnionChoice {
  /** The alternatives to be tried in this order, by their places in the layout. */
  readonly candidates: ReadonlyMap<Category, readonly number[]>
  /** The field that tells the objects apart, with the place of the alternative for each value it has. */
  readonly discriminator?: { readonly name: string; readonly places: ReadonlyMap<Choice, number> }
  /**
   * Whether trying in this order makes of a value what trying in any other order would. Objects that leave other keys
   * out are the reason why it may not: two alternatives can accept a value, and keep different parts of it.
   */
  readonly isExact: boolean
}

/** How to choose among the members of a union. */
export function unionChoice(members: readonly Layout[], { parts }: DatumLayout): UnionChoice {
  const candidates = new Map<Category, number[]>()
  members.forEach((member, place) => {
    for (const category of categoriesOf(member, parts, new Set())) {
      const places = candidates.get(category)
      if (places === undefined) candidates.set(category, [place])
      else places.push(place)
    }
  })
  const objects = (candidates.get('object') ?? []).map((place) => ({
    place,
    layout: resolved(members[place]!, parts),
  }))
  const discriminator = discriminatorOf(objects)
  const hasFields = objects.some(({ layout }) => layout.kind !== 'record')
  const isExact =
    (candidates.get('array')?.length ?? 0) <= 1 &&
    (objects.length <= 1 || discriminator !== undefined) &&
    // zod takes any object for one with fields, a Date too.
    !(hasFields && (candidates.has('date') || candidates.has('bytes')))
  return { candidates, isExact, ...(discriminator !== undefined && { discriminator }) }
}

/** Whether the choice is exact in all unions of a layout. */
export function hasExactUnionsOnly(layout: DatumLayout): boolean {
  return [layout.root, ...layout.parts].every((part) => isExact(part, layout))
}

function isExact(layout: Layout, whole: DatumLayout): boolean {
  switch (layout.kind) {
    case 'array':
      return isExact(layout.element, whole)
    case 'tuple':
      return layout.elements.every((element) => isExact(element, whole))
    case 'object':
      return [...layout.required, ...layout.optional].every((field) => isExact(field.layout, whole))
    case 'record':
      return isExact(layout.value, whole)
    case 'union':
      return (
        unionChoice(layout.members, whole).isExact && layout.members.every((member) => isExact(member, whole))
      )
    default:
      return true
  }
}

function categoriesOf(layout: Layout, parts: readonly Layout[], seen: Set<Layout>): ReadonlySet<Category> {
  switch (layout.kind) {
    case 'text':
    case 'number':
    case 'bigint':
    case 'date':
    case 'bytes':
    case 'array':
    case 'object':
      return new Set([layout.kind])
    case 'integer':
      return new Set(['number'])
    case 'tuple':
      return new Set(['array'])
    case 'record':
      return new Set(['object'])
    case 'choice':
      return new Set(layout.values.map(categoryOfChoice))
    case 'union':
      return new Set(layout.members.flatMap((member) => [...categoriesOf(member, parts, seen)]))
    case 'recursion': {
      const part = parts[layout.part]!
      // A union that is its own alternative adds nothing to itself.
      if (seen.has(part)) return new Set()
      seen.add(part)
      return categoriesOf(part, parts, seen)
    }
  }
}

function categoryOfChoice(value: Choice): Category {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'text'
  return typeof value === 'number' ? 'number' : 'boolean'
}

function resolved(layout: Layout, parts: readonly Layout[]): Layout {
  return layout.kind === 'recursion' ? parts[layout.part]! : layout
}

interface Candidate {
  readonly place: number
  readonly layout: Layout
}

function discriminatorOf(objects: readonly Candidate[]): UnionChoice['discriminator'] {
  const [first] = objects
  if (objects.length < 2 || first?.layout.kind !== 'object') return undefined
  for (const { name } of first.layout.required) {
    const places = placesBy(name, objects)
    if (places !== undefined) return { name, places }
  }
  return undefined
}

function placesBy(name: string, objects: readonly Candidate[]): ReadonlyMap<Choice, number> | undefined {
  const places = new Map<Choice, number>()
  for (const { place, layout } of objects) {
    const field = layout.kind === 'object' ? choiceField(layout, name) : undefined
    if (field === undefined) return undefined
    for (const value of field) {
      if (places.has(value)) return undefined
      places.set(value, place)
    }
  }
  return places
}

function choiceField(layout: ObjectLayout, name: string): readonly Choice[] | undefined {
  const field = layout.required.find((candidate) => candidate.name === name)
  return field?.layout.kind === 'choice' ? field.layout.values : undefined
}
