import { derive, digestOf } from '#framework/primitives'
import { ExitCode } from '../exit-codes.js'
import { printJson, printLine } from '../output.js'

export interface IdOptions {
  readonly derive?: readonly string[]
  readonly json?: boolean
}

/** `mosaik id`: the id that a name stands for, and ids derived from it. */
export function printId(name: string, options: IdOptions): ExitCode {
  const id = (options.derive ?? []).reduce(derive, digestOf(name))
  if (options.json === true)
    printJson({ name, ...(options.derive !== undefined && { derive: options.derive }), id })
  else printLine(id)
  return ExitCode.ok
}
