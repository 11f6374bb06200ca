import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isMosaikError, seededRandom } from '#framework/primitives'
import { SimDisk, type CrashLoss } from './disk.js'

const random = seededRandom('disk')
const byteEach = (): number => 1

function diskWith(synced: readonly string[], unsynced: readonly string[] = []): SimDisk<string> {
  const disk = new SimDisk<string>()
  disk.append(synced, byteEach)
  disk.sync()
  disk.append(unsynced, byteEach)
  return disk
}

function codeOfThrown(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return isMosaikError(error) ? error.code : String(error)
  }
}

describe('a crash', () => {
  test('of the process alone loses nothing', () => {
    const disk = diskWith(['a'], ['b', 'c'])
    disk.crash('none', random)
    expect(disk.recover()).toEqual(['a', 'b', 'c'])
  })

  test('of the machine loses some of what was not synced, from the end, and nothing that was', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 100; i++) {
      const disk = diskWith(['a', 'b'], ['c', 'd'])
      disk.crash('unsynced', random)
      seen.add(disk.recover().join(''))
    }
    expect([...seen].sort()).toEqual(['ab', 'abc'])
  })

  test('may tear the first of the records that are lost, which recovery cuts off', () => {
    const disk = diskWith(['a'], ['b'])
    disk.crash('torn', random)
    expect(disk.usedBytes).toBe(2)
    expect(disk.recover()).toEqual(['a'])
    expect(disk.usedBytes).toBe(1)
  })

  test('before a replacement was synced leaves the old records', () => {
    const disk = diskWith(['a', 'b'])
    disk.replace(['c'], byteEach)
    disk.crash('torn', random)
    expect(disk.recover()).toEqual(['a', 'b'])
  })

  test('after a replacement was synced leaves the new records', () => {
    const disk = diskWith(['a', 'b'])
    disk.replace(['c'], byteEach)
    disk.sync()
    disk.crash('torn', random)
    expect(disk.recover()).toEqual(['c'])
  })
})

test('a sync of some writes leaves the rest unsynced', () => {
  const disk = diskWith([], ['a', 'b', 'c'])
  disk.sync(2)
  expect(disk.unsyncedCount).toBe(1)
  disk.crash('unsynced', random)
  expect(disk.recover()).toEqual(['a', 'b'])
})

describe('a full disk', () => {
  test('refuses the whole batch, keeps what it has, and takes it again when there is space', () => {
    const disk = diskWith(['a'])
    disk.setCapacity(2)
    expect(codeOfThrown(() => disk.append(['b', 'c'], byteEach))).toBe('DISK_FULL')
    expect(disk.unsyncedCount).toBe(0)
    disk.setCapacity(3)
    disk.append(['b', 'c'], byteEach)
    disk.sync()
    expect(disk.recover()).toEqual(['a', 'b', 'c'])
  })

  test('has no room for a replacement beside what is to be replaced', () => {
    const disk = diskWith(['a', 'b'])
    disk.setCapacity(2)
    expect(codeOfThrown(() => disk.replace(['c'], byteEach))).toBe('DISK_FULL')
    expect(disk.recover()).toEqual(['a', 'b'])
  })
})

test('a flipped bit is noticed', () => {
  const disk = diskWith(['a', 'b'])
  expect(disk.flipBit(random)).toBe(true)
  expect(codeOfThrown(() => disk.recover())).toBe('DISK_CORRUPT')
})

test('there is no bit to flip on an empty disk', () => {
  expect(new SimDisk<string>().flipBit(random)).toBe(false)
})

test('whatever is written and crashes: what was synced survives, and nothing comes out that was not written', () => {
  const action = fc.oneof(
    fc.constant('append' as const),
    fc.constant('sync' as const),
    fc.constantFrom<CrashLoss>('none', 'unsynced', 'torn'),
  )
  fc.assert(
    fc.property(fc.array(action), fc.nat(), (actions, seed) => {
      const disk = new SimDisk<number>()
      const chance = seededRandom(seed)
      let written: number[] = []
      let syncedCount = 0
      for (const [i, action] of actions.entries()) {
        if (action === 'append') {
          disk.append([i], byteEach)
          written.push(i)
        } else if (action === 'sync') {
          disk.sync()
          syncedCount = written.length
        } else {
          disk.crash(action, chance)
          const recovered = disk.recover()
          expect(recovered).toEqual(written.slice(0, recovered.length))
          expect(recovered.length).toBeGreaterThanOrEqual(action === 'none' ? written.length : syncedCount)
          written = recovered
          syncedCount = recovered.length
        }
      }
    }),
  )
})
