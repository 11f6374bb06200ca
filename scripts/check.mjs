// Everything about the code that can be judged without running it. All steps run, so that one run shows all there is to mend.
import { spawnSync } from 'node:child_process'

const bin = (name) => `node_modules/.bin/${name}`
const steps = [
  ['types', bin('tsc'), ['-p', '.']],
  ['lint', bin('oxlint'), []],
  ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
  ['import directions', process.execPath, ['scripts/check-imports.mjs']],
  ['unused code', bin('knip'), []],
  ['manifest schema', process.execPath, ['scripts/generate-schema.mjs', '--check']],
]

let failed = 0
for (const [name, command, args] of steps) {
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
