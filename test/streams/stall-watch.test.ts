import { describe, expect, test } from '@jest/globals'
import { StallWatch, type Holder } from '../../framework/streams/producing/stall-watch.js'

class Consumer implements Holder {
  takenMark = 0
}

const nothing = { stalled: [], suspected: [], nextMs: undefined }

describe('a consumer that makes others wait', () => {
  test('and takes nothing is asked after half of the time, and has stalled at its end', () => {
    const watch = new StallWatch<Consumer>(1_000)
    const consumer = new Consumer()
    const holders = [consumer]
    expect(watch.look(0, holders)).toEqual({ stalled: [], suspected: [], nextMs: 500 })
    expect(watch.look(500, holders)).toEqual({ stalled: [], suspected: [consumer], nextMs: 500 })
    // It is asked once.
    expect(watch.look(600, holders)).toEqual({ stalled: [], suspected: [], nextMs: 400 })
    expect(watch.look(1_000, holders)).toEqual({ ...nothing, stalled: [consumer] })
  })

  test('and takes something now and then has all the time again', () => {
    const watch = new StallWatch<Consumer>(1_000)
    const consumer = new Consumer()
    const holders = [consumer]
    watch.look(0, holders)
    for (let nowMs = 900; nowMs < 9_000; nowMs += 900) {
      consumer.takenMark++
      expect(watch.look(nowMs, holders)).toEqual({ stalled: [], suspected: [], nextMs: 500 })
    }
  })

  test('and stops doing so has all the time again when it does so once more', () => {
    const watch = new StallWatch<Consumer>(1_000)
    const consumer = new Consumer()
    watch.look(0, [consumer])
    expect(watch.look(900, [])).toEqual(nothing)
    expect(watch.look(901, [consumer]).nextMs).toBe(500)
    watch.clear()
    expect(watch.look(1_901, [consumer]).stalled).toEqual([])
  })

  test('is judged apart from another one', () => {
    const watch = new StallWatch<Consumer>(1_000)
    const [first, second] = [new Consumer(), new Consumer()]
    watch.look(0, [first])
    expect(watch.look(400, [first, second])).toEqual({ stalled: [], suspected: [], nextMs: 100 })
    expect(watch.look(1_000, [first, second])).toEqual({
      stalled: [first],
      suspected: [second],
      nextMs: 400,
    })
  })

  test('for ever is never given up when there is no limit', () => {
    const watch = new StallWatch<Consumer>(Infinity)
    const holders = [new Consumer()]
    watch.look(0, holders)
    expect(watch.look(1e12, holders)).toEqual(nothing)
  })
})
