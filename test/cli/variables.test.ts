import { describe, expect, test } from '@jest/globals'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { repeatable, takeVariables } from '../../cli/variables.js'

/** What the options are when the environment says this, and the command line that. */
function optionsWith(env: Record<string, string>, args: readonly string[] = []): Record<string, unknown> {
  const command = new Command('test')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .option('--name <name>', '', 'default')
    .option('--mdns')
    .option('--no-relay')
    .option('--node <name...>')
    .addOption(repeatable(new Option('--count <number>'), wholeNumber))
    .hook('preAction', (_parent, action) => takeVariables(action, env))
    .action(() => undefined)
  command.parse([...args], { from: 'user' })
  return command.opts()
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('not a number')
  return Number(text)
}

describe('given variables, an option', () => {
  test.each([
    [{}, { name: 'default', relay: true }],
    [{ MOSAIK_NAME: 'from env' }, { name: 'from env', relay: true }],
    [{ MOSAIK_NAME: '' }, { name: 'default', relay: true }],
    [{ MOSAIK_MDNS: '1' }, { name: 'default', mdns: true, relay: true }],
    [{ MOSAIK_MDNS: 'off' }, { name: 'default', mdns: false, relay: true }],
    [{ MOSAIK_RELAY: '0' }, { name: 'default', relay: false }],
    [{ MOSAIK_NODE: 'a, b' }, { name: 'default', node: ['a', 'b'], relay: true }],
    [{ MOSAIK_COUNT: '1,2' }, { name: 'default', count: [1, 2], relay: true }],
  ])('%j is as they say', (env, options) => {
    expect(optionsWith(env as Record<string, string>)).toEqual(options)
  })

  test('that stands on the command line is as the command line says', () => {
    const env = { MOSAIK_NAME: 'from env', MOSAIK_RELAY: '1', MOSAIK_COUNT: '7' }
    expect(optionsWith(env, ['--name', 'mine', '--no-relay', '--count', '1', '--count', '2'])).toEqual({
      name: 'mine',
      relay: false,
      count: [1, 2],
    })
  })

  test.each([
    [{ MOSAIK_MDNS: 'perhaps' }, /MOSAIK_MDNS is 1 or 0, not "perhaps"/],
    [{ MOSAIK_COUNT: '1,x' }, /MOSAIK_COUNT: not a number/],
  ])('%j that does not fit is refused by the name of the variable', (env, message) => {
    const call = (): unknown => optionsWith(env as unknown as Record<string, string>)
    expect(call).toThrow(CommanderError)
    expect(call).toThrow(message)
  })
})
