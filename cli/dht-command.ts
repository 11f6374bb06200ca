// The command that looks at the DHT: its options and help. What it does is imported when it runs.
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { DhtFlags } from './commands/dht.js'
import { repeatable } from './variables.js'
import { parseDuration } from '#framework/primitives'

/** Adds `dht`. `finish` is told its exit code. */
export function addDhtCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('dht')
    .alias('bootstrap-records')
    .description('show which nodes a network is found by in the Mainline DHT, and whether they answer')
    .argument('[network]', 'name of the network, as --network')
    .option('--network <name>', 'name of the network')
    .addOption(
      new Option('--timeout <duration>', 'how long to look, and how long to wait for each node')
        .argParser(duration)
        .default(10_000, '10s'),
    )
    .option('--no-check', 'do not connect to the nodes')
    .option('--fail-if-unhealthy', 'exit with 3 unless all of the nodes answer, and there is one')
    .addOption(
      repeatable(
        new Option('--bootstrap <host:port>', 'node of another DHT to begin with; repeatable'),
        (text) => text,
      ),
    )
    .addOption(
      new Option('--dht-scope <scope>', 'which addresses to show and to connect to')
        .choices(['public', 'private', 'all'])
        .default('public'),
    )
    .option('--secret-file <file>', 'file with the secret of a closed network; - reads standard input')
    .option('--secret-env <name>', 'variable with that secret (default: MOSAIK_SECRET)')
    .addOption(new Option('--secret <text>').hideHelp())
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
A node is healthy when it shows that it has the key that signed the record, and that it is of the network.
In an open network everybody who knows its name can write into its slots, though not in the name of others.
Exits with 3 when the DHT cannot be reached.

Examples:
  mosaik dht telemetry
  mosaik dht orders --secret-file orders.secret --fail-if-unhealthy
  mosaik dht telemetry --no-check --json | jq '.slots[].peer'`,
    )
    .action(async (network: string | undefined, flags: DhtFlags, self: Command) => {
      const { dht } = await import('./commands/dht.js')
      const isSecretVisible = self.getOptionValueSource('secret') !== 'env'
      const named = { ...flags, ...(network !== undefined && { network }), logLevel: 'warn' as const }
      finish(await dht(named, isSecretVisible))
    })
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms <= 0)
    throw new InvalidArgumentError(`a duration reads like 500ms, 10s or 2m, not "${text}"`)
  return ms
}
