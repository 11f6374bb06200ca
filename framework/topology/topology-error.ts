import { MosaikError } from '#framework/primitives'
import type { Problem } from './model.js'

/** A topology cannot run as declared. Code `TOPOLOGY_INVALID`; the message lists every problem that keeps it from running. */
export class TopologyError extends MosaikError {
  /** The errors; warnings are not among them. */
  readonly problems: readonly Problem[]

  /** Of `problems`, as {@link validate} returns them, warnings are left out. */
  constructor(network: string, problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === 'error')
    const list = errors.flatMap(({ code, message, hint }) => [
      `  ${code}  ${message}`,
      ...(hint === undefined ? [] : [`    ${hint}`]),
    ])
    super('TOPOLOGY_INVALID', [`network "${network}" cannot run as declared:`, ...list].join('\n'), {
      details: { network, problems: errors },
    })
    this.problems = errors
  }
}
