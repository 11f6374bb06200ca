import { stripVTControlCharacters } from 'node:util'
import type { Logger } from '#framework/primitives'
import { type Style, complain, styledError } from './output.js'
import { type LogLevel, logLevels } from './log-level.js'

const styles: Readonly<Record<LogLevel, Style>> = {
  debug: 'gray',
  info: 'gray',
  warn: 'yellow',
  error: 'red',
}

/** A logger that writes one line for each message to stderr, from `lowest` on. */
export function stderrLogger(lowest: LogLevel, bound: Record<string, unknown> = {}): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      if (logLevels.indexOf(level) < logLevels.indexOf(lowest)) return
      const extra = Object.entries({ ...bound, ...fields }).map(([key, value]) => `${key}=${shown(value)}`)
      const text = stripVTControlCharacters([message, ...extra].join('  ')).replaceAll(/\s*\n\s*/g, ' ')
      complain(`${styledError(styles[level], `${level}:`)} ${text}`)
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => stderrLogger(lowest, { ...bound, ...fields }),
  }
}

function shown(value: unknown): string {
  if (value instanceof Error) return value.message
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}
