/** A number and its unit. */
export const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds of `500ms`, `10s`, `1.5m`, `2h`; undefined when the text is none of these. */
export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text.trim())
  const unit = units[match?.[2] ?? '']
  if (match === null || unit === undefined) return undefined
  return Number(match[1]) * unit
}
