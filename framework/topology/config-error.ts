import { MosaikError } from '#framework/primitives'
import type { ConfigProblem } from './service.js'

/**
 * A node's configuration is not what its services need. Code `CONFIG_INVALID`; the message lists every problem with its
 * path.
 */
export class ConfigError extends MosaikError {
  readonly problems: readonly ConfigProblem[]

  /** `node` is the node's name. */
  constructor(node: string, problems: readonly ConfigProblem[]) {
    const list = problems.map(
      ({ service, path, message }) => `  ${['config', ...path].join('.')}: ${message} (${service})`,
    )
    super('CONFIG_INVALID', [`the configuration of node "${node}" is invalid:`, ...list].join('\n'), {
      details: { node, problems },
    })
    this.problems = problems
  }
}
