// A process that appends entries until it is killed, and says which ones are durable. Run by crash.test.ts.
import { writeSync } from 'node:fs'
import { systemClock, systemRandom } from '#framework/primitives'
import { LmdbStorages } from '../../../framework/groups/storage/lmdb/lmdb-storages.js'
import { entriesBehind, group, hasher } from './logs.js'

const WRITERS = 32

const [folder] = process.argv.slice(2)
const storages = await LmdbStorages.open({
  folder: folder!,
  clock: systemClock,
  random: systemRandom,
  hasher,
})
const { storage, restored } = await storages.open(group)
let last = restored.entries.at(-1)

async function append(): Promise<never> {
  for (;;) {
    const [entry] = entriesBehind(last, [`command ${(last?.index ?? 0) + 1}`])
    last = entry!
    await storage.write({
      entries: [entry!],
      hardState: { clusterId: undefined, term: entry!.index, votedFor: undefined },
    })
    // At once, and not when the event loop gets to it: what was said before the process ended counts.
    writeSync(1, `${entry!.index}\n`)
  }
}

await Promise.all(Array.from({ length: WRITERS }, append))
