import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bundle } from '../run/bundle.js'
import { SimThread } from '../run/thread.js'
import type { Job } from '../run/job.js'

const members = 'production'
const timeoutMs = 120_000 * Number(process.env.TIME_FACTOR ?? 1)

/** One for all, so that whatever a world leaves behind in the code makes the next run of a seed another one. */
let thread: SimThread

beforeAll(async () => {
  thread = new SimThread(await bundle())
})

afterAll(() => thread[Symbol.asyncDispose]())

test(
  'two runs of a seed do the same, event by event',
  async () => {
    const job: Job = { seed: 2, minutes: 0.5, fault: undefined, members }
    const first = await thread.run(job)
    expect(await thread.run(job)).toEqual(first)
    expect(first.eventCount).toBeGreaterThan(500)
  },
  timeoutMs,
)

test(
  'two seeds of two simulated minutes break no invariant',
  async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const { violation, completedCount } = await thread.run({ seed, minutes: 2, fault: undefined, members })
      expect(violation).toBeUndefined()
      expect(completedCount).toBeGreaterThan(20)
    }
  },
  timeoutMs,
)

test.each([
  // Members that lose power together, and again while they give way: what one has acknowledged the others have not applied.
  ['islands', 12],
  // Of two voters the one that leads is left, and leads nobody.
  ['reform', 85],
] as const)(
  'a world about %s breaks no invariant',
  async (story, seed) => {
    const job: Job = { seed, minutes: 1, fault: undefined, members, story }
    const { violation, completedCount } = await thread.run(job)
    expect(violation).toBeUndefined()
    expect(completedCount).toBeGreaterThan(20)
  },
  timeoutMs,
)

describe('every bug that is planted around the member is found, in a world that is fine without it', () => {
  /** Some times the seeds that are needed, for the day when members draw other numbers. */
  const seedsMax = 60

  // With a seed that shows it as members are now, which is tried first.
  test.each([
    ['does-not-sync', 2],
    ['forgets-hard-state', 6],
    ['reuses-incarnation', 12],
    ['cuts-off-corruption', 4],
    ['snapshot-forgets-sessions', 1],
    ['answers-when-appended', 1],
    ['loses-ticks-in-pause', 17],
    ['discards-silently', 1],
    ['machine-survives-merge', 1],
    ['reform-ignores-log-ends', 15],
    ['reform-keeps-only-committed', 5],
  ])(
    '%s',
    async (fault, likelySeed) => {
      const seeds = Array.from({ length: seedsMax }, (_, i) => i + 1)
      for (const seed of [likelySeed, ...seeds]) {
        const job: Job = { seed, minutes: 1, fault, members }
        if ((await thread.run(job)).violation === undefined) continue
        const control = await thread.run({ ...job, isControl: true })
        expect(control.violation).toBeUndefined()
        return
      }
      throw new Error(`${fault} shows in none of ${seedsMax} seeds`)
    },
    timeoutMs,
  )
})
