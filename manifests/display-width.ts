// How many columns of a terminal a text takes, which is what a line of carets below it has to agree with.

/** Characters that Unicode's East Asian Width calls wide or full-width, pictures aside. */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x17000, 0x18d08],
  [0x1b000, 0x1b2fb],
  [0x20000, 0x3fffd],
]

const picture = /\p{Emoji_Presentation}|\p{Emoji}\uFE0F/u
const invisible = /^[\p{Mn}\p{Me}\p{Cf}]+$/u

/** The columns of one grapheme: 0, 1 or 2. */
export function graphemeWidth(grapheme: string): number {
  const first = grapheme.codePointAt(0) ?? 0
  if (first < 0x300) return grapheme === '' ? 0 : 1
  if (invisible.test(grapheme)) return 0
  if (picture.test(grapheme)) return 2
  return wideRanges.some(([from, to]) => first >= from && first <= to) ? 2 : 1
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** The graphemes of a text: what people see as one character each. */
export function graphemesOf(text: string): Iterable<{ readonly segment: string; readonly index: number }> {
  return segmenter.segment(text)
}

/** The columns of a text. */
export function displayWidth(text: string): number {
  let columns = 0
  for (const { segment } of graphemesOf(text)) columns += graphemeWidth(segment)
  return columns
}

/**
 * Replaces what would move the cursor, colour the terminal or turn the reading direction when printed: control
 * characters (line breaks too), direction marks, line separators, half characters. Each becomes one `�`.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, '\uFFFD')
}
