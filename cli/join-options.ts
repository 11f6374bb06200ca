// The options that the commands which join a network have in common. What they mean is in `join-flags.ts`, which is
// loaded when such a command runs.
import { type Command, Option } from 'commander'
import type { AddressScope } from '#framework/discovery'
import { type LogLevel, logLevels } from './log-level.js'
import { repeatable } from './variables.js'

/** The values of the options that {@link addJoinOptions} adds. */
export interface JoinFlags {
  readonly network?: string
  readonly peer?: readonly string[]
  readonly mdns?: boolean
  readonly dht?: boolean
  readonly dhtBootstrap?: readonly string[]
  readonly dhtScope?: AddressScope
  readonly secret?: string
  readonly secretEnv?: string
  readonly secretFile?: string
  readonly logLevel: LogLevel
}

/** Adds what says which network is meant, how to find it, and what opens it. */
export function addJoinOptions(command: Command, defaultLevel: LogLevel): Command {
  return command
    .option('--network <name>', 'name of the network')
    .addOption(
      repeatable(
        new Option('--peer <address>', 'peer to contact first: multiaddr or peer id; repeatable'),
        (text) => text,
      ),
    )
    .option('--mdns', 'find peers on this machine and in the local network by multicast DNS')
    .option('--dht', 'find peers anywhere by the Mainline DHT')
    .option('--no-dht', 'do not use the DHT')
    .addOption(
      repeatable(
        new Option('--dht-bootstrap <host:port>', 'node of another DHT to begin with; repeatable'),
        (text) => text,
      ).hideHelp(),
    )
    .addOption(
      new Option('--dht-scope <scope>', 'which of its addresses a node publishes in the DHT')
        .choices(['public', 'private', 'all'])
        .hideHelp(),
    )
    .option('--secret-file <file>', 'file with the secret of a closed network; - reads standard input')
    .option('--secret-env <name>', 'variable with that secret (default: MOSAIK_SECRET)')
    .addOption(new Option('--secret <text>').hideHelp())
    .addOption(
      new Option('--log-level <level>', 'lowest level shown on stderr')
        .choices([...logLevels])
        .default(defaultLevel),
    )
}
