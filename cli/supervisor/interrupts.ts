// Ctrl-C once asks, twice insists.

/**
 * One press reaches a process more than once when a launcher (npm, or our own hand-over to a newer Node) forwards the
 * signal that the terminal has already sent to the whole group. What comes this close together is one press.
 */
const samePressMs = 300

export interface InterruptHandlers {
  /** The first interrupt. */
  readonly onStop: () => void
  /** Any later one. */
  readonly onInsist: () => void
}

/** Listens for SIGINT, SIGTERM and SIGHUP until the returned function is called. `now` is a monotonic clock in milliseconds. */
export function watchInterrupts(handlers: InterruptHandlers, now: () => number): () => void {
  let firstAt: number | undefined
  const onSignal = (): void => {
    if (firstAt === undefined) {
      firstAt = now()
      handlers.onStop()
    } else if (now() - firstAt > samePressMs) {
      handlers.onInsist()
    }
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}
