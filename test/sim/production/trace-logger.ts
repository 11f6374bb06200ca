import type { Logger } from '#framework/primitives'

/** What members find when something is wrong that must never be. */
const FATAL: ReadonlySet<unknown> = new Set(['diverged', 'corrupt-append'])

/** Writes what production says into the trace, and tells of what must never be said. */
export function traceLogger(trace: (what: string) => void, onFatal: (why: string) => void): Logger {
  const say = (message: string, fields: Record<string, unknown> = {}): void => {
    const { group: _, ...rest } = fields
    const text = `${message} ${JSON.stringify(rest)}`
    trace(text)
    if (FATAL.has(fields.type)) onFatal(text)
  }
  const logger: Logger = {
    debug: () => undefined,
    info: say,
    warn: say,
    error: say,
    child: () => logger,
  }
  return logger
}
