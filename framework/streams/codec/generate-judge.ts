import type { CodeWriter } from './code-writer.js'
import type { Conditions } from './generate-conditions.js'
import type { DatumLayout, Field, Layout } from './layout.js'
import { bigintWordsMax } from './packed-writer.js'
import { unionChoice, type Category, type UnionChoice } from './union-choice.js'
import type { Rules } from './values.js'

/** Writes functions that say whether a value is accepted, and the parts of that which writing needs as well. */
export class JudgeWriter {
  readonly #code: CodeWriter
  readonly #conditions: Conditions
  readonly #layout: DatumLayout
  readonly #rules: Rules

  constructor(code: CodeWriter, conditions: Conditions, layout: DatumLayout, rules: Rules) {
    this.#code = code
    this.#conditions = conditions
    this.#layout = layout
    this.#rules = rules
  }

  write(layout: Layout, name: string): void {
    this.#code.function(name, 'value, depth', () => {
      this.#accept(layout, 'value', 0)
      this.#code.line('return true')
    })
  }

  requireArray(
    layout: Extract<Layout, { kind: 'array' }>,
    value: string,
    containers: number,
    refusal: string,
  ): void {
    const length = `${value}.length`
    const depth = this.#conditions.canBeDeep
      ? [`(${length} === 0 || ${this.#conditions.isShallow(containers)})`]
      : []
    const constraints = this.#conditions.ofLength(layout, length)
    this.#code.require([`Array.isArray(${value})`, ...constraints, ...depth], refusal)
  }

  requireTuple(length: number, value: string, containers: number, refusal: string): void {
    const depth = this.#conditions.canBeDeep && length > 0 ? [this.#conditions.isShallow(containers)] : []
    this.#code.require([`Array.isArray(${value})`, `${value}.length === ${length}`, ...depth], refusal)
  }

  requireObject(
    layout: Extract<Layout, { kind: 'object' }>,
    value: string,
    containers: number,
    refusal: string,
  ): void {
    const names = [...layout.required, ...layout.optional].map(({ name }) => name)
    const depth =
      this.#conditions.canBeDeep && names.length > 0 ? [this.#conditions.isShallow(containers)] : []
    const isCarried =
      this.#rules === 'strip'
        ? []
        : [`isCarriedBy(${this.#code.constant(new Set(names))}, ${value}, ${JSON.stringify(this.#rules)})`]
    this.#code.require([`isFielded(${value})`, ...depth, ...isCarried], refusal)
  }

  /** @returns The local with the keys that travel. */
  requireRecord(value: string, containers: number, refusal: string): string {
    const keys = this.#code.local(`keysOf(${value}, ${JSON.stringify(this.#rules)})`)
    const depth = this.#conditions.canBeDeep
      ? [`(${keys}.length === 0 || ${this.#conditions.isShallow(containers)})`]
      : []
    this.#code.require([`${keys} !== undefined`, ...depth], refusal)
    return keys
  }

  /** @returns The local with the element. The caller closes the loop. */
  beginLoop(values: string): string {
    const index = this.#code.name()
    this.#code.line(`for (let ${index} = 0; ${index} < ${values}.length; ${index}++) {`)
    return this.#code.local(`${values}[${index}]`)
  }

  member(value: string, field: Field): string {
    return this.#code.local(`${value}[${JSON.stringify(field.name)}]`)
  }

  /** @returns The local with the place of the alternative, which is undefined if there is none. */
  placeInUnion(members: readonly Layout[], value: string, containers: number): string {
    const { candidates, discriminator } = unionChoice(members, this.#layout)
    const place = this.#code.name()
    this.#code.line(`let ${place}`)
    let otherwise = ''
    for (const category of categoriesInOrder) {
      const places = candidates.get(category)
      if (places === undefined) continue
      this.#code.line(`${otherwise}if (${categoryTests[category](value)}) {`)
      if (category === 'object' && discriminator !== undefined) {
        this.#code.line(`${place} = ${this.#placeByTag(discriminator, value)}`)
      } else {
        this.#tryInOrder(members, places, place, value, containers)
      }
      otherwise = '} else '
    }
    if (otherwise !== '') this.#code.line('}')
    return place
  }

  #accept(layout: Layout, value: string, containers: number): void {
    const refusal = 'return false'
    switch (layout.kind) {
      case 'text':
        return this.#code.require(
          [...this.#conditions.leaf(layout, value), `${value}.isWellFormed()`],
          refusal,
        )
      case 'bigint':
        return this.#code.require(
          [...this.#conditions.leaf(layout, value), `bigintWords(${value}) <= ${bigintWordsMax}`],
          refusal,
        )
      case 'number':
      case 'integer':
      case 'date':
      case 'bytes':
        return this.#code.require(this.#conditions.leaf(layout, value), refusal)
      case 'choice':
        return this.#code.line(
          `if (${this.#conditions.placeOfChoice(layout.values, value)} === undefined) ${refusal}`,
        )
      case 'array': {
        this.requireArray(layout, value, containers, refusal)
        const element = this.beginLoop(value)
        this.#accept(layout.element, element, containers + 1)
        return this.#code.line('}')
      }
      case 'tuple':
        this.requireTuple(layout.elements.length, value, containers, refusal)
        layout.elements.forEach((element, index) =>
          this.#accept(element, this.#code.local(`${value}[${index}]`), containers + 1),
        )
        return
      case 'object':
        this.requireObject(layout, value, containers, refusal)
        for (const field of layout.required) {
          this.#accept(field.layout, this.member(value, field), containers + 1)
        }
        for (const field of layout.optional) {
          const member = this.member(value, field)
          this.#code.line(`if (${member} !== undefined) {`)
          this.#accept(field.layout, member, containers + 1)
          this.#code.line('}')
        }
        return
      case 'record': {
        const keys = this.requireRecord(value, containers, refusal)
        const key = this.beginLoop(keys)
        this.#accept(layout.key, key, containers + 1)
        this.#accept(layout.value, this.#code.local(`${value}[${key}]`), containers + 1)
        return this.#code.line('}')
      }
      case 'union':
        return this.#acceptOneOf(layout.members, value, containers, refusal)
      case 'recursion':
        return this.#code.line(`if (!accepts${layout.part}(${value}, depth + ${containers})) ${refusal}`)
    }
  }

  /**
   * Alternatives that have to be tried are judged once, as the one that was found by that needs no further look: looking
   * twice at each level would double the time with every level.
   */
  #acceptOneOf(members: readonly Layout[], value: string, containers: number, refusal: string): void {
    const { candidates, discriminator } = unionChoice(members, this.#layout)
    for (const category of categoriesInOrder) {
      const places = candidates.get(category)
      if (places === undefined) continue
      this.#code.line(`if (${categoryTests[category](value)}) {`)
      if (category === 'object' && discriminator !== undefined) {
        this.#code.line(`switch (${this.#placeByTag(discriminator, value)}) {`)
        for (const place of places) {
          this.#code.line(`case ${place}: {`)
          this.#accept(members[place]!, value, containers)
          this.#code.line('break\n}')
        }
        this.#code.line(`default: ${refusal}\n}`)
      } else if (places.length === 1) {
        this.#accept(members[places[0]!]!, value, containers)
      } else {
        const trials = places.map((place) => this.#trial(members[place]!, value, containers))
        this.#code.require([`(${trials.join(' || ')})`], refusal)
      }
      this.#code.line('} else')
    }
    this.#code.line(refusal)
  }

  #placeByTag({ name, places }: NonNullable<UnionChoice['discriminator']>, value: string): string {
    const tag = this.#code.local(`${value}[${JSON.stringify(name)}]`)
    return this.#conditions.placeOfChoice([...places.keys()], tag, [...places.values()])
  }

  #tryInOrder(
    members: readonly Layout[],
    candidates: readonly number[],
    place: string,
    value: string,
    containers: number,
  ): void {
    if (candidates.length === 1) return this.#code.line(`${place} = ${candidates[0]}`)
    const tests = candidates.map(
      (candidate) => `if (${this.#trial(members[candidate]!, value, containers)}) ${place} = ${candidate}`,
    )
    this.#code.line(tests.join('\nelse '))
  }

  /** @returns An expression for whether one of several alternatives accepts the value. */
  #trial(member: Layout, value: string, containers: number): string {
    const judge = this.#code.name()
    this.write(member, judge)
    return `${judge}(${value}, depth + ${containers})`
  }
}

/** Those that are told by themselves come before the one that is all other objects. */
const categoriesInOrder: readonly Category[] = [
  'text',
  'number',
  'boolean',
  'bigint',
  'null',
  'array',
  'date',
  'bytes',
  'object',
]

const categoryTests: Readonly<Record<Category, (value: string) => string>> = {
  text: (value) => `typeof ${value} === "string"`,
  number: (value) => `typeof ${value} === "number"`,
  boolean: (value) => `typeof ${value} === "boolean"`,
  bigint: (value) => `typeof ${value} === "bigint"`,
  null: (value) => `${value} === null`,
  array: (value) => `Array.isArray(${value})`,
  date: (value) => `${value} instanceof Date`,
  bytes: (value) => `${value} instanceof Uint8Array`,
  object: (value) => `isFielded(${value})`,
}
