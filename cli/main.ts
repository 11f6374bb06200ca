#!/usr/bin/env node
// The command line. Commands are imported when they run, so that `--help` does not pay for libp2p.
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { GraphFormat } from './commands/graph.js'
import type { UpOptions } from './commands/up.js'
import { addDhtCommand } from './dht-command.js'
import { ExitCode } from './exit-codes.js'
import { addNetworkCommands } from './network-commands.js'
import { complain, errorText } from './output.js'
import { UsageError } from './usage-error.js'
import { takeVariables } from './variables.js'
import { codeOf, isMosaikError } from '#framework/primitives'

// A reader that has gone (`| head`) ends no command with a stack trace; what is printed after that goes nowhere.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error
  })
}

const defaultManifest = 'mosaik.yaml'
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('mosaik')
  .description('Self-organising distributed systems from decorated TypeScript classes.')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(add --help for what is possible)')
  .addHelpText(
    'after',
    `
Examples:
  mosaik up apps/telemetry/mosaik.yaml        run every node of a manifest
  mosaik check apps/telemetry/mosaik.yaml     find mistakes without running anything
  mosaik graph apps/telemetry/mosaik.yaml     draw the dataflow graph
  mosaik beacon --network telemetry           run a node that others find the network by
  mosaik peers telemetry                      see who is in a network

Exit codes:
  0    done, or stopped as asked
  1    it failed: the manifest has problems, or a node could not be kept running
  2    the command line was wrong
  3    nobody was found, or a peer did not answer
  130  interrupted before there was a result, or a second time before everything had closed

Environment:
  MOSAIK_…      any option: MOSAIK_LOG_LEVEL stands for --log-level; lists are separated by commas
  NO_COLOR=1    no colours; FORCE_COLOR=1 colours even where output is no terminal`,
  )

program
  .command('up')
  .description('check a manifest, then run its nodes as supervised processes')
  .argument('[manifest]', 'manifest file', defaultManifest)
  .option('--for <duration>', 'stop by itself after 500ms, 10s, 2m …')
  .option('--node <name...>', 'run only these nodes here; the others run elsewhere with the same manifest')
  .option('--seed <multiaddr...>', 'addresses of nodes that already run, to join them')
  .option('--mdns', 'find the nodes of other runs, and be found by them, by multicast DNS')
  .option('--no-mdns', 'do not, whatever the manifest says')
  .option('--dht', 'the same anywhere, by the Mainline DHT')
  .option('--no-dht', 'do not, whatever the manifest says')
  .option('--data <folder>', "keep identities and met peers here instead of in the manifest's folder")
  .option('--listen <host>', "address to listen on instead of the manifest's (0.0.0.0: every interface)")
  .addOption(
    new Option('--log-level <level>', 'lowest level shown')
      .choices(['debug', 'info', 'warn', 'error'])
      .default('info'),
  )
  .option('--json', 'one JSON event per line on stdout')
  .addHelpText(
    'after',
    `
Ctrl-C once stops in order: departures are announced, queues drained, exit code 0. Twice stops at once.
A node that ends is started again, later each time; one that keeps ending ends the run with exit code 1.

Examples:
  mosaik up                                   mosaik.yaml of this folder
  mosaik up --for 30s --json                  thirty seconds of events for a program to read
  mosaik up --node sensor                     only the sensors here; prints the --seed that the other side needs
  mosaik up --node console --seed /ip4/127.0.0.1/udp/4001/quic-v1/p2p/12D3…`,
  )
  .action(async (manifest: string, options: UpOptions) => {
    const { up } = await import('./commands/up.js')
    process.exitCode = await up(manifest, options)
  })

program
  .command('check')
  .description('find mistakes in a manifest and its services without running them')
  .argument('[manifest]', 'manifest file', defaultManifest)
  .option('--json', '{ "ok": …, "problems": [{ file, line, column, code, severity, message, … }] } on stdout')
  .addHelpText(
    'after',
    '\nExits with 0, or with 1 when there are errors. Warnings alone are no errors.\n\nExample:\n  mosaik check apps/telemetry/mosaik.yaml',
  )
  .action(async (manifest: string, options: { json?: boolean }) => {
    const { checkManifest } = await import('./commands/check.js')
    process.exitCode = await checkManifest(manifest, options)
  })

program
  .command('graph')
  .description('draw the dataflow graph inferred from the decorators and the manifest')
  .argument('[manifest]', 'manifest file', defaultManifest)
  .addOption(
    new Option('--format <format>', 'default: by the ending of the output file, else mermaid').choices([
      'mermaid',
      'dot',
      'svg',
      'json',
    ]),
  )
  .option('-o, --output <file>', 'write to a file instead of stdout')
  .addHelpText(
    'after',
    `
Examples:
  mosaik graph apps/telemetry/mosaik.yaml                  Mermaid text, which GitHub draws
  mosaik graph apps/telemetry/mosaik.yaml -o graph.svg     a picture
  mosaik graph apps/telemetry/mosaik.yaml --format json    { nodes, streams, edges }`,
  )
  .action(async (manifest: string, options: { format?: GraphFormat; output?: string }) => {
    const { drawGraph } = await import('./commands/graph.js')
    process.exitCode = await drawGraph(manifest, options)
  })

program
  .command('id')
  .description('print the 32-byte ids that names stand for')
  .argument(
    '<name...>',
    '64 hexadecimal characters stand for themselves, any other text for its BLAKE3 digest',
    nonEmptyOnes,
  )
  .option('--derive <info...>', 'derive further: BLAKE3(id ‖ info), once for each')
  .option('--json', 'one { "name": …, "id": … } a line')
  .addHelpText(
    'after',
    '\nExamples:\n  mosaik id telemetry\n  mosaik id my-app --derive sub-identifier\n  mosaik id one two three',
  )
  .action(async (names: string[], options: { derive?: string[]; json?: boolean }) => {
    const { printIds } = await import('./commands/id.js')
    process.exitCode = printIds(names, options)
  })

const finish = (exitCode: number): void => {
  process.exitCode = exitCode
}
addNetworkCommands(program, finish)
addDhtCommand(program, finish)

program.hook('preAction', (_program, command) => takeVariables(command, process.env))

function nonEmptyOnes(text: string, before: readonly string[] | undefined): readonly string[] {
  if (text === '') throw new InvalidArgumentError('a name cannot be empty')
  return [...(before ?? []), text]
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
  } else if (error instanceof UsageError) {
    complain(errorText(error.message))
    process.exitCode = ExitCode.usage
  } else if (isMosaikError(error)) {
    complain(errorText(`${error.message} (${error.code})`))
    process.exitCode = ExitCode.failure
  } else {
    throw error
  }
}
