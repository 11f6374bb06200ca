import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { encodeUtf8 } from '#framework/primitives'
import type { Entry, HardState, SnapshotFacts } from '../../../framework/groups/raft/types.js'
import type {
  GroupStorage,
  StorageProvider,
  StorageWrite,
} from '../../../framework/groups/storage/storage.js'
import { contentOf, expectEntries, hardState, stage } from './compliance.js'
import { LmdbPlace } from './lmdb-place.js'
import { entriesBehind, factsOf, group } from './logs.js'

const RUNS = 25

/** The plainest storage there is. */
class Model {
  hardState: HardState = { clusterId: undefined, term: 0, votedFor: undefined }
  base: SnapshotFacts | undefined
  entries: Entry[] = []
  snapshot: { facts: SnapshotFacts; text: string } | undefined

  get last(): Entry | SnapshotFacts | undefined {
    return this.entries.at(-1) ?? this.base
  }
}

/** One random operation; numbers are taken as parts of what there is to choose from. */
type Step =
  | { readonly type: 'append'; readonly texts: readonly string[] }
  | { readonly type: 'truncate'; readonly part: number; readonly texts: readonly string[] }
  | { readonly type: 'vote'; readonly term: number }
  | {
      readonly type: 'snapshot'
      readonly part: number
      readonly text: string
      readonly isStagedOnly: boolean
    }
  | { readonly type: 'compact'; readonly part: number }
  | { readonly type: 'install'; readonly ahead: number; readonly text: string }
  | { readonly type: 'reopen' }
  | { readonly type: 'reset' }

const part = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const textsOf = fc.array(fc.string({ maxLength: 60 }), { maxLength: 12 })
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('append' as const), texts: textsOf }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('truncate' as const), part, texts: textsOf }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('vote' as const), term: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('snapshot' as const),
        part,
        text: fc.string(),
        isStagedOnly: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('compact' as const), part }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('install' as const),
        ahead: fc.integer({ min: 1, max: 20 }),
        text: fc.string(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('reopen' as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('reset' as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
)

/** One of the entries behind what the snapshot stands for. */
function chosen(entries: readonly Entry[], at: number): Entry | undefined {
  return entries[Math.floor(at * entries.length)]
}

class Run {
  readonly #place: LmdbPlace
  readonly #model = new Model()
  #provider: StorageProvider | undefined
  #storage: GroupStorage | undefined
  /** Not awaited one by one: they share commits, and are in order all the same. */
  #writes: Promise<void>[] = []
  #term = 1

  constructor(place: LmdbPlace) {
    this.#place = place
  }

  async begin(): Promise<void> {
    this.#provider = await this.#place.open()
    const { storage, restored } = await this.#provider.open(group)
    this.#storage = storage
    const { hardState: expectedState, base, entries, snapshot } = this.#model
    expect(restored.hardState).toEqual(expectedState)
    expect(restored.base).toEqual(base)
    expect(restored.snapshot).toEqual(snapshot?.facts)
    expectEntries(restored.entries, entries)
  }

  async end(): Promise<void> {
    await Promise.all(this.#writes.splice(0))
    await this.#provider?.close()
  }

  async step(step: Step): Promise<void> {
    const model = this.#model
    const removable = model.entries.filter(({ index }) => index > (model.snapshot?.facts.index ?? 0))
    switch (step.type) {
      case 'append': {
        const entries = entriesBehind(model.last, step.texts, { term: this.#term })
        model.entries.push(...entries)
        return this.#write({ entries })
      }
      case 'truncate': {
        const from = chosen(removable, step.part)?.index
        if (from === undefined) return
        this.#term++
        model.entries = model.entries.filter(({ index }) => index < from)
        const entries = entriesBehind(model.last, step.texts, { term: this.#term })
        model.entries.push(...entries)
        return this.#write({ truncateFrom: from, entries })
      }
      case 'vote':
        model.hardState = hardState({ term: step.term })
        return this.#write({ hardState: model.hardState })
      case 'snapshot': {
        const entry = chosen(removable, step.part)
        if (!entry) return
        const snapshot = await stage(this.#storage!, factsOf(entry), encodeUtf8(step.text))
        if (step.isStagedOnly) return
        model.snapshot = { facts: factsOf(entry), text: step.text }
        return this.#write({ snapshot })
      }
      case 'compact': {
        const covered = model.entries.filter(({ index }) => index <= (model.snapshot?.facts.index ?? 0))
        const entry = chosen(covered, step.part)
        if (!entry) return
        model.base = factsOf(entry)
        model.entries = model.entries.filter(({ index }) => index > entry.index)
        return this.#write({ compactTo: model.base })
      }
      case 'install': {
        this.#term++
        const theirs = entriesBehind(
          model.last,
          Array.from({ length: step.ahead }, () => 'theirs'),
          { term: this.#term },
        )
        const facts = factsOf(theirs.at(-1)!)
        const snapshot = await stage(this.#storage!, facts, encodeUtf8(step.text))
        Object.assign(model, { base: facts, entries: [], snapshot: { facts, text: step.text } })
        return this.#write({ snapshot, resetLog: true })
      }
      case 'reopen':
        await this.end()
        return this.begin()
      case 'reset':
        await this.#storage!.reset()
        Object.assign(model, new Model(), { base: undefined, snapshot: undefined })
    }
  }

  async check(): Promise<void> {
    await Promise.all(this.#writes.splice(0))
    const { entries, snapshot } = this.#model
    const first = entries[0]?.index
    if (first !== undefined) {
      expectEntries(
        await this.#storage!.readEntries(first, Number.MAX_SAFE_INTEGER, { bytesMax: Infinity }),
        entries,
      )
    }
    const stored = this.#storage!.currentSnapshot()
    expect(stored?.facts).toEqual(snapshot?.facts)
    if (stored)
      expect(Buffer.from(await contentOf(stored)).toString()).toBe(
        Buffer.from(encodeUtf8(snapshot!.text)).toString(),
      )
  }

  #write(write: StorageWrite): void {
    this.#writes.push(this.#storage!.write(write))
  }
}

describe('a storage and a plain model of it', () => {
  test('given any operations, when it is opened again and again, then both hold the same', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        await using place = await LmdbPlace.make()
        const run = new Run(place)
        await run.begin()
        try {
          for (const step of script) await run.step(step)
          await run.check()
          await run.step({ type: 'reopen' })
          await run.check()
        } finally {
          await run.end()
        }
      }),
      { numRuns: RUNS },
    )
  })
})
