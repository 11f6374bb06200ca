import { types } from 'node:util'
import { encode, equalBytes, messageOf, MosaikError, suggest, toHex } from '#framework/primitives'
import type { CriteriaOperators, CriteriaValue } from './criteria.js'

/** Bounds of what one consumer can ask a producer to keep, and to do for every datum. */
const encodedBytesMax = 4 * 1024
const depthMax = 8
/** Every field, operator and group counts; the values of one `$in` are looked up at once. */
const partsMax = 256
/** Of these, those in `$some`: each is asked of every item, of which one datum can have a million. */
const itemPartsMax = 32
/** How much of a key is said in messages: whoever sends criteria chooses its length. */
const keyCharsMax = 64

/** Criteria that make no sense. Code `STREAM_CRITERIA_INVALID`. */
export class CriteriaError extends MosaikError {
  /** @param path Where in the criteria: `/price/$gt`. The criteria as a whole are `/`. */
  constructor(path: string, problem: string) {
    super('STREAM_CRITERIA_INVALID', `criteria, at ${path === '' ? '/' : path}: ${problem}`, {
      details: { path, problem },
    })
  }
}

/** Whether a datum, or a part of one, is as it should be. */
type Test = (value: unknown) => boolean

/**
 * Makes criteria of whatever origin a predicate of datums. It never throws, costs time in proportion to the parts of
 * the criteria and to the arrays they look into, and keeps nothing of `criteria`.
 *
 * @throws CriteriaError `STREAM_CRITERIA_INVALID`
 */
export function compileCriteria(criteria: unknown): (datum: unknown) => boolean {
  const test = new Compiler().compile(criteria, '', 1)
  assertShort(criteria)
  return (datum) => {
    try {
      return test(datum)
    } catch {
      // A getter of the application's, in a datum that was good enough for the schema: not to be judged, so not wanted.
      return false
    }
  }
}

function assertShort(criteria: unknown): void {
  let byteLength
  try {
    ;({ byteLength } = encode(criteria))
  } catch (error) {
    throw new CriteriaError('', messageOf(error))
  }
  if (byteLength > encodedBytesMax)
    throw new CriteriaError('', `${byteLength} bytes are too long: at most ${encodedBytesMax} are allowed`)
}

class Compiler {
  #partCount = 0
  #itemPartCount = 0
  /** How many `$some` are around the part that is compiled. */
  #someDepth = 0

  compile(criteria: unknown, path: string, depth: number): Test {
    if (depth > depthMax) throw new CriteriaError(path, `more than ${depthMax} levels`)
    this.#count(path)
    if (isValue(criteria)) return equals(valueAt(path, criteria))
    if (!isPlainObject(criteria))
      throw new CriteriaError(path, `expected a value or an object, not ${describe(criteria)}`)
    return all(
      Object.entries(criteria).map(([key, operand]) => {
        const at = `${path}/${key.slice(0, keyCharsMax)}`
        return key.startsWith('$')
          ? this.#operator(key, operand, at, depth)
          : field(key, this.compile(operand, at, depth + 1))
      }),
    )
  }

  #operator(key: string, operand: unknown, path: string, depth: number): Test {
    this.#count(path)
    const operator = operators.get(key)
    if (operator === undefined) {
      const meant = suggest(key, operators.keys())
      throw new CriteriaError(path, `there is no such operator${meant === undefined ? '' : `: "${meant}"?`}`)
    }
    const isOfItems = key === '$some'
    if (isOfItems) this.#someDepth++
    const test = operator(operand, path, (criteria, at = path) => this.compile(criteria, at, depth + 1))
    if (isOfItems) this.#someDepth--
    return test
  }

  #count(path: string): void {
    if (++this.#partCount > partsMax) throw new CriteriaError(path, `more than ${partsMax} parts`)
    if (this.#someDepth > 0 && ++this.#itemPartCount > itemPartsMax)
      throw new CriteriaError(path, `more than ${itemPartsMax} parts in "$some"`)
  }
}

/** @param compile Compiles criteria that are part of the operand. */
type Operator = (operand: unknown, path: string, compile: (criteria: unknown, at?: string) => Test) => Test

const operators: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    $in: (operand, path) => isOneOf(list(operand, path).map((value, i) => valueAt(`${path}/${i}`, value))),
    $gt: (operand, path) => compares(operand, path, (order) => order > 0),
    $gte: (operand, path) => compares(operand, path, (order) => order >= 0),
    $lt: (operand, path) => compares(operand, path, (order) => order < 0),
    $lte: (operand, path) => compares(operand, path, (order) => order <= 0),
    $prefix: (operand, path) => {
      if (typeof operand !== 'string')
        throw new CriteriaError(path, `expected text, not ${describe(operand)}`)
      return (value) => typeof value === 'string' && value.startsWith(operand)
    },
    $exists: (operand, path) => {
      if (typeof operand !== 'boolean')
        throw new CriteriaError(path, `expected true or false, not ${describe(operand)}`)
      return (value) => (value !== undefined) === operand
    },
    $some: (operand, _path, compile) => {
      const test = compile(operand)
      return (value) => Array.isArray(value) && value.some(test)
    },
    $not: (operand, _path, compile) => {
      const test = compile(operand)
      return (value) => !test(value)
    },
    $and: (operand, path, compile) =>
      all(list(operand, path).map((criteria, i) => compile(criteria, `${path}/${i}`))),
    $or: (operand, path, compile) => {
      const tests = list(operand, path).map((criteria, i) => compile(criteria, `${path}/${i}`))
      return (value) => tests.some((test) => test(value))
    },
  } satisfies Record<keyof CriteriaOperators<unknown>, Operator>),
)

function all(tests: readonly Test[]): Test {
  const [first] = tests
  if (first !== undefined && tests.length === 1) return first
  return (value) => tests.every((test) => test(value))
}

function field(key: string, test: Test): Test {
  return (value) => {
    if (typeof value !== 'object' || value === null) return test(undefined)
    // Its own only: what all objects have is no field of a datum.
    return test(Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined)
  }
}

function equals(expected: CriteriaValue): Test {
  if (types.isDate(expected)) {
    const time = expected.getTime()
    return (value) => types.isDate(value) && value.getTime() === time
  }
  if (types.isUint8Array(expected)) {
    const bytes = expected.slice()
    return (value) => types.isUint8Array(value) && equalBytes(value, bytes)
  }
  return (value) => value === expected
}

function isOneOf(expected: readonly CriteriaValue[]): Test {
  const scalars = new Set<unknown>(expected.filter((value) => typeof value !== 'object' || value === null))
  const times = new Set(expected.filter((value) => types.isDate(value)).map((date) => date.getTime()))
  const byteStrings = expected.filter((value) => types.isUint8Array(value))
  const lengths = new Set(byteStrings.map(({ byteLength }) => byteLength))
  const contents = new Set(byteStrings.map(toHex))
  return (value) => {
    if (types.isDate(value)) return times.has(value.getTime())
    if (types.isUint8Array(value)) return lengths.has(value.byteLength) && contents.has(toHex(value))
    return scalars.has(value)
  }
}

/** @param holds Given how the value compares to the operand: below zero when it is less. */
function compares(operand: unknown, path: string, holds: (order: number) => boolean): Test {
  const bound = ordered(valueAt(path, operand))
  if (bound === undefined)
    throw new CriteriaError(path, `expected a number, bigint, text or date, not ${describe(operand)}`)
  const isDate = types.isDate(operand)
  return (value) => {
    if (types.isDate(value) !== isDate) return false
    const own = ordered(value)
    if (typeof own !== typeof bound) return false
    return own! > bound ? holds(1) : own! < bound ? holds(-1) : own === bound && holds(0)
  }
}

/** What stands for the value in a comparison; undefined for what has no order. */
function ordered(value: unknown): number | bigint | string | undefined {
  if (types.isDate(value)) return value.getTime()
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
    ? value
    : undefined
}

function list(operand: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(operand)) throw new CriteriaError(path, `expected a list, not ${describe(operand)}`)
  return operand
}

function valueAt(path: string, value: unknown): CriteriaValue {
  if (!isValue(value)) throw new CriteriaError(path, `expected a value, not ${describe(value)}`)
  if (Number.isNaN(value)) throw new CriteriaError(path, 'NaN equals nothing')
  return value
}

function isValue(value: unknown): value is CriteriaValue {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return true
    case 'object':
      return value === null || types.isDate(value) || types.isUint8Array(value)
    default:
      return false
  }
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return typeof value
  return Array.isArray(value) ? 'a list' : value instanceof Date ? 'a date' : 'an object'
}
