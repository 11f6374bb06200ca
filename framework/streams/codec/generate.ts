// `packed/2` (layout.ts) by straight-line code: for each layout a function that writes, one that judges, and one that
// reads. Whatever a schema says enters the code as a JSON literal or as a constant beside it, never as text.
import { CodeWriter } from './code-writer.js'
import { Conditions } from './generate-conditions.js'
import { DecoderWriter } from './generate-decoder.js'
import { EncoderWriter } from './generate-encoder.js'
import { JudgeWriter } from './generate-judge.js'
import type { DatumLayout } from './layout.js'
import type { PackedProgram } from './packed-program.js'
import {
  endsEarly,
  Malformed,
  negated,
  noSuchPlace,
  numberAt,
  type PackedReader,
  utf8Of,
} from './packed-reader.js'
import {
  bigintWords,
  putBigint,
  putByte,
  putBytes,
  putNumber,
  putSigned,
  putText,
  putTwoBytes,
  putVarint,
} from './packed-writer.js'
import { codePointsOf, isBytes, isCarriedBy, isFielded, keysOf, timeOf, type Rules } from './values.js'

/** What generated code calls. */
const runtime = {
  bigintWords,
  codePointsOf,
  endsEarly,
  isBytes,
  isCarriedBy,
  isFielded,
  keysOf,
  negated,
  noSuchPlace,
  numberAt,
  putBigint,
  putByte,
  putBytes,
  putNumber,
  putSigned,
  putText,
  putTwoBytes,
  putVarint,
  timeOf,
  utf8Of,
  malformed: (what: string): Malformed => new Malformed(what),
}

let isAllowed: boolean | undefined

/** Whether this process may generate code (`--disallow-code-generation-from-strings`). */
export function canGenerate(): boolean {
  if (isAllowed === undefined) {
    try {
      newFunction('')
      isAllowed = true
    } catch {
      isAllowed = false
    }
  }
  return isAllowed
}

/** @param rules By which values are accepted. */
export function generate(layout: DatumLayout, rules: Rules): PackedProgram {
  const code = writtenProgram(layout, rules)
  const make = newFunction('runtime', 'constants', sourceOf(code)) as (
    functions: typeof runtime,
    values: readonly unknown[],
  ) => {
    readonly encode: (value: unknown, target: Buffer, offset: number, depth: number) => number
    readonly accepts: (value: unknown, depth: number) => boolean
    readonly decode: (reader: PackedReader, depth: number) => unknown
  }
  const { encode, accepts, decode } = make(runtime, code.constants)
  return {
    encode: (value, target, offset) => encode(value, target, offset, 0),
    accepts: (value) => accepts(value, 0),
    decode: (reader) => decode(reader, 0),
  }
}

function newFunction(...parametersAndBody: string[]): unknown {
  // oxlint-disable-next-line typescript/no-implied-eval -- this is the code generator; see the top of the file.
  return new Function(...parametersAndBody)
}

function writtenProgram(layout: DatumLayout, rules: Rules): CodeWriter {
  const code = new CodeWriter()
  const conditions = new Conditions(code, layout, rules)
  const judge = new JudgeWriter(code, conditions, layout, rules)
  const encoder = new EncoderWriter(code, conditions, judge)
  const decoder = new DecoderWriter(code, conditions, layout)
  for (const [index, part] of [layout.root, ...layout.parts].entries()) {
    const suffix = index === 0 ? '' : `${index - 1}`
    encoder.write(part, `encode${suffix}`)
    judge.write(part, `accepts${suffix}`)
    decoder.write(part, `decode${suffix}`)
  }
  return code
}

function sourceOf({ constants, functions }: CodeWriter): string {
  return [
    '"use strict"',
    `const { ${Object.keys(runtime).join(', ')} } = runtime`,
    ...constants.map((_, index) => `const constant${index} = constants[${index}]`),
    ...functions,
    'return { encode, accepts, decode }',
  ].join('\n')
}
