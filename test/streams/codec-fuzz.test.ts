import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { canonicalSchema } from '../../framework/streams/schema/canonical-schema.js'
import {
  DatumDecodeError,
  MessagePackCodec,
  type DatumCodec,
} from '../../framework/streams/codec/datum-codec.js'
import { codecOf } from '../../framework/streams/codec/codec-of.js'
import { generate } from '../../framework/streams/codec/generate.js'
import { interpret } from '../../framework/streams/codec/interpret.js'
import { layoutOf } from '../../framework/streams/codec/layout.js'
import { PackedCodec } from '../../framework/streams/codec/packed-codec.js'
import { schemaCases, spoilt, unrulyCases, type SchemaCase } from './codec-arbitraries.js'

const numRuns = Number(process.env.CODEC_FUZZ_RUNS ?? 150)

interface Codecs {
  readonly generated: DatumCodec<unknown>
  readonly interpreted: DatumCodec<unknown>
  readonly reference: DatumCodec<unknown>
}

/** undefined for schemas that have no layout. */
function codecsOf({ schema }: SchemaCase): Codecs | undefined {
  const canonical = canonicalSchema(schema)
  if (!('shape' in canonical)) return undefined
  const layout = layoutOf(canonical.shape)
  if (layout === undefined) return undefined
  return {
    generated: new PackedCodec(schema, layout, generate),
    interpreted: new PackedCodec(schema, layout, interpret),
    reference: new MessagePackCodec(schema),
  }
}

const room = 1 << 16

/** The bytes, or undefined for a datum that is refused. */
function bytesOf(codec: DatumCodec<unknown>, value: unknown): Buffer | undefined {
  const target = Buffer.alloc(room, 0xaa)
  let end
  try {
    end = codec.encode(value, target, 3)
  } catch {
    return undefined
  }
  expect(end).toBeGreaterThanOrEqual(3)
  return target.subarray(3, end)
}

/** The value, or which kind of error there is. */
function valueOf(codec: DatumCodec<unknown>, bytes: Uint8Array): { value: unknown } | { kind: string } {
  const around = Buffer.concat([Buffer.from([1, 2, 3]), bytes, Buffer.from([4, 5, 6, 7, 8, 9, 10, 11, 12])])
  try {
    return { value: codec.decode(around, 3, 3 + bytes.byteLength) }
  } catch (error) {
    if (!(error instanceof DatumDecodeError)) throw error
    return { kind: error.kind }
  }
}

/** MessagePack has no negative zero. */
function withoutSigns(value: unknown): unknown {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(withoutSigns)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutSigns(member)]))
}

const casesWithValues = schemaCases(3).chain((schemaCase) =>
  fc.tuple(fc.constant(schemaCase), fc.oneof(schemaCase.value, spoilt(schemaCase.value))),
)

describe('given any schema that has a layout', () => {
  test('when any value is sent, then both codecs take and return what zod and MessagePack would', () => {
    let taken = 0
    let refused = 0
    fc.assert(
      fc.property(casesWithValues, ([schemaCase, value]) => {
        const codecs = codecsOf(schemaCase)
        fc.pre(codecs !== undefined)
        const expected = bytesOf(codecs.reference, value)
        const generated = bytesOf(codecs.generated, value)
        const interpreted = bytesOf(codecs.interpreted, value)
        expect([generated === undefined, interpreted === undefined]).toEqual([
          expected === undefined,
          expected === undefined,
        ])
        if (expected === undefined || generated === undefined || interpreted === undefined) {
          refused++
          return
        }
        taken++
        expect(generated.equals(interpreted)).toBe(true)
        const original = valueOf(codecs.reference, expected)
        for (const codec of [codecs.generated, codecs.interpreted]) {
          const received = valueOf(codec, generated)
          expect(isDeepStrictEqual(withoutSigns(received), withoutSigns(original))).toBe(true)
        }
      }),
      { numRuns },
    )
    expect(taken).toBeGreaterThan(numRuns / 4)
    expect(refused).toBeGreaterThan(numRuns / 8)
  })

  test('when there is less room than a value takes, then nothing is thrown and nothing written beyond it', () => {
    fc.assert(
      fc.property(
        casesWithValues,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        ([schemaCase, value], share) => {
          const codecs = codecsOf(schemaCase)
          fc.pre(codecs !== undefined)
          const bytes = bytesOf(codecs.generated, value)
          for (const codec of [codecs.generated, codecs.interpreted]) {
            const length = Math.floor((bytes?.byteLength ?? 0) * share)
            const memory = Buffer.alloc(length + 20, 0xaa)
            const target = memory.subarray(5, 5 + length)
            if (bytes === undefined) {
              expect(() => codec.encode(value, target, 0)).toThrow()
            } else if (length < bytes.byteLength) {
              expect(codec.encode(value, target, 0)).toBe(-1)
            }
            expect(memory.subarray(0, 5).every((byte) => byte === 0xaa)).toBe(true)
            expect(memory.subarray(5 + length).every((byte) => byte === 0xaa)).toBe(true)
          }
        },
      ),
      { numRuns },
    )
  })

  test('when bytes are changed, cut or made up, then both codecs agree, and what they return satisfies the schema', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })
    fc.assert(
      fc.property(
        schemaCases(3).chain((schemaCase) => fc.tuple(fc.constant(schemaCase), schemaCase.value)),
        changes,
        fc.option(fc.uint8Array({ maxLength: 40 })),
        fc.nat(3),
        ([schemaCase, value], flips, madeUp, cut) => {
          const codecs = codecsOf(schemaCase)
          fc.pre(codecs !== undefined)
          const bytes = Buffer.from(madeUp ?? bytesOf(codecs.generated, value) ?? [])
          for (const [place, byte] of flips) if (bytes.length > 0) bytes[place % bytes.length] = byte
          const cutBytes = bytes.subarray(0, Math.max(0, bytes.length - cut))
          const generated = valueOf(codecs.generated, cutBytes)
          const interpreted = valueOf(codecs.interpreted, cutBytes)
          expect(isDeepStrictEqual(generated, interpreted)).toBe(true)
          if (!('value' in generated)) return
          const judged = schemaCase.schema.safeParse(generated.value)
          expect(judged.success).toBe(true)
          // Whoever receives it can send it on.
          expect(bytesOf(codecs.generated, generated.value)).toBeDefined()
        },
      ),
      { numRuns },
    )
  })
})

/** What is left of a value in MessagePack: no signs of zeros, no members that are undefined, no classes of bytes. */
function travelled(value: unknown): unknown {
  if (value === 0) return 0
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(travelled)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members.map(([key, member]) => [key, travelled(member)]))
}

describe('given any schema of a stream, with a layout or without one', () => {
  test('when a value is accepted, then it arrives, and is what was judged', () => {
    const cases = unrulyCases(2).chain((schemaCase) =>
      fc.tuple(fc.constant(schemaCase), fc.oneof(schemaCase.value, spoilt(schemaCase.value))),
    )
    const accepted = { 'packed/2': 0, 'msgpack/1': 0 }
    fc.assert(
      fc.property(cases, ([{ schema }, value]) => {
        const canonical = canonicalSchema(schema)
        if (!('shape' in canonical)) return
        const codec = codecOf<unknown>(schema, canonical.shape)
        const bytes = bytesOf(codec, value)
        if (bytes === undefined) return
        accepted[codec.id as keyof typeof accepted]++
        const expected = { value: travelled(codec.judge(value)) }
        const received = valueOf(codec, bytes)
        expect('value' in received ? { value: travelled(received.value) } : received).toStrictEqual(expected)
      }),
      { numRuns: numRuns * 4 },
    )
    expect(accepted['packed/2']).toBeGreaterThan(numRuns / 4)
    expect(accepted['msgpack/1']).toBeGreaterThan(numRuns / 4)
  })
})
