import { MosaikError } from '#framework/primitives'

/** Something about a class that keeps it from being a service. */
export interface DeclarationProblem {
  /** Stable, UPPER_SNAKE. */
  readonly code: string
  /** What is wrong, naming the class and the member. */
  readonly message: string
  /** What would most likely mend it. */
  readonly hint: string
}

/**
 * A class is not declared correctly. Code `SERVICE_DECLARATION`; the message lists every problem at once, each with what
 * would mend it.
 */
export class DeclarationError extends MosaikError {
  /** Name of the class; of several, all of them. */
  readonly service: string
  readonly problems: readonly DeclarationProblem[]

  constructor(service: string, problems: readonly DeclarationProblem[]) {
    const list = problems.flatMap(({ code, message, hint }) => [`  ${code}  ${message}`, `    ${hint}`])
    super('SERVICE_DECLARATION', [`not declared correctly: ${service}`, ...list].join('\n'), {
      details: { service, problems },
    })
    this.service = service
    this.problems = problems
  }
}
