import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Identity, libp2pPeerId } from '#framework/network'
import { ExitCode } from '../exit-codes.js'
import { warnOfVisible } from '../join-flags.js'
import { printJson, printLine, styled } from '../output.js'
import { readSecret } from '../secrets.js'
import { seedFromText } from '../seed-text.js'

export interface KeyOptions {
  readonly json?: boolean
}

export interface NewKeyOptions extends KeyOptions {
  readonly seed?: string
  readonly seedEnv?: string
  readonly seedFile?: string
}

/** `mosaik key new`: an identity in a file of its own. */
export async function newKey(file: string, options: NewKeyOptions): Promise<ExitCode> {
  const text = await seedText(options)
  const identity = text === undefined ? Identity.random() : Identity.fromSeed(await seedFromText(text))
  await identity.toNewFile(file)
  print(identity, file, options)
  return ExitCode.ok
}

/** `mosaik key show`: whose key a file holds. A folder stands for the `identity.key` in it. */
export async function showKey(place: string, options: KeyOptions): Promise<ExitCode> {
  const isFolder = statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const file = isFolder ? join(place, 'identity.key') : place
  print(await Identity.fromFile(file), file, options)
  return ExitCode.ok
}

async function seedText({ seed, seedEnv, seedFile }: NewKeyOptions): Promise<string | undefined> {
  if (seed === undefined) {
    return readSecret({
      ...(seedEnv !== undefined && { env: seedEnv }),
      ...(seedFile !== undefined && { file: seedFile }),
    })
  }
  warnOfVisible('--seed', '--seed-file -, which reads standard input')
  return seed
}

function print({ peerId }: Identity, file: string, { json }: KeyOptions): void {
  const libp2p = libp2pPeerId(peerId)
  if (json === true) return printJson({ file, peer: peerId, libp2p })
  printLine(`${styled('dim', 'peer')}    ${peerId}`)
  printLine(`${styled('dim', 'libp2p')}  ${libp2p}`)
}
