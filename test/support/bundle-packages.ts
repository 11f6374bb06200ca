// Makes the bundles of packages that tests import. A process of its own: what jest runs before all tests is CommonJS to
// it, and would find the packages' CommonJS.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { bundledPackages, bundleOf, packagesFolder } from './packages.ts'

/** What the sources import from beside a package's entry, because the package does not export it. */
const besideEntries = [
  ['@libp2p/tcp', 'socket-to-conn.js'],
  ['@libp2p/circuit-relay-v2', 'pb/index.js'],
] as const

const temporary = `${packagesFolder}.${process.pid}`
await build({
  entryPoints: [
    ...bundledPackages.map((name) => ({ in: fileURLToPath(import.meta.resolve(name)), out: bundleOf(name) })),
    ...besideEntries.map(([name, file]) => ({
      in: fileURLToPath(new URL(file, import.meta.resolve(name))),
      out: `${name}/${file.replace(/\.js$/, '')}`,
    })),
  ],
  outdir: temporary,
  bundle: true,
  // What several packages import exists once: their classes and symbols are the same for all.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.15',
  // With native parts, or with state that there is to be one of in a process.
  external: ['@chainsafe/libp2p-quic', 'reflect-metadata'],
  logLevel: 'warning',
})
writeFileSync(join(temporary, 'package.json'), '{ "type": "module" }\n')
try {
  renameSync(temporary, packagesFolder)
} catch (error) {
  rmSync(temporary, { recursive: true })
  // Another run of the tests was faster, and has made the same.
  if (!existsSync(packagesFolder)) throw error
}
