import { chmod } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { codeOf } from '#framework/primitives'
import { readSecret } from '../../cli/secrets.js'
import { seedFromText } from '../../cli/seed-text.js'
import { folderWith } from '../support/mosaik-process.js'

const secret = 'correct horse battery staple'

async function failureOf(promise: Promise<unknown>): Promise<{ code: string | undefined; message: string }> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (cause: unknown) => cause as Error,
  )
  return { code: codeOf(error), message: error.message }
}

describe('a secret', () => {
  test('given a file that only its owner may read, is its text without the line break', async () => {
    await using folder = await folderWith({ 'a.secret': `${secret}\n` })
    await chmod(folder.file('a.secret'), 0o600)
    expect(await readSecret({ file: folder.file('a.secret') })).toBe(secret)
  })

  test('given nowhere to look, is none', async () => {
    expect(await readSecret({})).toBeUndefined()
  })

  test.each([
    ['a file that others may read', secret, 0o644, 'SECRET_FILE_EXPOSED'],
    ['an empty file', ' \n', 0o600, 'SECRET_EMPTY'],
    ['a file that is no secret', 'x'.repeat(5_000), 0o600, 'SECRET_TOO_LONG'],
  ])('given %s, is refused and not repeated', async (_given, text, mode, code) => {
    await using folder = await folderWith({ 'a.secret': text })
    await chmod(folder.file('a.secret'), mode)
    const failure = await failureOf(readSecret({ file: folder.file('a.secret') }))
    expect(failure.code).toBe(code)
    expect(failure.message).not.toContain(secret)
  })

  test('given a file that is not there, says so', async () => {
    const failure = await failureOf(readSecret({ file: '/nowhere/a.secret' }))
    expect(failure).toEqual({
      code: 'SECRET_FILE_UNREADABLE',
      message: '/nowhere/a.secret: there is no such file',
    })
  })

  test('given a variable that is not set, says which', async () => {
    const failure = await failureOf(readSecret({ env: 'MOSAIK_TEST_UNSET' }))
    expect(failure.code).toBe('SECRET_ENV_UNSET')
    expect(failure.message).toContain('MOSAIK_TEST_UNSET')
  })
})

describe('the seed of a text', () => {
  test('is the same for ever, however its letters are composed', async () => {
    const seed = Buffer.from(await seedFromText('correct horse battery é')).toString('hex')
    expect(seed).toBe('039b0347c860ae2ddd02b01d574d45d8cc8d8efa988aa31bf4d33a71adfd964a')
    expect(Buffer.from(await seedFromText('correct horse battery e\u0301')).toString('hex')).toBe(seed)
  })

  test.each([
    ['too short', 'SEED_TEXT_SHORT'],
    ['ab'.repeat(32), 'SEED_TEXT_IS_KEY'],
    ['ab'.repeat(31), 'SEED_TEXT_IS_KEY'],
  ])('given %s, is refused', async (text, code) => {
    const failure = await failureOf(seedFromText(text))
    expect(failure.code).toBe(code)
    expect(failure.message).not.toContain(text)
  })
})
