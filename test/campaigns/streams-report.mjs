// What the campaign of streams makes of its figures.

/** The slope of the line through the samples, by least squares. */
export function mebibytesPerMinute(samples) {
  if (samples.length < 2) return 0
  const mean = (pick) => samples.reduce((total, sample) => total + pick(sample), 0) / samples.length
  const [msMean, bytesMean] = [mean(({ ms }) => ms), mean(({ bytes }) => bytes)]
  const covariance = mean(({ ms, bytes }) => (ms - msMean) * (bytes - bytesMean))
  const variance = mean(({ ms }) => (ms - msMean) ** 2)
  return (60_000 * covariance) / variance / 2 ** 20
}

/** The sample of each minute that has the median size. */
export function byMinute(samples) {
  const minuteOf = ({ ms }) => Math.floor((ms - samples[0].ms) / 60_000) + 1
  return [...Map.groupBy(samples, minuteOf)].map(([minute, group]) => {
    const sorted = group.toSorted((a, b) => a.bytes - b.bytes)
    return { minute, ...sorted[Math.floor(sorted.length / 2)] }
  })
}

/**
 * What a consumer was given over all of its lives, as lines of the life of the producer and a sequence number: how many
 * datums it got again, and what it never got between the first and the last.
 */
export function redeliveries(lines) {
  const taken = new Map()
  let again = 0
  for (const line of lines) {
    const [life, sequence] = line.split(' ')
    if (sequence === undefined) continue
    const sequences = taken.get(life) ?? new Set()
    taken.set(life, sequences)
    if (sequences.has(Number(sequence))) again++
    sequences.add(Number(sequence))
  }
  const missing = [...taken].flatMap(([life, sequences]) => {
    const sorted = [...sequences].sort((a, b) => a - b)
    const count = sorted.at(-1) - sorted[0] + 1 - sorted.length
    return count === 0 ? [] : [`${count} datums of ${life} never came`]
  })
  return { again, missing }
}

/** Rows with the same keys, as text in columns. */
export function table(rows) {
  const keys = Object.keys(rows[0])
  const lines = [keys, ...rows.map((row) => keys.map((key) => String(row[key])))]
  const widths = keys.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
        .join('  '),
    )
    .join('\n')
}
