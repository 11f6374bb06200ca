// `packed/1` (layout.ts) by straight-line code: for each layout a function that writes, one that judges, and one that
// reads. Whatever a schema says enters the code as a JSON literal or as a constant beside it, never as text.
import { bytesMin, containersMax, type Bounds, type DatumLayout, type Field, type Layout } from './layout.js'
import type { PackedProgram } from './packed-program.js'
import { Malformed, type PackedReader } from './packed-reader.js'
import {
  bigintWords,
  bigintWordsMax,
  putBigint,
  putByte,
  putBytes,
  putNumber,
  putSigned,
  putText,
  putTwoBytes,
  putVarint,
  REFUSED,
} from './packed-writer.js'
import { unionChoice, type Category } from './union-choice.js'
import { codePointsOf, isBytes, isCarriedBy, isFielded, keysOf, timeOf, type Rules } from './values.js'

/** What generated code calls. */
const runtime = {
  bigintWords,
  codePointsOf,
  isBytes,
  isCarriedBy,
  isFielded,
  keysOf,
  putBigint,
  putByte,
  putBytes,
  putNumber,
  putSigned,
  putText,
  putTwoBytes,
  putVarint,
  timeOf,
  malformed: (what: string): Malformed => new Malformed(what),
}

let isAllowed: boolean | undefined

/** Whether this process may generate code (`--disallow-code-generation-from-strings`). */
export function canGenerate(): boolean {
  if (isAllowed === undefined) {
    try {
      newFunction('')
      isAllowed = true
    } catch {
      isAllowed = false
    }
  }
  return isAllowed
}

/** @param rules By which values are accepted. */
export function generate(layout: DatumLayout, rules: Rules): PackedProgram {
  const { source, constants } = new ProgramWriter(layout, rules).write()
  const make = newFunction('runtime', 'constants', source) as (
    functions: typeof runtime,
    values: readonly unknown[],
  ) => {
    readonly encode: (value: unknown, target: Buffer, offset: number, depth: number) => number
    readonly accepts: (value: unknown, depth: number) => boolean
    readonly decode: (reader: PackedReader, depth: number) => unknown
  }
  const { encode, accepts, decode } = make(runtime, constants)
  return {
    encode: (value, target, offset) => encode(value, target, offset, 0),
    accepts: (value) => accepts(value, 0),
    decode: (reader) => decode(reader, 0),
  }
}

function newFunction(...parametersAndBody: string[]): unknown {
  // oxlint-disable-next-line typescript/no-implied-eval -- this is the code generator; see the top of the file.
  return new Function(...parametersAndBody)
}

/** Beyond this many, values are looked up in a map rather than compared one by one. */
const comparedChoicesMax = 8

class ProgramWriter {
  readonly #layout: DatumLayout
  readonly #rules: Rules
  readonly #constants: unknown[] = []
  /** Functions that judge members of unions. */
  readonly #judges: string[] = []
  #lines: string[] = []
  #nameCount = 0

  constructor(layout: DatumLayout, rules: Rules) {
    this.#layout = layout
    this.#rules = rules
  }

  write(): { readonly source: string; readonly constants: readonly unknown[] } {
    const { root, parts } = this.#layout
    const functions = [root, ...parts].flatMap((layout, index) => {
      const suffix = index === 0 ? '' : `${index - 1}`
      return [
        this.#encoder(layout, suffix),
        this.#judge(layout, `accepts${suffix}`),
        this.#decoder(layout, suffix),
      ]
    })
    const source = [
      '"use strict"',
      `const { ${Object.keys(runtime).join(', ')} } = runtime`,
      ...this.#constants.map((_, index) => `const constant${index} = constants[${index}]`),
      ...functions,
      ...this.#judges,
      'return { encode, accepts, decode }',
    ].join('\n')
    return { source, constants: this.#constants }
  }

  #encoder(layout: Layout, suffix: string): string {
    const body = this.#collect(() => this.#encode(layout, 'value', 0))
    return `function encode${suffix}(value, target, offset, depth) {\n${body}\nreturn offset\n}`
  }

  #judge(layout: Layout, name: string): string {
    const body = this.#collect(() => this.#accept(layout, 'value', 0))
    return `function ${name}(value, depth) {\n${body}\nreturn true\n}`
  }

  #decoder(layout: Layout, suffix: string): string {
    const body = this.#collect(() => this.#line(`return ${this.#decode(layout, 0)}`))
    return `function decode${suffix}(reader, depth) {\n${body}\n}`
  }

  #collect(write: () => void): string {
    const outer = this.#lines
    this.#lines = []
    write()
    const text = this.#lines.join('\n')
    this.#lines = outer
    return text
  }

  #line(text: string): void {
    this.#lines.push(text)
  }

  #name(): string {
    return `local${this.#nameCount++}`
  }

  /** A new local with this content. */
  #local(content: string): string {
    const name = this.#name()
    this.#line(`const ${name} = ${content}`)
    return name
  }

  #constant(value: unknown): string {
    return `constant${this.#constants.push(value) - 1}`
  }

  // --- Judging ------------------------------------------------------------------------------------------------------

  get #judgesConstraints(): boolean {
    return this.#rules !== 'fit'
  }

  /** What must be true of a value that contains no others, for there to be bytes for it and by the rules. */
  #leafConditions(layout: Layout, value: string): string[] {
    switch (layout.kind) {
      case 'text':
        return [`typeof ${value} === "string"`, ...this.#textConstraints(layout, value)]
      case 'number':
        return [`typeof ${value} === "number"`, ...this.#numberConstraints(layout, value)]
      case 'integer':
        return [
          `Number.isSafeInteger(${value})`,
          ...(layout.isSigned ? [] : [`${value} >= 0`]),
          ...this.#boundConstraints(layout, value),
        ]
      case 'date':
        return [`!Number.isNaN(timeOf(${value}))`]
      case 'bigint':
        return [`typeof ${value} === "bigint"`]
      case 'bytes':
        return [`isBytes(${value})`]
      default:
        return []
    }
  }

  #numberConstraints(layout: Bounds, value: string): string[] {
    // What is infinite or no number at all is not zero away from itself.
    return this.#judgesConstraints
      ? [`${value} - ${value} === 0`, ...this.#boundConstraints(layout, value)]
      : []
  }

  #boundConstraints(bounds: Bounds, value: string): string[] {
    if (!this.#judgesConstraints) return []
    const conditions: string[] = []
    const add = (operator: string, bound: number | undefined): void => {
      if (bound !== undefined) conditions.push(`${value} ${operator} ${JSON.stringify(bound)}`)
    }
    add('>=', bounds.minimum)
    add('<=', bounds.maximum)
    add('>', bounds.exclusiveMinimum)
    add('<', bounds.exclusiveMaximum)
    return conditions
  }

  #textConstraints(layout: Extract<Layout, { kind: 'text' }>, value: string): string[] {
    if (!this.#judgesConstraints) return []
    const { lengthMin, lengthMax, pattern } = layout
    const units = `${value}.length`
    // There are at most two units in a code point, so that most texts need not be counted.
    const count = `codePointsOf(${value})`
    const conditions: string[] = []
    if (lengthMin !== undefined) {
      const least = JSON.stringify(lengthMin)
      conditions.push(`${units} >= ${least} && (${units} >= 2 * ${least} || ${count} >= ${least})`)
    }
    if (lengthMax !== undefined) {
      const most = JSON.stringify(lengthMax)
      conditions.push(`(${units} <= ${most} || ${count} <= ${most})`)
    }
    if (pattern !== undefined) conditions.push(`${this.#constant(new RegExp(pattern))}.test(${value})`)
    return conditions
  }

  #lengthConstraints(layout: Extract<Layout, { kind: 'array' }>, length: string): string[] {
    if (!this.#judgesConstraints) return []
    const { lengthMin, lengthMax } = layout
    return [
      ...(lengthMin === undefined ? [] : [`${length} >= ${JSON.stringify(lengthMin)}`]),
      ...(lengthMax === undefined ? [] : [`${length} <= ${JSON.stringify(lengthMax)}`]),
    ]
  }

  /** Nothing but parts that contain themselves can be nested as deep as it is refused: all else is known beforehand. */
  get #canBeDeep(): boolean {
    return this.#layout.parts.length > 0
  }

  #isShallow(containers: number): string {
    return `depth + ${containers} < ${containersMax}`
  }

  /** Refuses unless all of the conditions hold. */
  #require(conditions: readonly string[], refusal: string): void {
    if (conditions.length > 0) this.#line(`if (!(${conditions.join(' && ')})) ${refusal}`)
  }

  #accept(layout: Layout, value: string, containers: number): void {
    const refusal = 'return false'
    switch (layout.kind) {
      case 'text':
        return this.#require([...this.#leafConditions(layout, value), `${value}.isWellFormed()`], refusal)
      case 'bigint':
        return this.#require(
          [...this.#leafConditions(layout, value), `bigintWords(${value}) <= ${bigintWordsMax}`],
          refusal,
        )
      case 'number':
      case 'integer':
      case 'date':
      case 'bytes':
        return this.#require(this.#leafConditions(layout, value), refusal)
      case 'choice':
        return this.#line(`if (${this.#placeOfChoice(layout.values, value)} === undefined) ${refusal}`)
      case 'array': {
        this.#requireArray(layout, value, containers, refusal)
        const element = this.#beginLoop(value)
        this.#accept(layout.element, element, containers + 1)
        return this.#line('}')
      }
      case 'tuple':
        this.#requireTuple(layout.elements.length, value, containers, refusal)
        layout.elements.forEach((element, index) =>
          this.#accept(element, this.#local(`${value}[${index}]`), containers + 1),
        )
        return
      case 'object':
        this.#requireObject(layout, value, containers, refusal)
        for (const field of layout.required) {
          this.#accept(field.layout, this.#member(value, field), containers + 1)
        }
        for (const field of layout.optional) {
          const member = this.#member(value, field)
          this.#line(`if (${member} !== undefined) {`)
          this.#accept(field.layout, member, containers + 1)
          this.#line('}')
        }
        return
      case 'record': {
        const keys = this.#requireRecord(value, containers, refusal)
        const key = this.#beginLoop(keys)
        this.#accept(layout.key, key, containers + 1)
        this.#accept(layout.value, this.#local(`${value}[${key}]`), containers + 1)
        return this.#line('}')
      }
      case 'union': {
        const place = this.#placeInUnion(layout.members, value, containers)
        this.#line(`switch (${place}) {`)
        layout.members.forEach((member, index) => {
          this.#line(`case ${index}: {`)
          this.#accept(member, value, containers)
          this.#line('break\n}')
        })
        return this.#line(`default: ${refusal}\n}`)
      }
      case 'recursion':
        return this.#line(`if (!accepts${layout.part}(${value}, depth + ${containers})) ${refusal}`)
    }
  }

  #requireArray(
    layout: Extract<Layout, { kind: 'array' }>,
    value: string,
    containers: number,
    refusal: string,
  ): void {
    const length = `${value}.length`
    const depth = this.#canBeDeep ? [`(${length} === 0 || ${this.#isShallow(containers)})`] : []
    const constraints = this.#lengthConstraints(layout, length)
    this.#require([`Array.isArray(${value})`, ...constraints, ...depth], refusal)
  }

  #requireTuple(length: number, value: string, containers: number, refusal: string): void {
    const depth = this.#canBeDeep && length > 0 ? [this.#isShallow(containers)] : []
    this.#require([`Array.isArray(${value})`, `${value}.length === ${length}`, ...depth], refusal)
  }

  #requireObject(
    layout: Extract<Layout, { kind: 'object' }>,
    value: string,
    containers: number,
    refusal: string,
  ): void {
    const names = [...layout.required, ...layout.optional].map(({ name }) => name)
    const depth = this.#canBeDeep && names.length > 0 ? [this.#isShallow(containers)] : []
    const isCarried =
      this.#rules === 'strip'
        ? []
        : [`isCarriedBy(${this.#constant(new Set(names))}, ${value}, ${JSON.stringify(this.#rules)})`]
    this.#require([`isFielded(${value})`, ...depth, ...isCarried], refusal)
  }

  /** @returns The local with the keys that travel. */
  #requireRecord(value: string, containers: number, refusal: string): string {
    const keys = this.#local(`keysOf(${value}, ${JSON.stringify(this.#rules)})`)
    const depth = this.#canBeDeep ? [`(${keys}.length === 0 || ${this.#isShallow(containers)})`] : []
    this.#require([`${keys} !== undefined`, ...depth], refusal)
    return keys
  }

  /** @returns The local with the element. The caller closes the loop. */
  #beginLoop(values: string): string {
    const index = this.#name()
    this.#line(`for (let ${index} = 0; ${index} < ${values}.length; ${index}++) {`)
    return this.#local(`${values}[${index}]`)
  }

  #member(value: string, field: Field): string {
    return this.#local(`${value}[${JSON.stringify(field.name)}]`)
  }

  /** An expression for the place of a value among others, or undefined. */
  #placeOfChoice(
    values: Extract<Layout, { kind: 'choice' }>['values'],
    value: string,
    places: readonly number[] = values.map((_, place) => place),
  ): string {
    if (values.length > comparedChoicesMax) {
      return `${this.#constant(new Map(values.map((choice, index) => [choice, places[index]])))}.get(${value})`
    }
    const cases = values.map(
      (choice, index) => `${value} === ${JSON.stringify(choice)} ? ${places[index]} : `,
    )
    return `(${cases.join('')}undefined)`
  }

  /** @returns The local with the place of the alternative, which is undefined if there is none. */
  #placeInUnion(members: readonly Layout[], value: string, containers: number): string {
    const { candidates, discriminator } = unionChoice(members, this.#layout)
    const place = this.#name()
    this.#line(`let ${place}`)
    let otherwise = ''
    for (const category of categoriesInOrder) {
      const places = candidates.get(category)
      if (places === undefined) continue
      this.#line(`${otherwise}if (${categoryTests[category](value)}) {`)
      if (category === 'object' && discriminator !== undefined) {
        const tag = this.#local(`${value}[${JSON.stringify(discriminator.name)}]`)
        const { places: byTag } = discriminator
        this.#line(`${place} = ${this.#placeOfChoice([...byTag.keys()], tag, [...byTag.values()])}`)
      } else {
        this.#tryInOrder(members, places, place, value, containers)
      }
      otherwise = '} else '
    }
    if (otherwise !== '') this.#line('}')
    return place
  }

  #tryInOrder(
    members: readonly Layout[],
    candidates: readonly number[],
    place: string,
    value: string,
    containers: number,
  ): void {
    if (candidates.length === 1) return this.#line(`${place} = ${candidates[0]}`)
    const tests = candidates.map((candidate) => {
      const judge = `judge${this.#nameCount++}`
      this.#judges.push(this.#judge(members[candidate]!, judge))
      return `if (${judge}(${value}, depth + ${containers})) ${place} = ${candidate}`
    })
    this.#line(tests.join('\nelse '))
  }

  // --- Writing ------------------------------------------------------------------------------------------------------

  #put(call: string): void {
    this.#line(`offset = ${call}`)
    this.#line('if (offset < 0) return offset')
  }

  #encode(layout: Layout, value: string, containers: number): void {
    const refusal = `return ${REFUSED}`
    switch (layout.kind) {
      case 'text':
        this.#require(this.#leafConditions(layout, value), refusal)
        return this.#put(`putText(target, offset, ${value})`)
      case 'number':
        this.#require(this.#leafConditions(layout, value), refusal)
        return this.#put(`putNumber(target, offset, ${value})`)
      case 'integer':
        this.#require(this.#leafConditions(layout, value), refusal)
        return this.#put(`${layout.isSigned ? 'putSigned' : 'putVarint'}(target, offset, ${value})`)
      case 'date':
        this.#require(this.#leafConditions(layout, value), refusal)
        return this.#put(`putNumber(target, offset, timeOf(${value}))`)
      case 'bigint':
        this.#require(this.#leafConditions(layout, value), refusal)
        return this.#put(`putBigint(target, offset, ${value})`)
      case 'bytes':
        this.#require(this.#leafConditions(layout, value), refusal)
        return this.#put(`putBytes(target, offset, ${value})`)
      case 'choice': {
        const place = this.#local(this.#placeOfChoice(layout.values, value))
        this.#line(`if (${place} === undefined) ${refusal}`)
        if (layout.values.length === 1) return
        return this.#put(
          `${layout.values.length <= 256 ? 'putByte' : 'putTwoBytes'}(target, offset, ${place})`,
        )
      }
      case 'array': {
        this.#requireArray(layout, value, containers, refusal)
        this.#put(`putVarint(target, offset, ${value}.length)`)
        const element = this.#beginLoop(value)
        this.#encode(layout.element, element, containers + 1)
        return this.#line('}')
      }
      case 'tuple':
        this.#requireTuple(layout.elements.length, value, containers, refusal)
        layout.elements.forEach((element, index) =>
          this.#encode(element, this.#local(`${value}[${index}]`), containers + 1),
        )
        return
      case 'object':
        return this.#encodeObject(layout, value, containers, refusal)
      case 'record': {
        const keys = this.#requireRecord(value, containers, refusal)
        this.#put(`putVarint(target, offset, ${keys}.length)`)
        const key = this.#beginLoop(keys)
        this.#encode(layout.key, key, containers + 1)
        this.#encode(layout.value, this.#local(`${value}[${key}]`), containers + 1)
        return this.#line('}')
      }
      case 'union': {
        const place = this.#placeInUnion(layout.members, value, containers)
        this.#line(`if (${place} === undefined) ${refusal}`)
        this.#put(`putByte(target, offset, ${place})`)
        this.#line(`switch (${place}) {`)
        layout.members.forEach((member, index) => {
          this.#line(`case ${index}: {`)
          this.#encode(member, value, containers)
          this.#line('break\n}')
        })
        return this.#line('}')
      }
      case 'recursion':
        return this.#put(`encode${layout.part}(${value}, target, offset, depth + ${containers})`)
    }
  }

  #encodeObject(
    layout: Extract<Layout, { kind: 'object' }>,
    value: string,
    containers: number,
    refusal: string,
  ): void {
    this.#requireObject(layout, value, containers, refusal)
    // Each member is read once, as a getter may have it another time.
    const required = layout.required.map((field) => this.#member(value, field))
    const optional = layout.optional.map((field) => this.#member(value, field))
    for (let first = 0; first < optional.length; first += 8) {
      const bits = optional
        .slice(first, first + 8)
        .map((member, bit) => `(${member} === undefined ? 0 : ${1 << bit})`)
      this.#put(`putByte(target, offset, ${bits.join(' | ')})`)
    }
    layout.required.forEach((field, index) => this.#encode(field.layout, required[index]!, containers + 1))
    layout.optional.forEach((field, index) => {
      this.#line(`if (${optional[index]} !== undefined) {`)
      this.#encode(field.layout, optional[index]!, containers + 1)
      this.#line('}')
    })
  }

  // --- Reading ------------------------------------------------------------------------------------------------------

  #refuseUnless(conditions: readonly string[]): void {
    this.#require(conditions, 'reader.isRefused = true')
  }

  #refuseDepth(containers: number, isContained = 'true'): void {
    if (!this.#canBeDeep) return
    const message = JSON.stringify(`it is nested deeper than ${containersMax}`)
    this.#line(`if (${isContained} && !(${this.#isShallow(containers)})) throw malformed(${message})`)
  }

  #bytesMin(layout: Layout): number {
    return bytesMin(layout, this.#layout.partsBytesMin)
  }

  /** @returns An expression for the value that was read, without effects. */
  #decode(layout: Layout, containers: number): string {
    switch (layout.kind) {
      case 'text': {
        const text = this.#local('reader.text()')
        this.#refuseUnless(this.#textConstraints(layout, text))
        return text
      }
      case 'number': {
        const number = this.#local('reader.number()')
        this.#refuseUnless(this.#numberConstraints(layout, number))
        return number
      }
      case 'integer': {
        const integer = this.#local(layout.isSigned ? 'reader.signed()' : 'reader.varint()')
        this.#refuseUnless(this.#boundConstraints(layout, integer))
        return integer
      }
      case 'date':
        return this.#local('reader.date()')
      case 'bigint':
        return this.#local('reader.bigint()')
      case 'bytes':
        return this.#local('reader.bytes()')
      case 'choice': {
        const { values } = layout
        const { length } = values
        if (length === 1) return JSON.stringify(values[0])
        return this.#local(
          `${this.#constant(values)}[reader.${length <= 256 ? 'place' : 'widePlace'}(${length})]`,
        )
      }
      case 'array': {
        const length = this.#local(`reader.count(${this.#bytesMin(layout.element)})`)
        this.#refuseUnless(this.#lengthConstraints(layout, length))
        this.#refuseDepth(containers, `${length} > 0`)
        const array = this.#local('[]')
        const index = this.#name()
        this.#line(`for (let ${index} = 0; ${index} < ${length}; ${index}++) {`)
        this.#line(`${array}.push(${this.#decode(layout.element, containers + 1)})`)
        this.#line('}')
        return array
      }
      case 'tuple':
        if (layout.elements.length > 0) this.#refuseDepth(containers)
        return this.#local(
          `[${layout.elements.map((element) => this.#decode(element, containers + 1)).join(', ')}]`,
        )
      case 'object':
        return this.#decodeObject(layout, containers)
      case 'record':
        return this.#decodeRecord(layout, containers)
      case 'union': {
        const value = this.#name()
        this.#line(`let ${value}`)
        this.#line(`switch (reader.place(${layout.members.length})) {`)
        layout.members.forEach((member, index) => {
          this.#line(`case ${index}: {`)
          this.#line(`${value} = ${this.#decode(member, containers)}`)
          this.#line('break\n}')
        })
        this.#line('}')
        return value
      }
      case 'recursion':
        return this.#local(`decode${layout.part}(reader, depth + ${containers})`)
    }
  }

  #decodeObject(layout: Extract<Layout, { kind: 'object' }>, containers: number): string {
    const { required, optional } = layout
    if (required.length + optional.length > 0) this.#refuseDepth(containers)
    const presence: string[] = []
    for (let first = 0; first < optional.length; first += 8) {
      presence.push(this.#local(`reader.place(${1 << Math.min(8, optional.length - first)})`))
    }
    const members = required.map(
      ({ name, layout: member }) => `${JSON.stringify(name)}: ${this.#decode(member, containers + 1)}`,
    )
    const object = this.#local(`{ ${members.join(', ')} }`)
    optional.forEach((field, index) => {
      this.#line(`if ((${presence[index >> 3]} & ${1 << (index & 7)}) !== 0) {`)
      const member = this.#decode(field.layout, containers + 1)
      this.#line(`${object}[${JSON.stringify(field.name)}] = ${member}`)
      this.#line('}')
    })
    return object
  }

  #decodeRecord(layout: Extract<Layout, { kind: 'record' }>, containers: number): string {
    const count = this.#local(`reader.count(${1 + this.#bytesMin(layout.value)})`)
    this.#refuseDepth(containers, `${count} > 0`)
    const object = this.#local('{}')
    const index = this.#name()
    this.#line(`for (let ${index} = 0; ${index} < ${count}; ${index}++) {`)
    const key = this.#decode(layout.key, containers + 1)
    this.#line(`if (${key} === "__proto__") throw malformed("the key __proto__")`)
    this.#line(`${object}[${key}] = ${this.#decode(layout.value, containers + 1)}`)
    this.#line('}')
    return object
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
