import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { murmurChain, openLmdbStorages, type StorageProvider } from '#framework/groups'
import { Identity } from '#framework/network'
import { randomDigest, systemRandom, type NetworkId, type PeerId } from '#framework/primitives'
import { GroupNode } from '../group/nodes.js'

/** A node that crashes and starts again as the same peer, with the same disk if it has one. */
export class Machine implements AsyncDisposable {
  readonly #network: NetworkId
  readonly #folder: string | undefined
  readonly #identity = Identity.random(systemRandom)
  #storage: StorageProvider | undefined
  #node: GroupNode | undefined

  constructor(network: NetworkId, folder?: string) {
    this.#network = network
    this.#folder = folder
  }

  get peerId(): PeerId {
    return this.#identity.peerId
  }

  async start(): Promise<GroupNode> {
    const identity = this.#identity
    const folder = this.#folder
    if (folder !== undefined) {
      this.#storage = await openLmdbStorages({ folder, random: systemRandom, hasher: murmurChain })
    }
    this.#node = await GroupNode.start(this.#network, {
      identity,
      ...(this.#storage && { storage: this.#storage }),
    })
    return this.#node
  }

  async crash(): Promise<void> {
    await this.#node?.vanish()
    await this.#storage?.close()
    this.#node = undefined
    this.#storage = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash()
  }
}

export interface Machines extends AsyncDisposable {
  readonly machines: readonly Machine[]
  readonly nodes: GroupNode[]
}

/** Machines of a network of their own, started. */
export async function startMachines(count: number, hasDisks: boolean): Promise<Machines> {
  const network = randomDigest(systemRandom)
  const root = await mkdtemp(join(tmpdir(), 'group-restarts-'))
  const machines = Array.from(
    { length: count },
    (_, place) => new Machine(network, hasDisks ? join(root, `${place}`) : undefined),
  )
  return {
    machines,
    nodes: await Promise.all(machines.map((machine) => machine.start())),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(machines.map((machine) => machine.crash()))
      await rm(root, { recursive: true, force: true })
    },
  }
}
