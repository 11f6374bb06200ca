import { type LocatedProblem, renderProblems } from '#manifests'
import { complain, errorsInColour } from './output.js'

/** Prints problems with their places, and how many there are, to stderr. */
export function reportProblems(problems: readonly LocatedProblem[]): void {
  if (problems.length === 0) return
  complain(renderProblems(problems, { color: errorsInColour() }))
  const errorCount = problems.filter(({ severity }) => severity === 'error').length
  const warningCount = problems.length - errorCount
  const parts = [
    errorCount > 0 && plural(errorCount, 'error'),
    warningCount > 0 && plural(warningCount, 'warning'),
  ]
  complain(`\n${parts.filter((part) => part !== false).join(', ')}`)
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
