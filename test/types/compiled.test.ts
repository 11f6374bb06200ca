import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '../..')

test('given the project that is type-checked, it contains every file of type tests', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', root, '--showConfig'],
    { maxBuffer: 16 * 2 ** 20 },
  )
  const { files: named } = JSON.parse(stdout) as { readonly files: readonly string[] }
  const compiled = new Set(named.map((file) => join(root, file)))
  const files = globSync('test/{types,*/fixtures}/*.ts', { cwd: root }).map((file) => join(root, file))
  expect(files).toContain(join(root, 'test/types/streams.ts'))
  expect(files.filter((file) => !compiled.has(file))).toEqual([])
})
