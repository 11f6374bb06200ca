import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { mosaik, repository } from '../support/mosaik-process.js'

const run = promisify(execFile)

test('hello runs as processes', async () => {
  const { code, stdout } = await mosaik(['up', 'apps/hello/mosaik.yaml', '--for', '5s'], { cwd: repository })
  expect(stdout).toMatch(/^listener-\d │ hello \d+$/m)
  expect(code).toBe(0)
})

test('hello runs in one process, and the process ends by itself', async () => {
  const { stdout } = await run(
    process.execPath,
    ['--import', 'mosaik/register', 'apps/hello/one-process.ts'],
    {
      cwd: repository,
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  )
  expect(stdout).toContain('every declared edge is up')
  expect(stdout).toContain('hello 1')
})

test('the README shows the hello app and the telemetry graph as they are', async () => {
  const readme = await readFile(join(repository, 'README.md'), 'utf8')
  for (const file of ['apps/hello/hello.ts', 'apps/hello/mosaik.yaml']) {
    expect(readme).toContain((await readFile(join(repository, file), 'utf8')).trim())
  }
  const { stdout } = await mosaik(['graph', 'apps/telemetry/mosaik.yaml'], { cwd: repository })
  expect(readme).toContain(stdout.trim())
})
