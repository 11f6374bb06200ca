import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FetchPlan, type WantedContent } from '../../framework/discovery/fetch/fetch-plan.js'
import { entryRecord, identityOf, type RecordParts } from './support.js'

const source = identityOf('source').peerId
const other = identityOf('other').peerId

function wanted(name: string, parts: RecordParts = {}): WantedContent {
  return { header: entryRecord(name, parts), heardAtMs: 0, via: 'gossip' }
}

describe('whom to ask', () => {
  test('given those that have handed on a header, then they are asked one after the other, and its author last', () => {
    const plan = new FetchPlan()
    const want = wanted('a')
    plan.want(want, source, 0, 0)
    plan.want(want, other, 0, 0)
    plan.want(want, source, 0, 0)
    const asked: string[] = []
    for (let now = 0; now < 2_000; now += 250) {
      for (const task of plan.start(now)) {
        asked.push(task.source)
        expect(plan.onEnd(task, false, now)).toBe(asked.length < 3)
      }
    }
    expect(asked).toEqual([source, other, want.header.peer])
    expect(plan.wants(want.header.peer, want.header.contentDigest)).toBe(false)
    expect(plan.dueAtMs).toBe(Infinity)
  })

  test('given an author that has handed it on itself, then it is asked once', () => {
    const plan = new FetchPlan()
    const want = wanted('a')
    plan.want(want, want.header.peer, 0, 0)
    const [task] = plan.start(0)
    expect(plan.onEnd(task!, false, 0)).toBe(false)
  })

  test('given more who hand it on than are asked, then the first three are', () => {
    const plan = new FetchPlan()
    for (let i = 0; i < 10; i++) plan.want(wanted('a'), identityOf(`source-${i}`).peerId, 0, 0)
    let count = 0
    for (let now = 0; plan.dueAtMs !== Infinity; now += 250) {
      for (const task of plan.start(now)) {
        count++
        plan.onEnd(task, false, now)
      }
    }
    expect(count).toBe(4)
  })
})

describe('what to ask for', () => {
  test('given signs of life meanwhile, then it is one request, and the latest header is completed', () => {
    const plan = new FetchPlan()
    const [first, beat] = [wanted('a', { run: 1 }), wanted('a', { run: 1, update: 1, beat: 9 })]
    plan.want(first, source, 0, 0)
    const [task] = plan.start(0)
    plan.want(beat, source, 0, 0)
    plan.want(first, source, 0, 0)
    expect(plan.start(0)).toEqual([])
    expect(task!.job.wanted).toBe(beat)
  })

  test('given a later content of the author, then it takes the place of the one before, also while that is asked for', () => {
    const plan = new FetchPlan()
    plan.want(wanted('a', { run: 1, tags: ['x'] }), source, 0, 0)
    const [before] = plan.start(0)
    const later = wanted('a', { run: 1, update: 2, tags: ['y'] })
    plan.want(later, other, 0, 0)
    plan.want(wanted('a', { run: 1, update: 1, tags: ['between'] }), other, 0, 0)
    const [after] = plan.start(0)
    expect(after).toMatchObject({ source: other, job: { wanted: later } })
    expect(plan.onEnd(before!, true, 0)).toBe(true)
    expect(plan.wants(later.header.peer, later.header.contentDigest)).toBe(true)
    expect(plan.onEnd(after!, true, 0)).toBe(true)
    expect(plan.wants(later.header.peer, later.header.contentDigest)).toBe(false)
  })

  test('given a delay, then nobody is asked before', () => {
    const plan = new FetchPlan()
    plan.want(wanted('a'), source, 1_000, 500)
    expect(plan.dueAtMs).toBe(1_500)
    expect(plan.start(1_499)).toEqual([])
    expect(plan.start(1_500)).toHaveLength(1)
  })
})

test('D-4: given any number of large entries and answers, then at most 8 are asked for at a time, 4 of one peer, and at most 256 are wanted, 64 by one peer', () => {
  const headers = Array.from({ length: 400 }, (_, i) => wanted(`peer-${i}`))
  const sources = Array.from({ length: 5 }, (_, i) => identityOf(`source-${i}`).peerId)
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 10, maxLength: 40 }), (answers) => {
      const plan = new FetchPlan()
      expect(headers.filter((want) => plan.want(want, sources[0]!, 0, 0))).toHaveLength(64)
      expect(plan.start(0)).toHaveLength(4)
      // The peer that is asked for as much as it may be holds up nobody, and is not waited for in a loop.
      expect(plan.dueAtMs).toBe(Infinity)
      const left = headers.slice(64).filter((want, i) => plan.want(want, sources[1 + (i % 4)]!, 0, 0))
      expect(left).toHaveLength(256 - 64)
      let now = 0
      const running = plan.start(now)
      expect(running).toHaveLength(4)
      for (const found of answers) {
        expect(running).toHaveLength(4)
        expect(plan.dueAtMs).toBe(Infinity)
        plan.onEnd(running.shift()!, found, now)
        now += 250
        running.push(...plan.start(now))
      }
    }),
    { numRuns: 20 },
  )
})
