import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as esbuild from 'esbuild'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Inside of the checkout, so that packages, which are not bundled, are found from there. */
const cache = join(root, 'node_modules', '.cache', 'sim')

/** What a bundle is made of, besides packages. */
const SOURCES = ['framework', 'test/sim']

/** Bundles of earlier code are kept this long, because somebody may be starting threads with one. */
const KEPT_MS = 3_600_000

/**
 * Bundles the simulator and the code of this checkout, because worker threads cannot run TypeScript as it is written here,
 * and because code that jest has transformed is several times slower. The same code is bundled once, whoever asks.
 *
 * @returns The URL of a folder with `main.mjs` and `worker.mjs`, ending with a slash.
 */
export async function bundle(): Promise<URL> {
  let folder = folderOfSources()
  while (!existsSync(folder)) {
    removeOld()
    await buildInto(folder)
    folder = folderOfSources()
  }
  return pathToFileURL(`${folder}/`)
}

/** Named after what the sources are now. */
function folderOfSources(): string {
  const hash = createHash('sha256')
  for (const source of SOURCES) {
    const names = readdirSync(join(root, source), { recursive: true, encoding: 'utf8' })
    for (const name of names.filter((name) => name.endsWith('.ts')).toSorted()) {
      hash
        .update(`${source}/${name}\0`)
        .update(readFileSync(join(root, source, name)))
        .update('\0')
    }
  }
  hash.update(readFileSync(join(root, 'package.json')))
  return join(cache, hash.digest('hex').slice(0, 16))
}

function removeOld(): void {
  mkdirSync(cache, { recursive: true })
  for (const name of readdirSync(cache)) {
    const old = join(cache, name)
    const { mtimeMs } = statSync(old, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity }
    if (mtimeMs < Date.now() - KEPT_MS) rmSync(old, { recursive: true, force: true })
  }
}

/**
 * Two processes may do this at once: a folder is there whole or not at all, and the first one stays. Sources that were edited
 * meanwhile may be in the bundle, which then has no name.
 */
async function buildInto(folder: string): Promise<void> {
  const draft = mkdtempSync(join(cache, 'draft-'))
  try {
    const { metafile } = await esbuild.build({
      absWorkingDir: root,
      entryPoints: ['test/sim/run/main.ts', 'test/sim/run/worker.ts'],
      outdir: draft,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node22.15',
      conditions: ['mosaik-source'],
      packages: 'external',
      sourcemap: 'inline',
      logLevel: 'warning',
      metafile: true,
    })
    const stranger = Object.keys(metafile.inputs).find(
      (input) => !SOURCES.some((source) => input.startsWith(`${source}/`)),
    )
    if (stranger !== undefined) throw new Error(`${stranger} is bundled, and is not among SOURCES`)
    if (folderOfSources() === folder && !existsSync(folder)) renameSync(draft, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
