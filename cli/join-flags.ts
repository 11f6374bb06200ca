// What the options of the commands that join a network mean for joining.
import { type DialTarget, Identity, peerIdFromLibp2p } from '#framework/network'
import { fromHex, peerIdFromRaw } from '#framework/primitives'
import { isLabel, labelRule, type DiscoverySwitches, type JoinOptions } from '#framework/topology'
import { multiaddrFault } from '#manifests'
import type { JoinFlags } from './join-options.js'
import { complain, styledError } from './output.js'
import { readSecret } from './secrets.js'
import { stderrLogger } from './stderr-logger.js'
import { UsageError } from './usage-error.js'

/**
 * What the options say about joining.
 *
 * @param secretIsVisible Whether a secret that is given as such came from the command line.
 * @throws UsageError for a network without a name, or what is no address. MosaikError as {@link readSecret}.
 */
export async function joinOptionsOf(flags: JoinFlags, secretIsVisible: boolean): Promise<JoinOptions> {
  const { network, peer = [] } = flags
  if (network === undefined)
    throw new UsageError('which network? Name it with --network <name>, or in MOSAIK_NETWORK')
  if (!isLabel(network))
    throw new UsageError(`${JSON.stringify(network)} cannot name a network: it has ${labelRule}`)
  for (const address of peer) targetOf(address)
  const secret = await secretOf(flags, secretIsVisible)
  return {
    network,
    ...(secret !== undefined && { secret }),
    seeds: peer,
    discovery: { mdns: flags.mdns ?? false, dht: dhtOf(flags) },
    logger: stderrLogger(flags.logLevel),
  }
}

function dhtOf({ dht = false, dhtBootstrap, dhtScope }: JoinFlags): NonNullable<DiscoverySwitches['dht']> {
  if (!dht || (dhtBootstrap === undefined && dhtScope === undefined)) return dht
  return {
    ...(dhtBootstrap !== undefined && { bootstrap: dhtBootstrap }),
    ...(dhtScope !== undefined && { addressScope: dhtScope }),
  }
}

async function secretOf(
  { secret, secretEnv, secretFile }: JoinFlags,
  isVisible: boolean,
): Promise<string | undefined> {
  if (secretEnv !== undefined && secretFile !== undefined)
    throw new UsageError('--secret-env and --secret-file are two places for one secret: give one of them')
  if (secretEnv !== undefined) return readSecret({ env: secretEnv })
  if (secretFile !== undefined) return readSecret({ file: secretFile })
  if (secret !== undefined && isVisible) warnOfVisible('--secret', '--secret-file or MOSAIK_SECRET')
  return secret
}

/** Says that a secret on the command line is none. */
export function warnOfVisible(option: string, instead: string): void {
  complain(
    `${styledError('yellow', 'warning:')} every user of this machine can read the command line, and ${option} in it: better use ${instead}`,
  )
}

/** The identity of a key file; undefined when none is named. */
export async function identityOf(keyFile: string | undefined): Promise<Identity | undefined> {
  return keyFile === undefined ? undefined : Identity.fromFile(keyFile)
}

/** The text, which must be fit for a tag or a part of a label. @throws UsageError */
export function checkedLabel(text: string, what: string): string {
  if (!isLabel(text)) throw new UsageError(`${JSON.stringify(text)} cannot be ${what}: it has ${labelRule}`)
  return text
}

/** The text, which must be a multiaddr. @throws UsageError */
export function checkedMultiaddr(text: string): string {
  const fault = multiaddrFault(text)
  if (fault === undefined) return text
  throw new UsageError(
    `${JSON.stringify(text)} ${fault.message}${fault.hint === undefined ? '' : `: ${fault.hint}`}`,
  )
}

/** Whom an address, or a peer id in either form, means. @throws UsageError */
export function targetOf(text: string): DialTarget {
  if (/^[0-9a-f]{64}$/i.test(text)) return { peer: peerIdFromRaw(fromHex(text.toLowerCase())) }
  if (/^[0-9a-f]{32,}$/i.test(text))
    throw new UsageError(`"${text}" has ${text.length} hexadecimal characters, and a peer id has 64`)
  if (!text.startsWith('/') && /^[1-9A-HJ-NP-Za-km-z]{46,64}$/.test(text)) {
    try {
      return { peer: peerIdFromLibp2p(text) }
    } catch {
      throw new UsageError(`"${text}" is no peer id`)
    }
  }
  return { addresses: [checkedMultiaddr(text)] }
}
