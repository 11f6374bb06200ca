import type { Clock } from '#framework/primitives'
import { ExitCode } from './exit-codes.js'
import { watchInterrupts } from './supervisor/interrupts.js'

/** How long a command may take to say goodbye before it is ended by force, in milliseconds. */
const goodbyeMs = 5_000

/**
 * How long what was started may keep the process alive after the command has ended, in milliseconds. A system that looks
 * up a name with no network to ask does not let go of it for ten seconds.
 */
const lingerMs = 500

/** Why a command has to end. */
export interface Stop {
  /** Aborts when somebody wants the command to end; its reason is a {@link StoppedError}. */
  readonly signal: AbortSignal
}

/** The reason of a stop: an interrupt, or a reader of the output that has gone. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError'
}

/**
 * Runs what lives until it is told to stop: by Ctrl-C, SIGTERM or SIGHUP, or because nobody reads the output any more. The
 * second interrupt, and a goodbye that takes longer than five seconds, end the process at once.
 */
export async function untilStopped<T>(clock: Clock, run: (stop: Stop) => Promise<T>): Promise<T> {
  const stopping = new AbortController()
  /** A deadline does not keep the process alive, so that a command that ends in time does not wait for it. */
  const exitAfter = (ms: number, exitCode?: ExitCode): void =>
    clock.deadline(ms).signal.addEventListener('abort', () => process.exit(process.exitCode ?? exitCode))
  const stop = (reason: string): void => {
    if (stopping.signal.aborted) return
    stopping.abort(new StoppedError(reason))
    exitAfter(goodbyeMs, ExitCode.failure)
  }
  const ignoreInterrupts = watchInterrupts(
    { onStop: () => stop('interrupted'), onInsist: () => process.exit(ExitCode.interrupted) },
    () => clock.monotonic(),
  )
  const onOutputError = (): void => stop('output was closed')
  process.stdout.once('error', onOutputError)
  try {
    return await run({ signal: stopping.signal })
  } finally {
    ignoreInterrupts()
    process.stdout.off('error', onOutputError)
    exitAfter(lingerMs)
  }
}
