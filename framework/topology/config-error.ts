import { MosaikError } from '#framework/primitives'
import type { ConfigProblem, ServiceBinding } from './service.js'

/** A {@link ConfigProblem}, and whose. */
export interface NodeConfigProblem extends ConfigProblem {
  /** Name of the node. */
  readonly node: string
}

/**
 * The configuration of nodes is not what their services need. Code `CONFIG_INVALID`; the message lists every problem with
 * its node and path.
 */
export class ConfigError extends MosaikError {
  readonly problems: readonly NodeConfigProblem[]

  constructor(problems: readonly NodeConfigProblem[]) {
    const list = problems.map(
      ({ node, service, path, message }) =>
        `  node "${node}", ${['config', ...path].join('.')}: ${message} (${service})`,
    )
    super('CONFIG_INVALID', ['the configuration is invalid:', ...list].join('\n'), { details: { problems } })
    this.problems = problems
  }
}

/** @throws ConfigError when any service cannot work with its node's configuration. */
export function assertConfig(
  nodes: readonly {
    readonly name: string
    readonly config: Readonly<Record<string, unknown>>
    readonly services: readonly Pick<ServiceBinding, 'configProblems'>[]
  }[],
): void {
  const problems = nodes.flatMap(({ name, config, services }) =>
    services.flatMap((service) =>
      service.configProblems(config).map((problem) => ({ node: name, ...problem })),
    ),
  )
  if (problems.length > 0) throw new ConfigError(problems)
}
