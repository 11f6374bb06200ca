// What the options of streams must be, as rules that are put together from smaller ones.
import { suggest } from '#framework/primitives'

/** What is wrong with a value, and where in it. */
export interface Fault {
  /** The keys that lead to it; none when it is the value itself. */
  readonly at: readonly string[]
  /** What is wrong, to be read after the name of the option. */
  readonly problem: string
  readonly value: unknown
}

/** What is wrong with a value; undefined when it is as it must be. Pure. */
export type Rule = (value: unknown) => Fault | undefined

/** @param must What the value must be, in words. */
export function must(must: string, holds: (value: unknown) => boolean): Rule {
  return (value) => (holds(value) ? undefined : { at: [], problem: `is ${must}, not ${shown(value)}`, value })
}

export const isFunction = must('a function', (value) => typeof value === 'function')
export const isBoolean = must('true or false', (value) => typeof value === 'boolean')
export const isText = must('text', (value) => typeof value === 'string')

/** A whole number that is not less. */
export function isCount(min: number): Rule {
  return must(`a whole number from ${min}`, (value) => Number.isSafeInteger(value) && Number(value) >= min)
}

/** A finite number within bounds; `above` itself is not within. */
export function isNumber(range: {
  readonly above?: number
  readonly from?: number
  readonly to?: number
}): Rule {
  const { above = -Infinity, from = -Infinity, to = Infinity } = range
  const bounds = [
    ...(above > -Infinity ? [`greater than ${above}`] : []),
    ...(from > -Infinity ? [`from ${from}`] : []),
    ...(to < Infinity ? [`to ${to}`] : []),
  ]
  return must(
    `a number ${bounds.join(' ')}`,
    (value) =>
      typeof value === 'number' && Number.isFinite(value) && value > above && value >= from && value <= to,
  )
}

export function isOneOf(...values: readonly unknown[]): Rule {
  return must(`one of ${values.join(', ')}`, (value) => values.includes(value))
}

/** The first rule decides for the values it is for, the other for all others. */
export function when(isFor: (value: unknown) => boolean, rule: Rule, otherwise: Rule): Rule {
  return (value) => (isFor(value) ? rule(value) : otherwise(value))
}

/** Infinity, which stands for no limit, or what the rule says. */
export function orInfinity(rule: Rule): Rule {
  return when(
    (value) => value === Infinity,
    () => undefined,
    rule,
  )
}

/** One, or a list of any length. */
export function oneOrMore(rule: Rule): Rule {
  return when(Array.isArray, listOf(rule), rule)
}

export function listOf(rule: Rule): Rule {
  return (value) => {
    if (!Array.isArray(value)) return { at: [], problem: `is a list, not ${shown(value)}`, value }
    for (const [index, item] of value.entries()) {
      const fault = rule(item)
      if (fault !== undefined) return { ...fault, at: [String(index), ...fault.at] }
    }
    return undefined
  }
}

/** An object with these fields and no others. A field that is undefined is not there. */
export function fields(rules: Readonly<Record<string, Rule>>): Rule {
  return (value) => {
    if (!isObject(value)) return { at: [], problem: `is an object, not ${shown(value)}`, value }
    for (const [key, field] of Object.entries(value)) {
      if (field === undefined) continue
      const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
      const fault = rule === undefined ? unknownKey(key, field, Object.keys(rules)) : rule(field)
      if (fault !== undefined) return { ...fault, at: [key, ...fault.at] }
    }
    return undefined
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unknownKey(key: string, value: unknown, known: readonly string[]): Fault {
  const likely = suggest(key, known)
  const hint = likely === undefined ? `there are ${known.join(', ')}` : `did you mean "${likely}"?`
  return { at: [], problem: `is not an option: ${hint}`, value }
}

/** As people would call it; an object has more in it than belongs into a message. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'a list'
  return isObject(value) ? 'an object' : String(value)
}
