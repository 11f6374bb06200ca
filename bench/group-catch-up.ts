// How long a member takes to get, check, store and apply a long log that its leader keeps in storage alone.
import { setImmediate as turn } from 'node:timers/promises'
import type { StateMachine } from '#framework/groups'
import { encodeSessionOpening, encodeSubmission, Member, ReplicatedMachine } from '#framework/groups/member'
import {
  murmurChain,
  type ClusterId,
  type Entry,
  type HashedFields,
  type MemberId,
  type SyncDemand,
} from '#framework/groups/raft'
import { MemoryStorages, type GroupStorage } from '#framework/groups/storage'
import { decodeSync, DEFAULT_SYNC, isRequest, SyncServer, SyncWorker } from '#framework/groups/sync'
import { digestOf, silentLogger, systemClock, systemRandom, type GroupId } from '#framework/primitives'
import { type Benchmark, spread } from './benchmark.ts'

const entryCount = 1_000_000
const commandBytes = 64
const batch = 10_000
const group = digestOf('bench') as GroupId
const clusterId = 'c1'.repeat(16) as ClusterId
const session = '5e'.repeat(16)
const learnerId = 'learner/0' as MemberId
const sourceIds = ['leader/0', 'follower/0'] as MemberId[]
const term = 1

export const benchmark: Benchmark = {
  method: `One process, one thread: two members serve a log of ${entryCount} commands of ${commandBytes} bytes from storage in memory, of which nothing is in the memory of the leader any more, and a third gets it from both at once, over links in memory with all messages as bytes; checks each hash, stores and applies. Until everything is applied. Processor time is that of all three.`,
  runs: 3,
  async run({ runs, say }) {
    await using sources = new MemoryStorages({ random: systemRandom })
    const { storage } = await sources.open(group)
    await fill(storage)
    const samples = []
    for (let run = 0; run < runs; run++) samples.push(await catchUp(storage))
    say(
      `${entryCount} entries: ${spread(
        samples.map(({ seconds }) => seconds),
        1,
      )} s`,
    )
    say(
      `of the processor: ${spread(
        samples.map(({ cpuSeconds }) => cpuSeconds),
        1,
      )} s`,
    )
    say(`memory of the process at most: ${spread(samples.map(({ memoryMiB }) => memoryMiB))} MiB`)
    return samples
  },
}

async function catchUp(stored: GroupStorage): Promise<Sample> {
  await using storages = new MemoryStorages({ random: systemRandom })
  const { storage, restored } = await storages.open(group)
  const machine = new ReplicatedMachine({ groupId: group, factory: () => new Count() })
  const done = Promise.withResolvers<void>()
  let worker: SyncWorker | undefined
  const member = await Member.start({
    id: learnerId,
    storage,
    restored,
    machine,
    clock: systemClock,
    random: systemRandom,
    events: {
      onMessage: () => {},
      onApplied: ({ index }) => index === entryCount && done.resolve(),
      onRestored: () => {},
      onRole: () => {},
      onConfiguration: () => {},
      onSyncRequired: (demand: SyncDemand) => worker?.onSyncRequired(demand),
      onIncident: () => {},
      onEnded: (cause) => done.reject(cause as Error),
    },
  })
  const servers = new Map(
    sourceIds.map((id) => [id, serve(id, stored, (bytes) => worker?.onMessage(id, bytes))]),
  )
  worker = new SyncWorker({
    member,
    storage,
    stateSync: 'log-replay',
    clock: systemClock,
    logger: silentLogger,
    port: {
      members: () => sourceIds,
      send: (to, bytes) => {
        setImmediate(() => servers.get(to)?.(bytes))
        return 'sent'
      },
    },
  })
  const before = process.cpuUsage()
  const startedAt = performance.now()
  let memoryBytes = 0
  const watch = setInterval(() => (memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss)), 50)
  const [leader] = sourceIds
  // The leader says it once; the members of a real group hear it with each heartbeat.
  const ends = { clusterId, from: leader!, to: learnerId, term, round: 1, roundTick: 1 }
  member.step({ ...ends, type: 'sync-required', firstIndex: entryCount + 1, commitIndex: entryCount })
  await done.promise
  clearInterval(watch)
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(before)
  await worker.close()
  member.end(undefined)
  return { seconds, cpuSeconds: (user + system) / 1e6, memoryMiB: memoryBytes / 2 ** 20 }
}

interface Sample {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly memoryMiB: number
}

/** A member that has all entries. What comes back is what takes in a message for it. */
function serve(id: MemberId, storage: GroupStorage, answer: (bytes: Uint8Array) => void) {
  const server = new SyncServer({
    member: {
      clusterId,
      status: { firstIndex: entryCount + 1, commitIndex: entryCount, durableIndex: entryCount },
      holdSnapshot: () => ({ [Symbol.dispose]: () => {} }),
    },
    storage,
    stateSync: 'log-replay',
    settings: DEFAULT_SYNC,
    clock: systemClock,
    logger: silentLogger,
    port: {
      members: () => [learnerId],
      send: (_, bytes) => {
        setImmediate(() => answer(bytes))
        return 'sent'
      },
    },
  })
  return (bytes: Uint8Array): void => {
    const message = decodeSync(bytes)
    if (isRequest(message)) server.onRequest(learnerId, message)
    else throw new Error(`${id} has not asked for anything`)
  }
}

/** A log as a leader makes it. */
async function fill(storage: GroupStorage): Promise<void> {
  let last = { index: 0, applicationIndex: 0, hash: 0 }
  const next = (kind: Entry['kind'], commandCount: number, payload: Uint8Array): Entry => {
    const fields: HashedFields = {
      index: last.index + 1,
      term,
      kind,
      commandCount,
      applicationIndex: last.applicationIndex + commandCount,
      timestampMs: 1e12,
      payload,
    }
    const entry = { ...fields, hash: murmurChain.next(last.hash, fields) }
    last = entry
    return entry
  }
  let entries = [next('session', 0, encodeSessionOpening(session))]
  const command = new Uint8Array(commandBytes).fill(7)
  for (let sequence = 1; last.index < entryCount; sequence++) {
    const submission = { session, sequence, settledBelow: Math.max(1, sequence - 256), commands: [command] }
    entries.push(next('command', 1, encodeSubmission(submission)))
    if (entries.length < batch && last.index < entryCount) continue
    await storage.write({ entries })
    entries = []
    await turn()
  }
}

const asIs = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
const whole = {
  encode: (value: number) => Buffer.from(String(value)),
  decode: (bytes: Uint8Array) => Number(Buffer.from(bytes).toString()),
}

/** Does next to nothing with a command. */
class Count implements StateMachine<Uint8Array, number, number, number> {
  readonly signature = 'bench/count/1'
  readonly codecs = { command: asIs, result: whole, query: whole, answer: whole }
  #count = 0

  apply(): number {
    return ++this.#count
  }

  query(): number {
    return this.#count
  }
}
