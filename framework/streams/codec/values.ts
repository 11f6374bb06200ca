// What the values of datums are, as the generated code and the interpreter both ask.
import { types } from 'node:util'
import { z } from 'zod'

/**
 * By which rules values are compared with a layout.
 *
 * - `strip`: as zod judges a schema whose objects leave other keys out.
 * - `strict`: as zod judges a schema whose objects refuse other keys.
 * - `fit`: zod has judged; all that counts is whether the layout can carry the value without losing any of it.
 */
export type Rules = 'strip' | 'strict' | 'fit'

/** The length of a text as zod counts it. */
export function codePointsOf(text: string): number {
  let count = text.length
  for (let index = 0; index < text.length - 1; index++) {
    const isPair =
      (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00
    if (!isPair) continue
    count--
    index++
  }
  return count
}

/** Milliseconds since 1970, whatever a subclass says; NaN for what is no Date or an invalid one. */
export function timeOf(value: unknown): number {
  return value instanceof Date ? Date.prototype.getTime.call(value) : Number.NaN
}

export function isBytes(value: unknown): value is Uint8Array {
  // The prototype alone makes no bytes.
  return value instanceof Uint8Array && types.isUint8Array(value)
}

/** What zod takes for an object with fields. */
export function isFielded(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether an object has nothing that fields of these names would not carry. */
export function isCarriedBy(
  names: ReadonlySet<string>,
  value: Readonly<Record<string, unknown>>,
  rules: Rules,
): boolean {
  if (rules === 'strip') return true
  if (rules === 'fit' && !isPlain(value)) return false
  for (const key in value) {
    if (!names.has(key) && (rules === 'strict' || value[key] !== undefined)) return false
  }
  return true
}

/** The keys of a record that travel; undefined for what is no record. */
export function keysOf(value: unknown, rules: Rules): readonly string[] | undefined {
  if (rules === 'fit') {
    if (!isFielded(value) || !isPlain(value)) return undefined
    const keys = Object.keys(value).filter((key) => value[key] !== undefined)
    return keys.includes('__proto__') ? undefined : keys
  }
  if (!z.core.util.isPlainObject(value)) return undefined
  const symbols = Object.getOwnPropertySymbols(value)
  if (symbols.some((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))) return undefined
  const keys = Object.keys(value)
  return keys.includes('__proto__') ? keys.filter((key) => key !== '__proto__') : keys
}

/** No instance of a class. A plain object of another realm has a prototype that is the end of the chain as well. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}
