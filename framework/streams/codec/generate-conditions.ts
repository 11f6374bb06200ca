import type { CodeWriter } from './code-writer.js'
import { containersMax, type Bounds, type DatumLayout, type Layout } from './layout.js'
import type { Rules } from './values.js'

/** Beyond this many, values are looked up in a map rather than compared one by one. */
const comparedChoicesMax = 8

/** What must be true of values: expressions that use what values.ts and packed-writer.ts export. */
export class Conditions {
  readonly #code: CodeWriter
  readonly #layout: DatumLayout
  readonly #rules: Rules

  constructor(code: CodeWriter, layout: DatumLayout, rules: Rules) {
    this.#code = code
    this.#layout = layout
    this.#rules = rules
  }

  /** What must be true of a value that contains no others, for there to be bytes for it and by the rules. */
  leaf(layout: Layout, value: string): string[] {
    switch (layout.kind) {
      case 'text':
        return [`typeof ${value} === "string"`, ...this.ofText(layout, value)]
      case 'number':
        return [`typeof ${value} === "number"`, ...this.ofNumber(layout, value)]
      case 'integer':
        return [
          `Number.isSafeInteger(${value})`,
          ...(layout.isSigned ? [] : [`${value} >= 0`]),
          ...this.ofBounds(layout, value),
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

  ofNumber(layout: Bounds, value: string): string[] {
    // What is infinite or no number at all is not zero away from itself.
    return this.#judgesConstraints ? [`${value} - ${value} === 0`, ...this.ofBounds(layout, value)] : []
  }

  ofBounds(bounds: Bounds, value: string): string[] {
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

  ofText(layout: Extract<Layout, { kind: 'text' }>, value: string): string[] {
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
    if (pattern !== undefined) conditions.push(`${this.#code.constant(new RegExp(pattern))}.test(${value})`)
    return conditions
  }

  ofLength(layout: Extract<Layout, { kind: 'array' }>, length: string): string[] {
    if (!this.#judgesConstraints) return []
    const { lengthMin, lengthMax } = layout
    return [
      ...(lengthMin === undefined ? [] : [`${length} >= ${JSON.stringify(lengthMin)}`]),
      ...(lengthMax === undefined ? [] : [`${length} <= ${JSON.stringify(lengthMax)}`]),
    ]
  }

  /** Nothing but parts that contain themselves can be nested as deep as it is refused: all else is known beforehand. */
  get canBeDeep(): boolean {
    return this.#layout.parts.length > 0
  }

  isShallow(containers: number): string {
    return `depth + ${containers} < ${containersMax}`
  }

  /** An expression for the place of a value among others, or undefined. */
  placeOfChoice(
    values: Extract<Layout, { kind: 'choice' }>['values'],
    value: string,
    places: readonly number[] = values.map((_, place) => place),
  ): string {
    if (values.length > comparedChoicesMax) {
      return `${this.#code.constant(new Map(values.map((choice, index) => [choice, places[index]])))}.get(${value})`
    }
    const cases = values.map(
      (choice, index) => `${value} === ${JSON.stringify(choice)} ? ${places[index]} : `,
    )
    return `(${cases.join('')}undefined)`
  }

  get #judgesConstraints(): boolean {
    return this.#rules !== 'fit'
  }
}
