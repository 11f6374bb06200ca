/** Longer texts are no slips of the hand, and comparing them would cost their length squared. */
const comparedLengthMax = 128

/**
 * The one of `names` that `text` was most likely meant to be, for "did you mean …?". Undefined when none is near enough
 * to be worth saying, or when `text` is one of them.
 *
 * Near are names that differ in case only, names at a small edit distance (up to a third of the text's letters, at least
 * one, never all), and the only name that begins with `text` (three letters or more).
 */
export function suggest(text: string, names: Iterable<string>): string | undefined {
  if (text.length === 0 || text.length > comparedLengthMax) return undefined
  const typed = text.toLowerCase()
  const completions: string[] = []
  let nearest: string | undefined
  // Never all of them: one letter resembles every other one.
  let distanceMax = Math.min(Math.max(1, Math.floor(text.length / 3)), text.length - 1)
  for (const name of names) {
    if (name === text) return undefined
    if (name.length > comparedLengthMax) continue
    const candidate = name.toLowerCase()
    if (typed.length >= 3 && candidate.startsWith(typed)) completions.push(name)
    if (Math.abs(typed.length - candidate.length) > distanceMax) continue
    const distance = editDistance(typed, candidate)
    if (distance < distanceMax || (distance === distanceMax && nearest === undefined)) {
      nearest = name
      distanceMax = distance
    }
  }
  return nearest ?? (completions.length === 1 ? completions[0] : undefined)
}

/**
 * The number of letters to insert, drop, replace or swap with their neighbour to turn one text into the other, where no
 * letter is touched twice (optimal string alignment).
 */
export function editDistance(from: string, to: string): number {
  let twoAbove: number[] = []
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replaced = cell(above, column - 1) + (from[row - 1] === to[column - 1] ? 0 : 1)
      let distance = Math.min(replaced, cell(above, column) + 1, cell(current, column - 1) + 1)
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (row > 1 && column > 1 && swapped) distance = Math.min(distance, cell(twoAbove, column - 2) + 1)
      current.push(distance)
    }
    twoAbove = above
    above = current
  }
  return cell(above, to.length)
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
