import { spawnSync } from 'node:child_process'

/**
 * Runs once before all suites: process tests start the real, built command line. The compiler writes its output whether
 * types fit or not, and judging them is `npm run check`'s business, so a test can be run while types are still wrong.
 */
export default function build(): void {
  if (!process.execArgv.includes('--experimental-vm-modules')) {
    throw new Error('jest needs ES modules: run "npm test", or "npm test -- <file or name>"')
  }

  const { error } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
    {
      cwd: new URL('../..', import.meta.url),
      stdio: 'inherit',
    },
  )
  if (error !== undefined) throw error
}
