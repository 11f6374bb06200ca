import { execFileSync } from 'node:child_process'

/** Runs once before all suites: process tests start the real, built command line. */
export default function build(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    cwd: new URL('../..', import.meta.url),
    stdio: 'inherit',
  })
}
