// Who waits for the disk on the thread of the event loop keeps everything else waiting, so the rules say when nobody minds.
import { describe, expect, test } from '@jest/globals'
import { InlineWrites } from '../../../../framework/groups/storage/journal/inline-writes.js'

const BLOCK = 4096

/** A lone writer: each write is asked for a while after the one before has ended. */
class LoneWriter {
  nowMs = 0
  /** How long the event loop has been idle. */
  idleMs = 0
  syncMs = 0.4
  /** Between two writes, and what of that the event loop is idle. */
  pauseMs = 0.6
  idleShare = 0.5
  readonly writes = new InlineWrites(() => this.idleMs)

  /** @returns Whether it was inline. */
  write(bytes = BLOCK): boolean {
    this.nowMs += this.pauseMs
    this.idleMs += this.pauseMs * this.idleShare
    const isInline = this.writes.allows(bytes, this.nowMs)
    const startedMs = this.nowMs
    this.nowMs += this.syncMs
    if (!isInline) this.idleMs += this.syncMs
    this.writes.ended({ isInline, startedMs, endedMs: this.nowMs })
    return isInline
  }

  /** How many of so many are inline. */
  writeMany(count: number): number {
    let inlineCount = 0
    for (let number = 0; number < count; number++) if (this.write()) inlineCount++
    return inlineCount
  }
}

function settled(): LoneWriter {
  const writer = new LoneWriter()
  writer.writeMany(100)
  return writer
}

test('given a quick disk, when a lone writer goes on, then its writes are inline once eight have been timed', () => {
  const writer = new LoneWriter()
  expect(writer.writeMany(8)).toBe(0)
  expect(writer.writeMany(1_000)).toBe(1_000)
})

test('given a batch of more than a block, then it is not inline', () => {
  const writer = settled()
  expect(writer.write(2 * BLOCK)).toBe(false)
  expect(writer.write(BLOCK)).toBe(true)
})

test('given a write right behind another one, then it is not inline, so that more can share its sync', () => {
  const writer = settled()
  writer.pauseMs = 0.1
  expect(writer.write()).toBe(false)
  writer.pauseMs = 0.6
  expect(writer.write()).toBe(true)
})

describe('a disk that is not quick', () => {
  test('given three milliseconds for every sync, then none is inline, until it is quick again', () => {
    const writer = settled()
    writer.syncMs = 3
    writer.pauseMs = 5
    writer.writeMany(50)
    expect(writer.writeMany(50)).toBe(0)
    writer.syncMs = 0.4
    expect(writer.writeMany(50)).toBeGreaterThan(30)
  })

  test('given a standstill, then none is inline for ten seconds, and for twice as long after the next one', () => {
    const writer = settled()
    writer.pauseMs = 100
    for (const pausedMs of [10_000, 20_000, 40_000]) {
      writer.syncMs = 25
      expect(writer.write()).toBe(true)
      writer.syncMs = 0.4
      const endMs = writer.nowMs + pausedMs
      while (writer.nowMs < endMs - 102) expect(writer.write()).toBe(false)
      writer.writeMany(5)
      expect(writer.write()).toBe(true)
    }
  })

  test('given that it took another thread as long as a standstill, then inline writes go on when the disk is quick again', () => {
    const writer = settled()
    writer.pauseMs = 0.1
    writer.syncMs = 25
    expect(writer.write()).toBe(false)
    writer.pauseMs = 20
    writer.syncMs = 0.4
    expect(writer.writeMany(100)).toBeGreaterThan(80)
  })

  test('given standstills again and again, then the pause grows to ten minutes at most, and begins anew after a calm time', () => {
    const writer = settled()
    writer.pauseMs = 100
    const pauseAfterStandstill = (): number => {
      writer.syncMs = 25
      expect(writer.write()).toBe(true)
      writer.syncMs = 0.4
      const startMs = writer.nowMs
      while (!writer.write());
      return writer.nowMs - startMs
    }
    let pausedMs = 0
    for (let count = 0; count < 10; count++) pausedMs = pauseAfterStandstill()
    expect(pausedMs).toBeGreaterThan(599_000)
    expect(pausedMs).toBeLessThan(601_000)

    writer.nowMs += 700_000
    writer.idleMs += 700_000
    expect(pauseAfterStandstill()).toBeLessThan(11_000)
  })
})

describe('an event loop that has other things to do', () => {
  test('given that it is nearly never idle, then writes are not inline, until it is', () => {
    const writer = settled()
    writer.idleShare = 0
    writer.pauseMs = 4
    writer.writeMany(20)
    expect(writer.writeMany(100)).toBe(0)
    writer.idleShare = 0.5
    writer.writeMany(20)
    expect(writer.writeMany(100)).toBe(100)
  })

  test('given one task that takes long, then that is not taken for being busy', () => {
    const writer = settled()
    writer.idleShare = 0
    writer.pauseMs = 4
    expect(writer.write()).toBe(true)
  })

  test('given that it is mostly inline writes that keep it from being idle, then they go on', () => {
    const writer = settled()
    writer.syncMs = 0.9
    writer.pauseMs = 0.5
    writer.idleShare = 0.4
    expect(writer.writeMany(1_000)).toBe(1_000)
  })
})
