import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { Client } from 'bittorrent-dht'
import { verifySignature, type Identity } from '#framework/network'
import { bytesOf, peerIdFromRaw } from '#framework/primitives'

/** Enough that lookups take more than one step, and few enough to start quickly. */
const NODES = 6

export interface StoredItem {
  readonly value: Buffer
  readonly seq: number
}

/**
 * A Mainline DHT of its own on loopback: several full nodes of the library, which answer queries and store values as
 * nodes of the Internet do.
 */
export class DhtTestnet implements AsyncDisposable {
  readonly #nodes: Client[] = []

  /** @param port Of the first node. Default: any. */
  static async start(port = 0): Promise<DhtTestnet> {
    const testnet = new DhtTestnet()
    for (let i = 0; i < NODES; i++) await testnet.#add(i === 0 ? port : 0)
    return testnet
  }

  /** What a client is given to begin with. */
  get bootstrap(): readonly string[] {
    return this.#nodes.slice(0, 2).map((node) => `127.0.0.1:${node.address().port}`)
  }

  /** Stores a value in every node, as somebody who knows the key can. */
  async put(key: Identity, value: Uint8Array, seq: number): Promise<void> {
    const [node] = this.#nodes
    const stored = new Promise<void>((resolve, reject) => {
      node!.put(
        {
          k: Buffer.from(bytesOf(key.peerId)),
          v: Buffer.from(value),
          seq,
          sign: (bytes) => Buffer.from(key.sign(bytes)),
        },
        (error) => (error ? reject(error) : resolve()),
      )
    })
    await stored
  }

  /** The value with the highest sequence number. */
  get(key: Identity): Promise<StoredItem | undefined> {
    const target = createHash('sha1').update(bytesOf(key.peerId)).digest()
    const [node] = this.#nodes
    return new Promise((resolve, reject) => {
      node!.get(target, { cache: false, verify }, (error, item) => {
        if (error) reject(error)
        else resolve(item === null ? undefined : { value: item.v as Buffer, seq: item.seq as number })
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => new Promise<void>((resolve) => node.destroy(resolve))))
  }

  async #add(port: number): Promise<void> {
    const bootstrap = this.bootstrap
    const node = new Client({ bootstrap, verify, timeout: 500 })
    this.#nodes.push(node)
    const ready = once(node, 'ready')
    node.listen(port, '127.0.0.1')
    await ready
    // The library knows nothing of read-only nodes (BEP 43); most of the Mainline DHT does, and does not list them.
    node.on('node', ({ id, port }: { readonly id: Buffer; readonly port: number }) => {
      if (!this.#nodes.some((other) => other.address().port === port)) node.removeNode(id)
    })
  }
}

function verify(signature: unknown, value: Uint8Array, key: unknown): boolean {
  if (!Buffer.isBuffer(signature) || !Buffer.isBuffer(key) || key.length !== 32) return false
  return verifySignature(peerIdFromRaw(key), value, signature)
}
