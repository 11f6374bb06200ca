// `packed/2` (layout.ts) by closures: for where code must not be generated, for saying where bytes are wrong, and as what
// the generated code is compared with.
import {
  bytesMin,
  containersMax,
  type Bounds,
  type Choice,
  type DatumLayout,
  type Field,
  type Layout,
} from './layout.js'
import type { PackedProgram } from './packed-program.js'
import { Malformed, type PackedReader } from './packed-reader.js'
import {
  bigintWords,
  bigintWordsMax,
  FULL,
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

/** @param rules By which values are accepted. */
export function interpret(layout: DatumLayout, rules: Rules): PackedProgram {
  const parts: Step[] = []
  const whole: Whole = { layout, rules, parts }
  for (const part of layout.parts) parts.push(stepOf(part, whole))
  const root = stepOf(layout.root, whole)
  return {
    encode: (value, target, offset) => root.encode(value, target, offset, 0),
    accepts: (value) => root.accepts(value, 0),
    decode: (reader) => root.decode(reader, 0),
  }
}

/** One part of a layout. `depth` is how many containers are around the value. */
interface Step {
  encode(value: unknown, target: Buffer, offset: number, depth: number): number
  accepts(value: unknown, depth: number): boolean
  decode(reader: PackedReader, depth: number): unknown
}

interface Whole {
  readonly layout: DatumLayout
  readonly rules: Rules
  readonly parts: readonly Step[]
}

function stepOf(layout: Layout, whole: Whole): Step {
  switch (layout.kind) {
    case 'text': {
      const judges = textJudge(layout, whole.rules)
      return leaf<string>({
        accepts: (value) => typeof value === 'string' && value.isWellFormed() && judges(value),
        put: putText,
        read: (reader) => reader.text(),
      })
    }
    case 'number': {
      const isWithin = boundsJudge(layout, whole.rules)
      return leaf<number>({
        accepts: (value) =>
          typeof value === 'number' && (whole.rules === 'fit' || Number.isFinite(value)) && isWithin(value),
        put: putNumber,
        read: (reader) => reader.number(),
      })
    }
    case 'integer': {
      const isWithin = boundsJudge(layout, whole.rules)
      return leaf<number>({
        accepts: (value) =>
          Number.isSafeInteger(value) &&
          (layout.isSigned || (value as number) >= 0) &&
          isWithin(value as number),
        put: layout.isSigned ? putSigned : putVarint,
        read: (reader) => (layout.isSigned ? reader.signed() : reader.varint()),
      })
    }
    case 'choice':
      return choice(layout.values)
    case 'date':
      return leaf<Date>({
        accepts: (value) => !Number.isNaN(timeOf(value)),
        put: (target, offset, value) => putNumber(target, offset, timeOf(value)),
        read: (reader) => reader.date(),
      })
    case 'bigint':
      return leaf<bigint>({
        accepts: (value) => typeof value === 'bigint' && bigintWords(value) <= bigintWordsMax,
        put: putBigint,
        read: (reader) => reader.bigint(),
      })
    case 'bytes':
      return leaf<Uint8Array>({ accepts: isBytes, put: putBytes, read: (reader) => reader.byteString() })
    case 'array':
      return array(layout, whole)
    case 'tuple':
      return tuple(layout, whole)
    case 'object':
      return object(layout, whole)
    case 'record':
      return record(layout, whole)
    case 'union':
      return union(layout.members, whole)
    case 'recursion': {
      const { part } = layout
      // The part may not be there yet, as it may be around this one.
      return {
        encode: (value, target, offset, depth) => whole.parts[part]!.encode(value, target, offset, depth),
        accepts: (value, depth) => whole.parts[part]!.accepts(value, depth),
        decode: (reader, depth) => whole.parts[part]!.decode(reader, depth),
      }
    }
  }
}

interface Leaf<T> {
  readonly accepts: (value: unknown) => boolean
  readonly put: (target: Buffer, offset: number, value: T) => number
  readonly read: (reader: PackedReader) => T
}

function leaf<T>({ accepts, put, read }: Leaf<T>): Step {
  return {
    encode: (value, target, offset) => (accepts(value) ? put(target, offset, value as T) : REFUSED),
    accepts,
    decode(reader) {
      const value = read(reader)
      if (!accepts(value)) reader.isRefused = true
      return value
    },
  }
}

function textJudge(bounds: Extract<Layout, { kind: 'text' }>, rules: Rules): (text: string) => boolean {
  if (rules === 'fit') return () => true
  const { lengthMin = 0, lengthMax = Infinity } = bounds
  const pattern = bounds.pattern === undefined ? undefined : new RegExp(bounds.pattern)
  return (text) => {
    const length = codePointsOf(text)
    return length >= lengthMin && length <= lengthMax && (pattern?.test(text) ?? true)
  }
}

function boundsJudge(bounds: Bounds, rules: Rules): (value: number) => boolean {
  if (rules === 'fit') return () => true
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = bounds
  return (value) =>
    (minimum === undefined || value >= minimum) &&
    (maximum === undefined || value <= maximum) &&
    (exclusiveMinimum === undefined || value > exclusiveMinimum) &&
    (exclusiveMaximum === undefined || value < exclusiveMaximum)
}

function choice(values: Extract<Layout, { kind: 'choice' }>['values']): Step {
  const places = new Map<unknown, number>(values.map((value, place) => [value, place]))
  const count = values.length
  return {
    encode(value, target, offset) {
      const place = places.get(value)
      if (place === undefined) return REFUSED
      if (count === 1) return offset
      return count <= 256 ? putByte(target, offset, place) : putTwoBytes(target, offset, place)
    },
    accepts: (value) => places.has(value),
    decode: (reader) =>
      values[count === 1 ? 0 : count <= 256 ? reader.place(count) : reader.widePlace(count)],
  }
}

/** Whether something may be in a container that has this many containers around it. */
function isTooDeep(depth: number): boolean {
  return depth >= containersMax
}

function array(layout: Extract<Layout, { kind: 'array' }>, whole: Whole): Step {
  const element = stepOf(layout.element, whole)
  const elementBytesMin = bytesMin(layout.element, whole.layout.partsBytesMin)
  const { lengthMin = 0, lengthMax = Infinity } = layout
  const judges = (length: number): boolean =>
    whole.rules === 'fit' || (length >= lengthMin && length <= lengthMax)
  const isArray = (value: unknown, depth: number): value is readonly unknown[] =>
    Array.isArray(value) && judges(value.length) && !(value.length > 0 && isTooDeep(depth))
  return {
    encode(value, target, offset, depth) {
      if (!isArray(value, depth)) return REFUSED
      let position = putVarint(target, offset, value.length)
      for (let index = 0; index < value.length && position >= 0; index++) {
        position = element.encode(value[index], target, position, depth + 1)
      }
      return position
    },
    accepts(value, depth) {
      if (!isArray(value, depth)) return false
      for (let index = 0; index < value.length; index++) {
        if (!element.accepts(value[index], depth + 1)) return false
      }
      return true
    },
    decode(reader, depth) {
      const length = reader.count(elementBytesMin)
      if (!judges(length)) reader.isRefused = true
      if (length > 0) refuseDepth(depth)
      const values: unknown[] = []
      for (let index = 0; index < length; index++) values.push(at(index, element, reader, depth))
      return values
    },
  }
}

function tuple(layout: Extract<Layout, { kind: 'tuple' }>, whole: Whole): Step {
  const elements = layout.elements.map((element) => stepOf(element, whole))
  const { length } = elements
  const isTuple = (value: unknown, depth: number): value is readonly unknown[] =>
    Array.isArray(value) && value.length === length && !(length > 0 && isTooDeep(depth))
  return {
    encode(value, target, offset, depth) {
      if (!isTuple(value, depth)) return REFUSED
      let position = offset
      for (let index = 0; index < length && position >= 0; index++) {
        position = elements[index]!.encode(value[index], target, position, depth + 1)
      }
      return position
    },
    accepts: (value, depth) =>
      isTuple(value, depth) && elements.every((element, index) => element.accepts(value[index], depth + 1)),
    decode(reader, depth) {
      if (length > 0) refuseDepth(depth)
      return elements.map((element, index) => at(index, element, reader, depth))
    },
  }
}

interface FieldStep {
  readonly name: string
  readonly step: Step
}

function object(layout: Extract<Layout, { kind: 'object' }>, whole: Whole): Step {
  const fieldStep = ({ name, layout: field }: Field): FieldStep => ({ name, step: stepOf(field, whole) })
  const required = layout.required.map(fieldStep)
  const optional = layout.optional.map(fieldStep)
  const names = new Set([...required, ...optional].map(({ name }) => name))
  const isObject = (value: unknown, depth: number): value is Readonly<Record<string, unknown>> =>
    isFielded(value) && !(names.size > 0 && isTooDeep(depth)) && isCarriedBy(names, value, whole.rules)
  const presenceBytes = Math.ceil(optional.length / 8)
  return {
    encode(value, target, offset, depth) {
      if (!isObject(value, depth)) return REFUSED
      if (target.length - offset < presenceBytes) return FULL
      const mandatory = required.map(({ name }) => value[name])
      const present = optional.map(({ name }) => value[name])
      let position = offset
      for (let first = 0; first < optional.length; first += 8) {
        const bits = present
          .slice(first, first + 8)
          .map((member, bit) => (member === undefined ? 0 : 1 << bit))
        position = putByte(
          target,
          position,
          bits.reduce((byte, bit) => byte | bit, 0),
        )
      }
      for (const [index, { step }] of required.entries()) {
        if (position < 0) return position
        position = step.encode(mandatory[index], target, position, depth + 1)
      }
      for (const [index, { step }] of optional.entries()) {
        if (position < 0) return position
        if (present[index] !== undefined) {
          position = step.encode(present[index], target, position, depth + 1)
        }
      }
      return position
    },
    accepts: (value, depth) =>
      isObject(value, depth) &&
      required.every(({ name, step }) => step.accepts(value[name], depth + 1)) &&
      optional.every(({ name, step }) => value[name] === undefined || step.accepts(value[name], depth + 1)),
    decode(reader, depth) {
      if (names.size > 0) refuseDepth(depth)
      const presence: number[] = []
      for (let first = 0; first < optional.length; first += 8) {
        presence.push(reader.place(1 << Math.min(8, optional.length - first)))
      }
      const value: Record<string, unknown> = {}
      for (const { name, step } of required) value[name] = at(name, step, reader, depth)
      for (const [index, { name, step }] of optional.entries()) {
        const isPresent = (presence[index >> 3]! & (1 << (index & 7))) !== 0
        if (isPresent) value[name] = at(name, step, reader, depth)
      }
      return value
    },
  }
}

function record(layout: Extract<Layout, { kind: 'record' }>, whole: Whole): Step {
  const key = stepOf(layout.key, whole)
  const member = stepOf(layout.value, whole)
  const memberBytesMin = 1 + bytesMin(layout.value, whole.layout.partsBytesMin)
  const keysIn = (value: unknown, depth: number): readonly string[] | undefined => {
    const keys = keysOf(value, whole.rules)
    return keys !== undefined && keys.length > 0 && isTooDeep(depth) ? undefined : keys
  }
  return {
    encode(value, target, offset, depth) {
      const keys = keysIn(value, depth)
      if (keys === undefined) return REFUSED
      let position = putVarint(target, offset, keys.length)
      for (const name of keys) {
        if (position >= 0) position = key.encode(name, target, position, depth + 1)
        if (position >= 0) {
          const content = (value as Readonly<Record<string, unknown>>)[name]
          position = member.encode(content, target, position, depth + 1)
        }
      }
      return position
    },
    accepts(value, depth) {
      const keys = keysIn(value, depth)
      return (
        keys?.every(
          (name) =>
            key.accepts(name, depth + 1) &&
            member.accepts((value as Readonly<Record<string, unknown>>)[name], depth + 1),
        ) ?? false
      )
    },
    decode(reader, depth) {
      const count = reader.count(memberBytesMin)
      if (count > 0) refuseDepth(depth)
      const value: Record<string, unknown> = {}
      for (let index = 0; index < count; index++) {
        const name = key.decode(reader, depth + 1) as string
        if (name === '__proto__') throw new Malformed('the key __proto__')
        value[name] = at(name, member, reader, depth)
      }
      return value
    },
  }
}

function union(layouts: readonly Layout[], whole: Whole): Step {
  const members = layouts.map((layout) => stepOf(layout, whole))
  const { candidates, discriminator } = unionChoice(layouts, whole.layout)
  const candidatesFor = (value: unknown): readonly number[] => {
    const category = categoryOf(value, candidates)
    const places = (category !== undefined && candidates.get(category)) || []
    if (category !== 'object' || discriminator === undefined) return places
    const tag = (value as Readonly<Record<string, Choice>>)[discriminator.name]!
    const place = discriminator.places.get(tag)
    return place === undefined ? [] : [place]
  }
  const placeOf = (value: unknown, depth: number): number | undefined => {
    const places = candidatesFor(value)
    return places.length === 1 ? places[0] : places.find((place) => members[place]!.accepts(value, depth))
  }
  return {
    encode(value, target, offset, depth) {
      const place = placeOf(value, depth)
      if (place === undefined) return REFUSED
      const position = putByte(target, offset, place)
      return position < 0 ? position : members[place]!.encode(value, target, position, depth)
    },
    accepts: (value, depth) => candidatesFor(value).some((place) => members[place]!.accepts(value, depth)),
    decode: (reader, depth) => members[reader.place(members.length)]!.decode(reader, depth),
  }
}

function categoryOf(value: unknown, candidates: ReadonlyMap<Category, unknown>): Category | undefined {
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'bigint':
      return 'bigint'
    case 'object':
      if (value === null) return 'null'
      if (Array.isArray(value)) return 'array'
      if (candidates.has('date') && value instanceof Date) return 'date'
      return candidates.has('bytes') && value instanceof Uint8Array ? 'bytes' : 'object'
    default:
      return undefined
  }
}

function refuseDepth(depth: number): void {
  if (isTooDeep(depth)) throw new Malformed(`it is nested deeper than ${containersMax}`)
}

/** A part of a container; what is wrong in it is wrong there. */
function at(key: string | number, step: Step, reader: PackedReader, depth: number): unknown {
  try {
    return step.decode(reader, depth + 1)
  } catch (error) {
    if (error instanceof Malformed) error.path.unshift(key)
    throw error
  }
}
