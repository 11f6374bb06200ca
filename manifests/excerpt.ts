import { graphemesOf, graphemeWidth, printable } from './display-width.js'
import type { SourceText, Span } from './source.js'

/** A line as a terminal can show it, and which part of it to underline. */
export interface Excerpt {
  /** The line: tabs as spaces, nothing that a terminal would obey, long lines cut with `…`. */
  readonly text: string
  /** Columns before the underlined part. */
  readonly start: number
  /** Columns of the underlined part, at least 1. */
  readonly width: number
}

/** The columns that an excerpt may take. */
const columnsMax = 100
/** Columns kept before the underlined part when a line is cut. */
const contextColumns = 24
const tabColumns = 4

interface Cell {
  readonly text: string
  readonly start: number
  readonly width: number
}

/** The line in which a span begins. A span that goes on below is underlined to the end of this line. */
export function excerptOf(source: SourceText, span: Span): Excerpt {
  const line = source.lineSpan(source.position(span.start).line)
  const start = Math.min(Math.max(span.start, line.start), line.end)
  const end = Math.min(Math.max(span.end, start), line.end)
  // A line may be as long as the file. What is looked at holds a screen's worth for all but contrived text.
  const from = Math.max(line.start, start - columnsMax * 4)
  const to = Math.min(line.end, start + columnsMax * 4)
  const cells = cellsOf(source.slice({ start: from, end: to }))

  const before = columnsBefore(cells, start - from)
  const width = Math.max(columnsBefore(cells, end - from) - before, 1)
  const total = columnsBefore(cells, to - from)
  const whole = from === line.start && to === line.end && total <= columnsMax
  if (whole) return { text: textOf(cells.map(({ cell }) => cell)).trimEnd(), start: before, width }

  const cutBefore = from > line.start || before + Math.min(width, columnsMax - contextColumns) > columnsMax
  const first = cutBefore ? Math.max(0, before - contextColumns) : 0
  const shown = cells
    .map(({ cell }) => cell)
    .filter((cell) => cell.start >= first && cell.start + cell.width <= first + columnsMax - 2)
  const last = shown.at(-1)
  const shownEnd = last === undefined ? first : last.start + last.width
  const cutAfter = to < line.end || shownEnd < total
  const offset = (shown[0]?.start ?? first) - (cutBefore ? 1 : 0)
  return {
    text: `${cutBefore ? '…' : ''}${textOf(shown)}${cutAfter ? '…' : ''}`,
    start: before - offset,
    width: Math.max(1, Math.min(width, shownEnd - before)),
  }
}

function cellsOf(text: string): readonly { readonly index: number; readonly cell: Cell }[] {
  let column = 0
  return Array.from(graphemesOf(text), ({ segment, index }) => {
    const shown = segment === '\t' ? ' '.repeat(tabColumns - (column % tabColumns)) : printable(segment)
    const width = segment === '\t' ? shown.length : graphemeWidth(shown)
    const cell = { text: shown, start: column, width }
    column += width
    return { index, cell }
  })
}

function columnsBefore(cells: ReturnType<typeof cellsOf>, index: number): number {
  let columns = 0
  for (const { index: at, cell } of cells) {
    if (at >= index) break
    columns = cell.start + cell.width
  }
  return columns
}

function textOf(cells: readonly Cell[]): string {
  return cells.map(({ text }) => text).join('')
}
