// Who may import whom. The folders form a directed graph without cycles, and each library stops at one place,
// so that a major upgrade of it touches one folder. The reasons are in docs/architecture.md.
import { globSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'

/** Each folder, and the folders of ours it may import. The most specific entry wins. */
const mayImport = {
  'framework/primitives': [],
  'framework/network': ['framework/primitives'],
  'framework/discovery': ['framework/network', 'framework/primitives'],
  'framework/streams': ['framework/discovery', 'framework/network', 'framework/primitives'],
  'framework/groups': ['framework/discovery', 'framework/network', 'framework/primitives'],
  'framework/topology': [
    'framework/streams',
    'framework/discovery',
    'framework/groups',
    'framework/network',
    'framework/primitives',
  ],
  decorators: ['framework'],
  manifests: ['framework'],
  cli: ['framework', 'decorators', 'manifests'],
  apps: ['mosaik'],
  bench: ['framework', 'decorators', 'manifests', 'mosaik', 'test/support'],
  test: ['*'],
  '.': ['framework', 'decorators'],
}

/** Parts of topology that stay pure: plain data in, plain data out. */
const pure = [
  'model',
  'names',
  'datum-shape',
  'validate',
  'validate-groups',
  'group-members',
  'loopback',
  'dataflow',
  'drawing',
  'mermaid',
  'dot',
  'svg',
  'json',
].map((name) => `framework/topology/${name}.ts`)

/** The consensus core: messages and ticks in, decisions out, whatever brings and carries them. */
const consensusCore = 'framework/groups/raft'

/** Libraries, and the only places that may import them. */
const libraries = [
  {
    name: /^(@libp2p\/|libp2p$|@chainsafe\/|@multiformats\/|multiformats\/|uint8arraylist$)/,
    only: ['framework/network', 'bench', 'test/network'],
  },
  { name: /^(typedi|reflect-metadata)$/, only: ['decorators'] },
  {
    name: /^@msgpack\/msgpack$/,
    only: ['framework/primitives/codec.ts', 'framework/primitives/codec-extensions.ts'],
  },
  { name: /^@noble\/hashes/, only: ['framework/primitives'] },
  { name: /^dns-packet$/, only: ['framework/discovery/mdns-records.ts'] },
  {
    name: /^bittorrent-dht$/,
    only: ['framework/discovery/dht/bep44-client.ts', 'test/support/dht-testnet.ts'],
  },
  { name: /^lmdb$/, only: ['framework/groups/storage'] },
  { name: /^yaml$/, only: ['manifests'] },
  { name: /^@viz-js\/viz$/, only: ['framework/topology/svg.ts'] },
  { name: /^(commander|log-update)$/, only: ['cli', 'test/cli'] },
  { name: /^@swc\/core$/, only: ['cli', 'test/decorators'] },
]

const root = resolve(import.meta.dirname, '..')
const files = globSync('{index.ts,{framework,decorators,manifests,cli,apps,bench,test}/**/*.ts}', {
  cwd: root,
})
const importPattern =
  /^\s*(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm
const problems = []

for (const file of files) {
  const text = readFileSync(resolve(root, file), 'utf8')
  for (const match of text.matchAll(importPattern)) {
    const specifier = match[1] ?? match[2] ?? match[3]
    const line = text.slice(0, match.index + match[0].indexOf(specifier)).split('\n').length
    const complain = (message) => problems.push(`${file}:${line}  "${specifier}"  ${message}`)
    const target = targetOf(file, specifier)
    if (target === undefined) checkLibrary(file, specifier, complain)
    else checkFolder(file, target, complain)
  }
}

if (problems.length > 0) {
  console.error(problems.join('\n'))
  console.error(
    `\n${problems.length} imports go in a direction that is not allowed (scripts/check-imports.mjs has the table)`,
  )
  process.exit(1)
}
console.log(`${files.length} files, every import goes in an allowed direction`)

/** The place of ours that an import reaches, relative to the root; undefined for a library or a Node module. */
function targetOf(file, specifier) {
  if (specifier.startsWith('.'))
    return relative(root, resolve(root, dirname(file), specifier))
      .split(sep)
      .join('/')
      .replace(/^dist\//, '')
  if (specifier.startsWith('#')) return specifier.slice(1)
  if (specifier === 'mosaik') return 'mosaik'
  return undefined
}

function checkLibrary(file, specifier, complain) {
  for (const { name, only } of libraries) {
    if (name.test(specifier) && !only.some((place) => within(file, place)))
      complain(`stops at ${only.join(', ')}`)
  }
}

function checkFolder(file, target, complain) {
  const from = folderOf(file)
  const to = target === 'mosaik' ? target : folderOf(target)
  if (within(file, consensusCore) && !within(target, consensusCore) && to !== 'framework/primitives')
    complain('the consensus core imports primitives only')
  if (from === to) {
    if (pure.includes(file) && !pure.includes(target.replace(/\.js$/, '.ts')))
      complain('is not one of the pure parts of topology')
    return
  }
  if (pure.includes(file) && to !== 'framework/primitives')
    complain('the pure parts of topology import primitives only')
  const allowed = mayImport[from] ?? []
  if (!allowed.includes('*') && !allowed.some((place) => within(to, place)))
    complain(`${from} may not import ${to}`)
  else if (target.endsWith('.js') && from !== 'test' && from !== 'bench' && from !== '.')
    complain(`reaches into ${to}: import its door`)
}

function folderOf(path) {
  const known = Object.keys(mayImport).filter((folder) => folder !== '.' && within(path, folder))
  return known.sort((a, b) => b.length - a.length)[0] ?? '.'
}

function within(path, place) {
  return path === place || path.startsWith(`${place}/`)
}
