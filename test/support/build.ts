import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { packagesFolder } from './packages.ts'

/** The exit code of a build that only the types have something against. */
const typesDoNotFit = 1

/**
 * Runs once before all suites: process tests start the real, built command line. What is built runs whether types fit or
 * not, and judging them is `npm run check`'s business, so a test can be run while types are still wrong.
 */
export default function build(): void {
  if (!process.execArgv.includes('--experimental-vm-modules')) {
    throw new Error('jest needs ES modules: run "npm test", or "npm test -- <file or name>"')
  }

  const status = run('scripts/build.mjs')
  if (status !== 0 && status !== typesDoNotFit) throw new Error('dist/ could not be built')
  if (!existsSync(packagesFolder) && run('test/support/bundle-packages.ts') !== 0) {
    throw new Error('the packages that tests import could not be bundled')
  }
}

function run(script: string): number | null {
  const { error, status } = spawnSync(process.execPath, [script], {
    cwd: new URL('../..', import.meta.url),
    stdio: 'inherit',
  })
  if (error !== undefined) throw error
  return status
}
