import fc from 'fast-check'

/** Every code point that a text may have; those that stand for half of one are none. */
const codePoint = fc.oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10_ffff }))

/**
 * Texts of any code points. The same as fast-check's strings of unit `binary`, which make a table of all code points
 * first: two seconds for each file of tests.
 */
export function anyText(lengths: {
  readonly minLength?: number
  readonly maxLength: number
}): fc.Arbitrary<string> {
  return fc.array(codePoint, lengths).map((points) => String.fromCodePoint(...points))
}
