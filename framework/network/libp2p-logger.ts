import { format } from 'node:util'
import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'
import type { Logger } from '#framework/primitives'

/**
 * Passes on what libp2p and its parts call errors, most of which are ordinary (a peer has gone), as details. The rest,
 * several lines for each message, goes nowhere.
 */
export function libp2pLogger(logger: Logger): ComponentLogger {
  return { forComponent: (name) => componentLogger(logger, name) }
}

function componentLogger(logger: Logger, name: string): Libp2pLogger {
  const log = (): void => {}
  const error = (...values: unknown[]): void => {
    // libp2p's own placeholders (%e, %p, %a) are not Node's; the values follow the text then.
    logger.debug(format(...values.map(withoutStack)), { component: name })
  }
  return Object.assign(log, {
    enabled: false,
    error,
    trace: log,
    newScope: (scope: string) => componentLogger(logger, `${name}:${scope}`),
  })
}

/**
 * The name and the message of an error. Where source maps are on, its stack takes longer than all that a node does in order
 * to close: for the first, V8 has the maps of all of libp2p read.
 */
function withoutStack(value: unknown): unknown {
  return value instanceof Error ? String(value) : value
}
