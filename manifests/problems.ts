import { styleText } from 'node:util'
import type { Problem } from '#framework/topology'
import { printable } from './display-width.js'
import { type Excerpt, excerptOf } from './excerpt.js'
import type { SourceText, Span } from './source.js'

/** A problem with its place in a file. */
export interface LocatedProblem extends Problem {
  /** The file's name as it was given. */
  readonly file: string
  /** Where it begins, both counted from 1; columns in UTF-16 units, as editors count them. */
  readonly line: number
  readonly column: number
  /** Where it ends: the first place behind it. */
  readonly endLine: number
  readonly endColumn: number
  /** The line in which it begins, ready to be printed. */
  readonly excerpt: Excerpt
}

/** Places a problem at a part of a text. */
export function problemAt(source: SourceText, span: Span, problem: Problem): LocatedProblem {
  const { line, column } = source.position(span.start)
  const { line: endLine, column: endColumn } = source.position(Math.max(span.end, span.start))
  return { ...problem, file: source.file, line, column, endLine, endColumn, excerpt: excerptOf(source, span) }
}

/** Errors before warnings, each kind in the order of the file. */
export function inOrder(problems: readonly LocatedProblem[]): readonly LocatedProblem[] {
  return problems.toSorted(
    (a, b) =>
      Number(a.severity === 'warning') - Number(b.severity === 'warning') ||
      a.line - b.line ||
      a.column - b.column,
  )
}

/** Beyond these many nobody reads on. */
const renderedMax = 50
const gutterColumns = 5
/** Hints that would reach beyond this column get a line of their own. */
const columnsMax = 120

/**
 * Problems for people: place, code, message, the line underlined, and what would likely mend it. Errors come first.
 * Without a line break at the end; empty for no problems.
 */
export function renderProblems(
  problems: readonly LocatedProblem[],
  options: { readonly color: boolean },
): string {
  const paint = options.color ? painted : plain
  const shown = inOrder(problems).slice(0, renderedMax)
  const blocks = shown.map((problem) => rendered(problem, paint))
  if (problems.length > shown.length) blocks.push(`… and ${problems.length - shown.length} more`)
  return blocks.join('\n\n')
}

type Style = Parameters<typeof styleText>[0]
type Paint = (style: Style, text: string) => string

const plain: Paint = (_style, text) => text
const painted: Paint = (style, text) => styleText(style, text, { validateStream: false })

function rendered(
  { file, line, column, code, severity, message, hint, excerpt }: LocatedProblem,
  paint: Paint,
): string {
  const accent = severity === 'error' ? 'red' : 'yellow'
  const place = paint('bold', `${printable(file)}:${line}:${column}`)
  const kind = severity === 'error' ? '' : `${paint(accent, 'warning:')} `
  const edge = paint('dim', `${' '.repeat(gutterColumns)} |`)
  const number = paint('dim', `${String(line).padStart(gutterColumns)} |`)
  const carets = `${' '.repeat(excerpt.start)}${paint(accent, '^'.repeat(excerpt.width))}`
  const lines = [
    `${place}  ${paint(accent, code)}  ${kind}${printable(message)}`,
    excerpt.text === '' ? number : `${number} ${excerpt.text}`,
  ]
  const hinted = hint === undefined ? '' : printable(hint)
  const fits = gutterColumns + 4 + excerpt.start + excerpt.width + hinted.length <= columnsMax
  lines.push(hinted !== '' && fits ? `${edge} ${carets} ${hinted}` : `${edge} ${carets}`)
  if (hinted !== '' && !fits) lines.push(`${edge} ${hinted}`)
  return lines.join('\n')
}

/** A problem for programs. */
export interface ProblemJson {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly endLine: number
  readonly endColumn: number
  readonly severity: 'error' | 'warning'
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** Where in the manifest. */
  readonly path: readonly (string | number)[]
}

/** Problems as plain data for `--json`, in the order in which they are rendered. */
export function problemsToJson(problems: readonly LocatedProblem[]): readonly ProblemJson[] {
  return inOrder(problems).map(
    ({ file, line, column, endLine, endColumn, severity, code, message, hint, path }) => ({
      file,
      line,
      column,
      endLine,
      endColumn,
      severity,
      code,
      message,
      ...(hint !== undefined && { hint }),
      path,
    }),
  )
}
