import type { Logger } from '#framework/primitives'

/** Writes `level: message` into the list, for everything above debug and for all its children. */
export function recordingLogger(lines: string[]): Logger {
  const at = (level: string) => (message: string) => void lines.push(`${level}: ${message}`)
  return {
    debug: () => undefined,
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recordingLogger(lines),
  }
}
