// Everything about the code that can be judged without running it. All steps run, so that one run shows all there is to mend.
import { spawnSync } from 'node:child_process'

const bin = (name) => `node_modules/.bin/${name}`
/** @type {readonly { name: string, command: string, args: string[] }[]} */
const steps = [
  { name: 'types', command: bin('tsc'), args: ['-p', '.'] },
  { name: 'lint', command: bin('oxlint'), args: [] },
  { name: 'format', command: bin('prettier'), args: ['--check', '--log-level', 'warn', '.'] },
  { name: 'import directions', command: process.execPath, args: ['scripts/check-imports.mjs'] },
  { name: 'unused code', command: bin('knip'), args: ['--tsConfig', 'tsconfig.build.json'] },
  { name: 'manifest schema', command: process.execPath, args: ['scripts/generate-schema.mjs', '--check'] },
]

let failed = 0
for (const { name, command, args } of steps) {
  const startedAt = performance.now()
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (status === 0) {
    console.log(`ok      ${name} (${seconds} s)`)
  } else {
    failed++
    console.log(`FAILED  ${name} (${seconds} s)\n${stdout}${stderr}`)
  }
}
console.log(failed === 0 ? `${steps.length} checks passed` : `${failed} of ${steps.length} checks failed`)
process.exitCode = failed === 0 ? 0 : 1
