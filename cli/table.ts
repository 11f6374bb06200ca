// Tables for people: as wide as their contents, or as the terminal. Pure.
import { displayWidth, graphemesOf, graphemeWidth } from '#manifests'

export interface Column {
  readonly title: string
  /** The narrowest it may become, in columns of the terminal. A column that cannot have that is left out. */
  readonly widthMin: number
  /** Columns with a higher number are left out first where there is no room for all. */
  readonly rank: number
}

const gap = 2

/**
 * The lines of a table, the titles first, without white space at their ends. Columns in which nothing stands are left
 * out. Where the table is wider than `widthMax`, the widest columns become narrower, texts end in `…`, and columns that
 * would become too narrow are left out. Texts must be printable.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  widthMax = Infinity,
): readonly string[] {
  let shown = columns
    .map((column, index) => ({ column, index, width: widthOf(column, index, rows) }))
    .filter(({ index }) => rows.length === 0 || rows.some((row) => row[index] !== ''))
  const narrowest = (): number => total(shown.map(({ column, width }) => Math.min(width, column.widthMin)))
  while (shown.length > 1 && narrowest() > widthMax) {
    const last = Math.max(...shown.map(({ column }) => column.rank))
    shown = shown.filter(({ column }) => column.rank !== last)
  }
  const widths = fitted(shown, widthMax)
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => padded(text, widths[at] ?? 0))
      .join(' '.repeat(gap))
      .trimEnd()
  return [
    line(shown.map(({ column }) => column.title)),
    ...rows.map((row) => line(shown.map(({ index }) => row[index] ?? ''))),
  ]
}

function widthOf({ title }: Column, index: number, rows: readonly (readonly string[])[]): number {
  return rows.reduce((widest, row) => Math.max(widest, displayWidth(row[index] ?? '')), title.length)
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + gap * Math.max(0, widths.length - 1)
}

/** Takes from the widest column first, as long as any may give. */
function fitted(
  columns: readonly { readonly column: Column; readonly width: number }[],
  widthMax: number,
): readonly number[] {
  const widths = columns.map(({ width }) => width)
  for (let excess = total(widths) - widthMax; excess > 0; excess--) {
    let widest: number | undefined
    for (const [at, { column }] of columns.entries()) {
      const width = widths[at] ?? 0
      if (width > column.widthMin && width > (widest === undefined ? 0 : (widths[widest] ?? 0))) widest = at
    }
    if (widest === undefined) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

function padded(text: string, width: number): string {
  const actual = displayWidth(text)
  return actual <= width ? text + ' '.repeat(width - actual) : cut(text, width)
}

function cut(text: string, width: number): string {
  let columns = 0
  let kept = ''
  for (const { segment } of graphemesOf(text)) {
    const next = columns + graphemeWidth(segment)
    if (next > width - 1) break
    kept += segment
    columns = next
  }
  return `${kept}…${' '.repeat(Math.max(0, width - 1 - columns))}`
}
