import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { bundledPackages } from './packages.js'

const root = join(import.meta.dirname, '../..')
const libp2p = /(?:from|import\()\s*'((?:@libp2p|@chainsafe|@multiformats|multiformats|libp2p)(?:\/[^']+)?)'/g

test('given what sources and tests import of libp2p, then it is bundled, so that there is one copy of what it shares', () => {
  const files = globSync('{framework,decorators,manifests,cli,test}/**/*.ts', { cwd: root })
  const imported = files.flatMap((file) =>
    Array.from(readFileSync(join(root, file), 'utf8').matchAll(libp2p), ([, name]) => name!),
  )
  expect(imported).toContain('libp2p')
  expect([...new Set(imported)].filter((name) => !bundledPackages.includes(name))).toEqual([])
})
