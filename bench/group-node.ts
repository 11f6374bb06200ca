// A node with groups of a register, as the benchmarks of groups use it.
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
import { Host, Identity } from '#framework/network'
import { decode, digestOf, encode, systemRandom } from '#framework/primitives'
import { listenOn, type Transport } from './transports.ts'

export type RegisterGroup = Group<Uint8Array, undefined, undefined, number>

export interface GroupNode {
  readonly host: Host
  readonly groups: Groups
}

export interface GroupNodeOptions {
  /** Default: QUIC. */
  readonly transport?: Transport | undefined
  /** Of nodes to begin with; none for the first one. */
  readonly addresses: readonly string[]
  /** Where groups are stored. Default: in memory. */
  readonly folder?: string | undefined
  /** Nodes of the same number have the same identity. Default: one that nobody has had before. */
  readonly identity?: number | undefined
}

export async function groupNode({
  transport = 'quic',
  addresses,
  folder,
  identity,
}: GroupNodeOptions): Promise<GroupNode> {
  const host = await Host.start({
    network: digestOf('bench'),
    listen: [listenOn[transport]],
    ...(identity !== undefined && { identity: Identity.fromSeed(bytesOf(identity)) }),
  })
  const discovery = await Discovery.start({ host, bootstrap: [seeds(addresses)] })
  const storage: StorageProvider | undefined =
    folder === undefined
      ? undefined
      : await openLmdbStorages({ folder, random: systemRandom, hasher: murmurChain })
  return { host, groups: Groups.start({ host, discovery, storage }) }
}

/** Another key for each number. */
export function groupKey(number: number): GroupKey {
  return GroupKey.fromBytes(bytesOf(number))
}

function bytesOf(number: number): Uint8Array {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => index)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

/** The last bytes that were written; a read says how many these are. */
export class Register implements StateMachine<Uint8Array, undefined, undefined, number> {
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
