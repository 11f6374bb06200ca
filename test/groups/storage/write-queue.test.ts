import { expect, test } from '@jest/globals'
import { ManualClock, encodeUtf8, nextTurn } from '#framework/primitives'
import type { RecordChange } from '../../../framework/groups/storage/records/record-change.js'
import { WriteQueue } from '../../../framework/groups/storage/lmdb/write-queue.js'

/** What was committed together, by the first byte of each value, and what has ended. */
class Written {
  readonly clock = new ManualClock()
  readonly commits: string[] = []
  readonly ended: string[] = []
  fails = false
  readonly queue = new WriteQueue({
    folder: 'somewhere',
    clock: this.clock,
    commitBytesMax: 1024 * 1024,
    commit: async (changes) => {
      if (this.fails) throw new Error('no')
      this.commits.push(changes.map(({ key }) => Buffer.from(key).toString()).join(''))
    },
  })

  enqueue(name: string, { mayWait = false, bytes = 1 } = {}): void {
    const change: RecordChange = { key: encodeUtf8(name), value: new Uint8Array(bytes) }
    const onEnded = (failure: unknown): void => void this.ended.push(failure ? `${name} failed` : name)
    this.queue.enqueue([change], onEnded, mayWait)
  }
}

test('given writes that nobody waits for, when nothing else is written, then they are written together a little later', async () => {
  const written = new Written()
  written.enqueue('a', { mayWait: true })
  written.clock.advance(10)
  written.enqueue('b', { mayWait: true })
  await nextTurn()
  expect(written.commits).toEqual([])
  written.clock.advance(10)
  await nextTurn()
  expect(written.commits).toEqual(['ab'])
  expect(written.ended).toEqual(['a', 'b'])
})

test('given a write that nobody waits for, when there is one that somebody waits for, then both are written at once, in their order', async () => {
  const written = new Written()
  written.enqueue('a', { mayWait: true })
  written.enqueue('b')
  written.enqueue('c', { mayWait: true })
  await nextTurn()
  expect(written.commits).toEqual(['abc'])
  written.enqueue('d', { mayWait: true })
  await nextTurn()
  expect(written.commits).toEqual(['abc'])
  written.clock.advance(20)
  await nextTurn()
  expect(written.commits).toEqual(['abc', 'd'])
})

test('given more than is committed at a time, when it is written, then all of it is, one part after the other', async () => {
  const written = new Written()
  for (const name of ['a', 'b', 'c']) written.enqueue(name, { bytes: 600_000 })
  await written.queue.idle()
  expect(written.commits).toEqual(['a', 'b', 'c'])
})

test('given writes that nobody waits for, when they become many bytes, then they are not put off', async () => {
  const written = new Written()
  written.enqueue('a', { mayWait: true, bytes: 200_000 })
  written.enqueue('b', { mayWait: true, bytes: 200_000 })
  await nextTurn()
  expect(written.commits).toEqual(['ab'])
})

test('given a write that nobody waits for, when the queue is to become idle, then it is written at once', async () => {
  const written = new Written()
  written.enqueue('a', { mayWait: true })
  await written.queue.idle()
  expect(written.ended).toEqual(['a'])
  await written.queue.idle()
  expect(written.commits).toEqual(['a'])
})

test('given a write that nobody waits for, when the one that it is written with fails, then it has failed too, and others go on', async () => {
  const written = new Written()
  written.fails = true
  written.enqueue('a', { mayWait: true })
  written.enqueue('b')
  await written.queue.idle()
  expect(written.ended).toEqual(['a failed', 'b failed'])
  written.fails = false
  written.enqueue('c', { mayWait: true })
  written.clock.advance(20)
  await written.queue.idle()
  expect(written.commits).toEqual(['c'])
})
