// Where commands print. Data goes to stdout, everything said about it to stderr, colours only to a terminal.
import { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

/** Text for stdout, coloured when that is a terminal and NO_COLOR is unset. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** Text for stderr, coloured under the same rule. */
export function styledError(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stderr })
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function complain(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** What went wrong, as every command says it. */
export function errorText(message: string): string {
  return `${styledError('red', 'error:')} ${message}`
}

/** Whether stderr takes colours: what a renderer that colours by itself needs to know. */
export function errorsInColour(): boolean {
  return styledError('red', 'x') !== 'x'
}
