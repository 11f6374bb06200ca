// Durable entries per second of one group, beside a bare file that is appended to.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { murmurChain, type Entry } from '#framework/groups/raft'
import { openLmdbStorages, type StorageProvider } from '#framework/groups/storage'
import { digestOf, systemRandom } from '#framework/primitives'
import { type Benchmark, median, spread, table } from './benchmark.ts'

const writerCounts = [1, 16, 256, 2_048]
const measureMs = 1_000
const warmUpMs = 300
const restoredCount = 100_000
const payload = new Uint8Array(128).fill(7)

/** Something that makes entries durable one by one. */
interface Log extends AsyncDisposable {
  append(entry: Entry): Promise<void>
}

interface Sample {
  readonly perSecond: number
  readonly medianMs: number
}

export const benchmark: Benchmark = {
  method: `Entries of ${payload.byteLength} B, each in a write of its own, by so many writers that each wait until theirs is durable, for ${measureMs} ms: a group in LMDB, and a file to which everything that waits is appended with one fdatasync. In turn, in the same folder (BENCH_FOLDER, or node_modules/.cache here). The storage is then opened again with ${restoredCount} entries, all of which it checks.`,
  runs: 5,
  async run({ runs, say }) {
    const logs = { lmdb: openLmdb, file: openFile }
    const rows = [['writers', 'lmdb /s', 'p50 ms', 'file /s', 'p50 ms', 'lmdb of file']]
    const results = []
    for (const writers of writerCounts) {
      const samples: Record<keyof typeof logs, Sample[]> = { lmdb: [], file: [] }
      for (let run = 0; run < runs; run++) {
        for (const name of ['lmdb', 'file'] as const) {
          samples[name].push(await inFolder(async (folder) => measure(await logs[name](folder), writers)))
        }
      }
      results.push({ writers, ...samples })
      const perSecond = (name: keyof typeof logs): number[] => samples[name].map((sample) => sample.perSecond)
      const milliseconds = (name: keyof typeof logs): string =>
        spread(
          samples[name].map(({ medianMs }) => medianMs),
          2,
        )
      rows.push([
        String(writers),
        spread(perSecond('lmdb')),
        milliseconds('lmdb'),
        spread(perSecond('file')),
        milliseconds('file'),
        `${Math.round((100 * median(perSecond('lmdb'))) / median(perSecond('file')))} %`,
      ])
    }
    const restoreMs: number[] = []
    for (let run = 0; run < runs; run++) restoreMs.push(await inFolder(measureRestore))
    say(table(rows))
    say(`\n${restoredCount} entries opened and checked: ${spread(restoreMs)} ms`)
    return { results, restoreMs }
  },
}

async function measure(log: Log, writers: number): Promise<Sample> {
  await using _ = log
  const next = entrySource()
  let latencies: number[] = []
  let isOver = false
  const write = async (): Promise<void> => {
    while (!isOver) {
      const startedAt = performance.now()
      await log.append(next())
      latencies.push(performance.now() - startedAt)
    }
  }
  const writing = Promise.all(Array.from({ length: writers }, write))
  await sleep(warmUpMs)
  latencies = []
  const startedAt = performance.now()
  await sleep(measureMs)
  const seconds = (performance.now() - startedAt) / 1_000
  const measured = latencies
  isOver = true
  const perSecond = measured.length / seconds
  const medianMs = median(measured)
  await writing
  return { perSecond, medianMs }
}

async function measureRestore(folder: string): Promise<number> {
  {
    await using storages = await openStorages(folder)
    const { storage } = await storages.open(digestOf('bench'))
    const next = entrySource()
    for (let written = 0; written < restoredCount; written += 1_000) {
      await storage.write({ entries: Array.from({ length: 1_000 }, next) })
    }
  }
  const startedAt = performance.now()
  await using storages = await openStorages(folder)
  const { restored } = await storages.open(digestOf('bench'))
  if (restored.entries.length !== restoredCount)
    throw new Error(`${restored.entries.length} entries came back`)
  return performance.now() - startedAt
}

/** Entries one after the other, as a leader makes them. */
function entrySource(): () => Entry {
  let index = 0
  let hash = 0
  return () => {
    index++
    const fields = {
      index,
      term: 1,
      kind: 'command' as const,
      commandCount: 1,
      applicationIndex: index,
      timestampMs: 1e12,
      payload,
    }
    hash = murmurChain.next(hash, fields)
    return { ...fields, hash }
  }
}

function openStorages(folder: string): Promise<StorageProvider> {
  return openLmdbStorages({ folder, random: systemRandom, hasher: murmurChain })
}

async function openLmdb(folder: string): Promise<Log> {
  const storages = await openStorages(folder)
  const { storage } = await storages.open(digestOf('bench'))
  return {
    append: (entry) => storage.write({ entries: [entry] }),
    [Symbol.asyncDispose]: () => storages.close(),
  }
}

/** The least that a log can do: what waits is written and synced together, without checksums and without an index. */
async function openFile(folder: string): Promise<Log> {
  const file = await open(join(folder, 'log'), 'a')
  let waiting: { readonly entry: Entry; readonly resolve: () => void }[] = []
  let isSyncing = false
  const sync = async (): Promise<void> => {
    isSyncing = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await file.appendFile(Buffer.concat(batch.map(({ entry }) => entry.payload)))
      await file.datasync()
      for (const { resolve } of batch) resolve()
      // Who was told writes again in this turn, and is to share the next sync.
      await new Promise((resolve) => setImmediate(resolve))
    }
    isSyncing = false
  }
  return {
    append: (entry) =>
      new Promise((resolve) => {
        waiting.push({ entry, resolve })
        if (!isSyncing) setImmediate(() => void (isSyncing || sync()))
      }),
    [Symbol.asyncDispose]: () => file.close(),
  }
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const parent = process.env.BENCH_FOLDER ?? join(process.cwd(), 'node_modules', '.cache')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'group-storage-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
