// What a manifest says of groups, with the secrets that it refers to.
import { chmod } from 'node:fs/promises'
import { afterEach, expect, test } from '@jest/globals'
import { GroupKey } from '#framework/groups'
import { groupSettingsOf } from '../../cli/group-settings.js'
import { folderWith } from '../support/mosaik-process.js'

const hex = '8f3a1c5e7b9d2f4061738495a6b7c8d9e0f1122334455667788990aabbccddee'
const order = { manifest: '/project/mosaik.yaml', founders: {} }
const variable = 'GROUP_SETTINGS_TEST_KEY'

afterEach(() => {
  delete process.env[variable]
})

test('given a key in a variable, it is that key', async () => {
  process.env[variable] = hex
  const groups = [
    { name: 'book', voters: 3, storage: 'memory' as const, evictAfterMs: 5_000, key: { env: variable } },
  ]
  const { book } = await groupSettingsOf(order, { network: 'n', groups }, undefined)
  expect(book).toEqual({
    voters: 3,
    storage: 'memory',
    evictAfterMs: 5_000,
    key: expect.any(GroupKey),
  })
  expect(book?.key?.toHex()).toBe(hex)
})

test('given a key that was mistyped, it is refused and not repeated, and never taken for a passphrase', async () => {
  process.env[variable] = `${hex.slice(1)}x`
  const groups = [{ name: 'book', key: { env: variable } }]
  const settings = groupSettingsOf(order, { network: 'n', groups }, undefined)
  await expect(settings).rejects.toMatchObject({ code: 'GROUP_KEY_INVALID' })
  await expect(settings).rejects.not.toThrow(hex.slice(1, 20))
})

test('given a passphrase in a file, the same one gives another key for another group or network', async () => {
  await using folder = await folderWith({ 'phrase.secret': 'correct horse battery\n' })
  await chmod(`${folder.path}/phrase.secret`, 0o600)
  const passphrase = { file: './phrase.secret' }
  const keysOf = async (network: string) => {
    const groups = [
      { name: 'book', passphrase },
      { name: 'log', passphrase },
    ]
    const place = { manifest: `${folder.path}/mosaik.yaml`, founders: {} }
    const settings = await groupSettingsOf(place, { network, groups }, undefined)
    return [settings['book']?.key?.toHex(), settings['log']?.key?.toHex()]
  }
  const [first, again, other] = [await keysOf('n'), await keysOf('n'), await keysOf('m')]
  expect(again).toEqual(first)
  expect(new Set([...first, ...other]).size).toBe(4)
})

test('given founders, a closed network knows them by their ids and an open one how many they are', async () => {
  const founders = { book: [0, 1, 2].map((replica) => ({ node: 'matcher', replica })) }
  const place = { ...order, founders }
  const open = await groupSettingsOf(place, { network: 'n' }, undefined)
  expect(open['book']).toEqual({ founding: { type: 'expect', count: 3 } })
  const closed = await groupSettingsOf(place, { network: 'n' }, 'c7a09b3d4c5e8f6a7b8c9d0e1f2a3b4d')
  expect(closed['book']?.founding).toMatchObject({ type: 'declared', founders: { length: 3 } })
})
