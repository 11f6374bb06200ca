import { derive, digestOf } from '#framework/primitives'
import { ExitCode } from '../exit-codes.js'
import { complain, printJson, printLine, styledError } from '../output.js'

export interface IdOptions {
  readonly derive?: readonly string[]
  readonly json?: boolean
}

const idLength = 64

/** `mosaik id`: the ids that names stand for, or ids derived from them, one a line. */
export function printIds(names: readonly string[], options: IdOptions): ExitCode {
  for (const name of names) {
    if (/^[0-9a-f]{32,}$/i.test(name) && name.length !== idLength) {
      complain(
        `${styledError('yellow', 'warning:')} ${name} has ${name.length} hexadecimal characters, and an id has ${idLength}: it is taken for a name`,
      )
    }
    const id = (options.derive ?? []).reduce(derive, digestOf(name))
    if (options.json === true)
      printJson({ name, ...(options.derive !== undefined && { derive: options.derive }), id })
    else printLine(id)
  }
  return ExitCode.ok
}
