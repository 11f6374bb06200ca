import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { codeOf, digestOf, seededRandom } from '#framework/primitives'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import { timingOf } from '../../../framework/groups/bond/group-timing.js'

const key = GroupKey.random(seededRandom('a key'))

describe('W-B6: the key of a group', () => {
  test('given a key, then however it is printed, what shows is not the key but a name for it', () => {
    const shown = [
      String(key),
      `it is ${String(key)}`,
      JSON.stringify({ key }),
      inspect({ key }),
      inspect(key, { showHidden: true }),
    ]
    for (const text of shown) {
      expect(text).toMatch(/GroupKey\([0-9a-f]{10}\)/)
      expect(text).not.toContain(key.toHex().slice(0, 10))
    }
    expect(String(GroupKey.fromHex(key.toHex()))).toBe(String(key))
    expect(String(GroupKey.random())).not.toBe(String(key))
  })

  test.each<[string, () => GroupKey, string]>([
    ['text that is no key', () => GroupKey.fromHex('my secret group'), 'GROUP_KEY_INVALID'],
    ['a digit too few', () => GroupKey.fromHex(key.toHex().slice(1)), 'GROUP_KEY_INVALID'],
    ['31 bytes', () => GroupKey.fromBytes(new Uint8Array(31)), 'GROUP_KEY_INVALID'],
    ['32 zeros', () => GroupKey.fromBytes(new Uint8Array(32)), 'GROUP_KEY_WEAK'],
    ['a repeated word', () => GroupKey.fromHex('deadbeef'.repeat(8)), 'GROUP_KEY_WEAK'],
  ])('given %s, then it is refused, and the error does not repeat it', (_, make, code) => {
    const error = thrownBy(make)
    expect(codeOf(error)).toBe(code)
    expect(String(error)).not.toMatch(/secret group|deadbeef/)
  })

  test('given bytes that their owner changes afterwards, then the key is as it was', () => {
    const bytes = seededRandom('bytes').bytes(32)
    const made = GroupKey.fromBytes(bytes)
    const before = made.toHex()
    bytes.fill(0)
    expect(made.toHex()).toBe(before)
  })

  test('given a passphrase, then the key is the same for the same passphrase and salt alone, and not a hash of it', async () => {
    const [a, again, elsewhere] = await Promise.all([
      GroupKey.fromPassphrase('correct horse battery', { salt: 'book' }),
      GroupKey.fromPassphrase('correct horse battery', { salt: 'book' }),
      GroupKey.fromPassphrase('correct horse battery', { salt: 'other' }),
    ])
    expect(again.toHex()).toBe(a.toHex())
    expect(elsewhere.toHex()).not.toBe(a.toHex())
    expect(a.toHex()).not.toBe(digestOf('correct horse battery'))
  })

  test('given a short passphrase, then it is refused', async () => {
    await expect(GroupKey.fromPassphrase('hunter2', { salt: 'book' })).rejects.toMatchObject({
      code: 'GROUP_KEY_WEAK',
    })
  })
})

describe('W-B10: the times of a group', () => {
  test.each([
    ['no jitter at all', { heartbeatJitterMs: 0, electionJitterMs: 0 }],
    ['one missed heartbeat', { missedHeartbeatsMax: 1 }],
  ])('given %s, then that is fine', (_, changes) => {
    expect(timingOf(changes)).toMatchObject(changes)
  })

  test.each([
    ['heartbeatIntervalMs', { heartbeatIntervalMs: 0 }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: 1.5 }],
    ['heartbeatJitterMs', { heartbeatJitterMs: -1 }],
    ['heartbeatJitterMs', { heartbeatJitterMs: 500 }],
    ['missedHeartbeatsMax', { missedHeartbeatsMax: 0 }],
    ['electionTimeoutMs', { electionTimeoutMs: NaN }],
    ['electionTimeoutMs', { electionTimeoutMs: 999 }],
    ['electionJitterMs', { electionJitterMs: Infinity }],
  ])('given a %s that makes no sense, then it is refused by name', (name, changes) => {
    expect(thrownBy(() => timingOf(changes))).toMatchObject({
      code: 'GROUP_TIMING_INVALID',
      details: { name },
    })
  })
})

function thrownBy(fn: () => unknown): unknown {
  try {
    fn()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
