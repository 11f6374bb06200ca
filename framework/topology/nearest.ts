/**
 * The candidate that `text` was most likely meant to be: the nearest by edit distance, if it is near enough to be a slip
 * of the hand (a third of the letters, at least one, not all). Undefined when nothing is, or when `text` is itself a candidate.
 */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let found: string | undefined
  let distanceMax = Math.min(Math.max(1, Math.floor(text.length / 3)), text.length - 1)
  for (const candidate of candidates) {
    if (candidate === text) return undefined
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase())
    if (distance < distanceMax || (distance === distanceMax && found === undefined)) {
      found = candidate
      distanceMax = distance
    }
  }
  return found
}

/** Optimal string alignment: insertions, deletions, substitutions and swapped neighbours count one each. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + cost,
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1)
      }
      current.push(best)
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? 0
}
