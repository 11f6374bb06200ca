import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Makes one file of a test's TypeScript program and all that it imports from the sources, for a process of its own.
 * Packages stay packages, which is why the file is among them.
 *
 * @param entry The path from the root.
 * @returns The path of the file.
 */
export function bundled(entry: string): string {
  const folder = join(root, 'node_modules', '.cache', 'mosaik-test')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, basename(entry).replace(/\.ts$/, `-${process.pid}.mjs`))
  const { status, stderr } = spawnSync(
    join(root, 'node_modules', '.bin', 'esbuild'),
    [
      entry,
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--packages=external',
      '--conditions=mosaik-source',
      '--log-level=warning',
      `--outfile=${file}`,
    ],
    { cwd: root, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`${entry} could not be bundled: ${stderr}`)
  return file
}
