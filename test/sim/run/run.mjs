// npm run sim -- [--seeds n] [--minutes n] [--from seed] [--fault name] [--trace lines]
// Bundles the simulator and the code of this checkout, because worker threads cannot run TypeScript as it is written here.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as esbuild from 'esbuild'

const root = fileURLToPath(new URL('../../..', import.meta.url))
// Inside of the checkout, so that what is not bundled is found.
const folder = mkdtempSync(join(root, 'node_modules', '.sim-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

await esbuild.build({
  absWorkingDir: root,
  entryPoints: ['test/sim/run/main.ts', 'test/sim/run/worker.ts'],
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.15',
  conditions: ['mosaik-source'],
  packages: 'external',
  keepNames: true,
  sourcemap: 'inline',
  logLevel: 'warning',
})
process.setSourceMapsEnabled(true)
const { main } = await import(pathToFileURL(join(folder, 'main.mjs')).href)
process.exitCode = await main(process.argv.slice(2))
