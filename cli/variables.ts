// Options that are not on the command line come from the environment: `--log-level` from MOSAIK_LOG_LEVEL.
import type { Command, Option } from 'commander'

/** The variable that stands for an option: for `--no-relay` that of the option it switches off. */
export function variableOf(option: Option): string {
  return `MOSAIK_${option.name().replace(/^no-/, '').replaceAll('-', '_').toUpperCase()}`
}

const yes = /^(1|true|yes|on)$/i
const no = /^(0|false|no|off)$/i

/**
 * Fills in what the environment says about options that the command line does not mention. Lists are separated by commas.
 * An empty variable counts as none. What it says has to fit, as if it stood on the command line.
 */
export function takeVariables(command: Command, env: Readonly<Record<string, string | undefined>>): void {
  for (const option of command.options) {
    const name = option.attributeName()
    const source = command.getOptionValueSource(name)
    const variable = variableOf(option)
    const text = env[variable]
    if (text === undefined || text === '' || (source !== undefined && source !== 'default')) continue
    command.setOptionValueWithSource(name, valueOf(command, option, variable, text), 'env')
  }
}

function valueOf(command: Command, option: Option, variable: string, text: string): unknown {
  if (option.isBoolean() || option.negate) {
    if (!yes.test(text) && !no.test(text))
      command.error(`error: ${variable} is 1 or 0, not "${text}"`, { exitCode: 2 })
    return yes.test(text)
  }
  const parse = (value: string, previous: unknown): unknown => {
    if (option.parseArg === undefined) return value
    try {
      return option.parseArg(value, previous)
    } catch (error) {
      return command.error(`error: ${variable}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (isList(option)) {
    const items = text.split(',').map((item) => item.trim())
    if (option.parseArg === undefined) return items
    return items.reduce<unknown>((previous, item) => parse(item, previous), undefined)
  }
  return parse(text, undefined)
}

/** Whether an option can be given several times, or takes several values. */
function isList(option: Option): boolean {
  return option.variadic || lists.has(option)
}

const lists = new WeakSet<Option>()

/** Makes an option one that can be given several times: `--tag a --tag b`. Each value is read by itself. */
export function repeatable<T>(option: Option, read: (value: string) => T): Option {
  return collecting<readonly T[]>(option, (value, previous) => [...(previous ?? []), read(value)])
}

/** Makes an option one whose values are gathered, however that is done. */
export function collecting<T>(option: Option, gather: (value: string, previous: T | undefined) => T): Option {
  lists.add(option)
  // The first value takes the place of the default, it does not join it.
  return option.argParser((value: string, previous: T | undefined) =>
    gather(value, previous === option.defaultValue ? undefined : previous),
  )
}
