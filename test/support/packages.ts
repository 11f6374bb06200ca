import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * The packages of many files that the sources and tests import. Jest links and evaluates every file anew for each test
 * file, seven hundred of them for a node that starts, so tests get these packages in a few files.
 *
 * All of libp2p that is imported has to be here: what is not would bring its own copies of what the others share.
 */
export const bundledPackages: readonly string[] = [
  '@chainsafe/libp2p-noise',
  '@chainsafe/libp2p-yamux',
  '@libp2p/circuit-relay-v2',
  '@libp2p/crypto/keys',
  '@libp2p/gossipsub',
  '@libp2p/gossipsub/message',
  '@libp2p/interface',
  '@libp2p/memory',
  '@libp2p/peer-id',
  '@libp2p/tcp',
  '@libp2p/tls',
  '@libp2p/tls/utils',
  '@libp2p/utils',
  '@multiformats/multiaddr',
  '@noble/hashes/blake3.js',
  'libp2p',
  'multiformats/bases/base58',
  'multiformats/cid',
  'zod',
]

const root = resolve(import.meta.dirname, '../..')

/** Where the bundles are: a folder for each state of the dependencies and of the list, complete as soon as it is there. */
export const packagesFolder = join(root, 'node_modules/.cache/mosaik-test', `packages-${fingerprint()}`)

/** What jest is told to import instead of each package. */
export const packageMapper: Readonly<Record<string, string>> = Object.fromEntries(
  bundledPackages.map((name) => [
    `^${name.replaceAll('.', '\\.')}$`,
    join(packagesFolder, `${bundleOf(name)}.js`),
  ]),
)

/** The place of a package's bundle, without the extension: that of an entry leaves room for files beside it. */
export function bundleOf(name: string): string {
  const isEntry = name.split('/').length === (name.startsWith('@') ? 2 : 1)
  return isEntry ? `${name}/index` : name.replace(/\.js$/, '')
}

function fingerprint(): string {
  const hash = createHash('sha256')
  for (const file of ['package-lock.json', 'test/support/packages.ts', 'test/support/bundle-packages.ts']) {
    hash.update(readFileSync(join(root, file)))
  }
  return hash.digest('hex').slice(0, 16)
}
