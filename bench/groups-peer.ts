// A node with one group of a register, as a member of it or as the client of the others.
import { Discovery, seeds } from '#framework/discovery'
import {
  GroupKey,
  Groups,
  murmurChain,
  nothingCodec,
  openLmdbStorages,
  type Group,
  type StateMachine,
  type StorageProvider,
} from '#framework/groups'
import { Host } from '#framework/network'
import { decode, digestOf, encode, systemRandom } from '#framework/primitives'
import { answerCalls } from './calls.ts'

export interface JoinOrder {
  readonly addresses: readonly string[]
  /** Where to store; undefined: in memory. */
  readonly folder: string | undefined
}

export interface GroupsPeer {
  /** Joins, and says where it is reached and who it is. */
  join(order: JoinOrder): Promise<{ readonly addresses: readonly string[]; readonly peer: string }>
  /** Resolves with the leader, when there are so many voters. */
  ready(voters: number): Promise<string>
  /** Commands of so many bytes, so many at a time, for a while. Resolves with how many a second were carried out. */
  write(order: { readonly bytes: number; readonly inFlight: number; readonly ms: number }): Promise<number>
  /** One after the other; milliseconds that each took. */
  writeEach(order: { readonly bytes: number; readonly count: number }): Promise<readonly number[]>
  readEach(order: { readonly count: number }): Promise<readonly number[]>
  /** So many reads at a time. Resolves with how many a second were answered. */
  read(order: { readonly inFlight: number; readonly ms: number }): Promise<number>
}

const key = GroupKey.fromBytes(Uint8Array.from({ length: 32 }, (_, index) => index))

/** The last bytes that were written. */
class Register implements StateMachine<Uint8Array, undefined, undefined, number> {
  readonly signature = 'bench/register/1'
  readonly codecs = {
    command: { encode: (value: Uint8Array) => value, decode: (bytes: Uint8Array) => bytes },
    result: nothingCodec,
    query: nothingCodec,
    answer: {
      encode: (value: number) => encode(value),
      decode: (bytes: Uint8Array) => decode(bytes) as number,
    },
  }
  #last: Uint8Array = new Uint8Array(0)

  apply(command: Uint8Array): undefined {
    this.#last = command
  }

  query(): number {
    return this.#last.byteLength
  }

  snapshot(): Iterable<Uint8Array> {
    return [this.#last]
  }

  async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of pieces) this.#last = piece
  }
}

let group: Group<Uint8Array, undefined, undefined, number> | undefined

function joined(): Group<Uint8Array, undefined, undefined, number> {
  if (group === undefined) throw new Error('not joined')
  return group
}

const peer: GroupsPeer = {
  async join({ addresses, folder }) {
    const host = await Host.start({ network: digestOf('bench'), listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
    const discovery = await Discovery.start({ host, bootstrap: [seeds(addresses)] })
    const storage: StorageProvider | undefined =
      folder === undefined
        ? undefined
        : await openLmdbStorages({ folder, random: systemRandom, hasher: murmurChain })
    const groups = Groups.start({ host, discovery, storage })
    group = await groups.join({ key, machine: () => new Register(), maxVoters: 3 })
    return { addresses: host.addresses.value, peer: host.peerId }
  },

  async ready(voters) {
    await joined().when().voters(voters)
    await joined().when().online()
    return joined().status.value.leader!
  },

  async write({ bytes, inFlight, ms }) {
    const command = new Uint8Array(bytes).fill(1)
    return perSecond(ms, inFlight, () => joined().execute(command, { deadlineMs: 60_000 }))
  },

  async writeEach({ bytes, count }) {
    const command = new Uint8Array(bytes).fill(1)
    return eachMs(count, () => joined().execute(command))
  },

  readEach: ({ count }) => eachMs(count, () => joined().query(undefined)),

  read: ({ inFlight, ms }) => perSecond(ms, inFlight, () => joined().query(undefined)),
}

async function eachMs(count: number, call: () => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const startMs = performance.now()
    await call()
    times.push(performance.now() - startMs)
  }
  return times
}

async function perSecond(ms: number, inFlight: number, call: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  let count = 0
  const work = async (): Promise<void> => {
    while (performance.now() - startMs < ms) {
      await call()
      count++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, work))
  return (1_000 * count) / (performance.now() - startMs)
}

answerCalls(peer)
