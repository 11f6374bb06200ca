import { spawnSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { folderWith, mosaik, repository } from '../support/mosaik-process.js'

describe('mosaik key', () => {
  test('new makes a key that only its owner may read, show says whose it is, and nothing is overwritten', async () => {
    await using folder = await folderWith({})
    const file = folder.file('identity.key')
    const made = await mosaik(['key', 'new', file, '--json'])
    expect(made).toEqual({ code: 0, stdout: expect.any(String), stderr: '' })
    const document = JSON.parse(made.stdout) as Record<string, string>
    expect(document).toEqual({
      file,
      peer: expect.stringMatching(/^[0-9a-f]{64}$/),
      libp2p: expect.stringMatching(/^12D3Koo/),
    })
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const key = await readFile(file, 'utf8')
    const again = await mosaik(['key', 'new', file])
    expect(again).toEqual({ code: 1, stdout: '', stderr: expect.stringContaining('(IDENTITY_KEY_EXISTS)') })
    expect(await readFile(file, 'utf8')).toBe(key)

    // A folder stands for the key that a node keeps in it.
    const shown = await mosaik(['key', 'show', folder.path])
    expect(shown.stdout).toBe(`peer    ${document['peer']}\nlibp2p  ${document['libp2p']}\n`)
  })

  test('new --seed-file makes the same key of the same text, and needs no file for it', async () => {
    await using folder = await folderWith({})
    const peers = ['a.key', 'b.key'].map((name) => {
      const { stdout } = spawnSync(
        process.execPath,
        [join(repository, 'bin/mosaik.js'), 'key', 'new', folder.file(name), '--seed-file', '-', '--json'],
        { input: 'correct horse battery staple\n', encoding: 'utf8' },
      )
      return (JSON.parse(stdout) as { peer: string }).peer
    })
    expect(peers[0]).toBe('ba07e522b6bb2ea53f77de538c372f60dd7032dd942d0219429b1a9b98137cc0')
    expect(peers[1]).toBe(peers[0])
  })

  test.each([
    [['show', 'nowhere.key'], 1, /there is no such key file \(IDENTITY_KEY_MISSING\)/],
    [['new', 'x.key', '--seed', 'ab'.repeat(30)], 1, /command line.*\(SEED_TEXT_IS_KEY\)/s],
    [['new', '/nowhere/x.key'], 1, /\(IDENTITY_KEY_UNWRITABLE\)/],
    [['new'], 2, /missing required argument/],
    [['make', 'x.key'], 2, /unknown command/],
  ])('%j is refused', async (args, code, message) => {
    await using folder = await folderWith({})
    const run = await mosaik(['key', ...args], { cwd: folder.path })
    expect(run.stderr).toMatch(message)
    expect(run.code).toBe(code)
  })
})
