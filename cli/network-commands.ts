// The commands that make keys and take part in networks: their options and help. What they do is imported when they run.
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { BeaconFlags } from './commands/beacon.js'
import type { KeyOptions, NewKeyOptions } from './commands/key.js'
import type { PeersFlags } from './commands/peers.js'
import type { PingFlags } from './commands/ping.js'
import { addJoinOptions } from './join-options.js'
import { listenAddressesOf } from './listen-addresses.js'
import { collecting, repeatable } from './variables.js'
import { parseDuration } from '#framework/primitives'

/** Where beacons listen when they are not told: an address that others keep must not change. */
const beaconPort = 4001

/** Adds `key`, `beacon`, `peers` and `ping`. `finish` is told the exit code of each. */
export function addNetworkCommands(program: Command, finish: (exitCode: number) => void): void {
  addKey(program, finish)
  addBeacon(program, finish)
  addPeers(program, finish)
  addPing(program, finish)
}

function addKey(program: Command, finish: (exitCode: number) => void): void {
  const key = program.command('key').description('make and look at the key files that identities are kept in')
  key
    .command('new')
    .description('make a new identity and keep it in a file that only you can read')
    .argument('<file>', 'must not be there yet')
    .option(
      '--seed-file <file>',
      'derive the key from the text in a file instead of chance (scrypt); - reads standard input',
    )
    .option('--seed-env <name>', 'derive it from the text in this variable')
    .addOption(
      new Option('--seed <text>', 'derive it from this text, which everybody here can read').conflicts([
        'seedFile',
        'seedEnv',
      ]),
    )
    .option('--json', '{ "file": …, "peer": …, "libp2p": … }')
    .addHelpText(
      'after',
      `
The same text gives the same identity on every machine, so it must be as hard to guess as a key.

Examples:
  mosaik key new beacon.key
  mosaik key new beacon.key --seed-file - < text`,
    )
    .action(async (file: string, options: NewKeyOptions) => {
      const { newKey } = await import('./commands/key.js')
      finish(await newKey(file, options))
    })
  key
    .command('show')
    .description('print the peer id that a key file stands for')
    .argument('<file>', 'key file, or folder with an identity.key')
    .option('--json', '{ "file": …, "peer": …, "libp2p": … }')
    .addHelpText('after', '\nExample:\n  mosaik key show beacon.key')
    .action(async (file: string, options: KeyOptions) => {
      const { showKey } = await import('./commands/key.js')
      finish(await showKey(file, options))
    })
}

function addBeacon(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('beacon')
    .description('run a node without services, by which others find the network')
    .addOption(
      repeatable(
        new Option('--listen <address>', 'port, IP address, IP:port or multiaddr; repeatable'),
        listened,
      ).default([listened(String(beaconPort))], `port ${beaconPort} of every IPv4 interface`),
    )
    .addOption(
      repeatable(
        new Option(
          '--announce <multiaddr>',
          'tell others this address instead of those listened on; repeatable',
        ),
        asIs,
      ),
    )
    .addOption(
      repeatable(new Option('--tag <tag>', 'announce this tag; repeatable'), asIs).default(['beacon']),
    )
    .addOption(
      collecting(
        new Option('--label <key=value>', 'announce this label, such as region=eu; repeatable'),
        labelled,
      ),
    )
    .option('--key-file <file>', 'the key to be known by, see "mosaik key new"')
    .option('--data <folder>', 'keep the identity here, and the peers that were met')
    .addOption(
      new Option('--status-interval <duration>', 'how often to print a status line; 0 for never')
        .argParser(durationOrNever)
        .default(60_000, '60s'),
    )
    .option('--no-relay', 'relay nothing between peers that cannot reach each other')
    .option(
      '--metrics [address]',
      'serve metrics over HTTP on host:port or a port (default: any of 127.0.0.1)',
    )
    .option('--json', 'one JSON event per line on stdout')
  addJoinOptions(command, 'info')
    .addHelpText(
      'after',
      `
It is a relay, and in the DHT, unless told otherwise; by multicast DNS only with --mdns.
Ctrl-C once says goodbye and stops, exit code 0; twice stops at once. The log goes to stderr.

Examples:
  mosaik beacon --network telemetry --data /var/lib/mosaik
  mosaik beacon --network telemetry --listen 127.0.0.1:0 --mdns --json
  mosaik beacon --network orders --secret-file orders.secret --announce /dns4/seed.example/udp/4001/quic-v1`,
    )
    .action(async (flags: BeaconFlags, self: Command) => {
      const { beacon } = await import('./commands/beacon.js')
      finish(await beacon(flags, isSecretVisible(self)))
    })
}

function addPeers(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('peers')
    .description('join a network for a moment, and list who is in it')
    .argument('[network]', 'name of the network, as --network')
    .addOption(
      new Option('--timeout <duration>', 'how long to look for a first peer')
        .argParser(duration)
        .default(10_000, '10s'),
    )
    .option('--watch', 'go on, and show what changes')
    .option('--json', 'one JSON document; with --watch one JSON event per line')
  addJoinOptions(command, 'warn')
    .addHelpText(
      'after',
      `
Listens nowhere, and announces nothing but the tag "observer". Without --peer, --mdns or --dht it looks by
multicast DNS and in the DHT. Exits with 3 when nobody was found.

Examples:
  mosaik peers telemetry
  mosaik peers telemetry --peer /ip4/192.0.2.7/udp/4001/quic-v1 --watch
  mosaik peers telemetry --json | jq '.peers[].node'`,
    )
    .action(async (network: string | undefined, flags: PeersFlags, self: Command) => {
      const { peers } = await import('./commands/peers.js')
      finish(await peers({ ...flags, ...(network !== undefined && { network }) }, isSecretVisible(self)))
    })
}

function addPing(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('ping')
    .description('reach one peer: what it says of itself, and how far away it is')
    .argument('<address>', 'multiaddr, or the id of a peer that --peer, --mdns or --dht leads to')
    .addOption(new Option('--count <number>', 'how many round trips to measure').argParser(count).default(4))
    .addOption(
      new Option('--interval <duration>', 'time between two of them')
        .argParser(interval)
        .default(500, '500ms'),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for the peer, and for an answer')
        .argParser(duration)
        .default(5_000, '5s'),
    )
    .option('--json', 'one JSON document')
  addJoinOptions(command, 'warn')
    .addHelpText(
      'after',
      `
Exits with 3 when the peer cannot be reached, or is of another network.

Examples:
  mosaik ping /ip4/192.0.2.7/udp/4001/quic-v1 --network telemetry
  mosaik ping 12D3KooW… --network telemetry --mdns --count 10`,
    )
    .action(async (address: string, flags: PingFlags, self: Command) => {
      const { ping } = await import('./commands/ping.js')
      finish(await ping(address, flags, isSecretVisible(self)))
    })
}

function isSecretVisible(command: Command): boolean {
  return command.getOptionValueSource('secret') !== 'env'
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms <= 0)
    throw new InvalidArgumentError(`a duration reads like 500ms, 10s or 2m, not "${text}"`)
  return ms
}

function durationOrNever(text: string): number {
  return text === '0' ? 0 : duration(text)
}

const intervalMsMin = 50

function interval(text: string): number {
  const ms = duration(text)
  if (ms < intervalMsMin) throw new InvalidArgumentError(`at least ${intervalMsMin}ms`)
  return ms
}

const countMax = 1_000

function count(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > countMax)
    throw new InvalidArgumentError(`a whole number from 1 to ${countMax}, not "${text}"`)
  return number
}

function listened(text: string): readonly string[] {
  return listenAddressesOf(text, beaconPort) ?? [text]
}

function labelled(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const [, key, value] = /^([^=\s]+)=(.+)$/.exec(text) ?? []
  if (key === undefined || value === undefined)
    throw new InvalidArgumentError(`a label reads like region=eu, not "${text}"`)
  return { ...previous, [key]: value }
}

function asIs(text: string): string {
  return text
}
