import { createHash } from 'node:crypto'
import type { Client } from 'bittorrent-dht'
import { verifySignature, type Identity } from '#framework/network'
import { MosaikError, bytesOf, isMosaikError, messageOf, type PeerId } from '#framework/primitives'
import { GuardedSocket, type PacketResult } from './guarded-socket.js'

/**
 * How many queries are under way at a time, for all lookups together. A lookup needs some fifty, and sixteen begin at
 * once; but answers that come all at once are lost, for a socket keeps only so many, and the library asks nothing twice.
 */
const CONCURRENCY = 64

/** How long one query waits for its answer, in milliseconds. Many nodes of the Mainline DHT never answer. */
const QUERY_TIMEOUT_MS = 1_000

/** Error codes of BEP 44: the value was changed in between; there is a value with a higher sequence number. */
const CAS_MISMATCH = 301
const SEQUENCE_TOO_LOW = 302

/** A value that is stored under a public key. */
export interface Bep44Item {
  /** At most 996 bytes. Empty where somebody has stored what is no byte string. */
  readonly value: Uint8Array
  /** Grows with each change. `Infinity` where it is no number that can be counted on from. */
  readonly seq: number
}

export interface Bep44ClientOptions {
  /** Nodes to begin with, each `host:port`. Default: the well-known ones of the Mainline DHT. */
  readonly bootstrap?: readonly string[] | undefined
  readonly port: number
  readonly bind: string
  readonly onPacket: (result: PacketResult, error?: unknown) => void
}

/**
 * Mutable values in the Mainline DHT (BEP 5, BEP 44): a thin cover over a library that has callbacks which never come
 * after it was destroyed, no deadlines for a lookup as a whole, and an emitter that ends the process when nobody listens.
 */
export class Bep44Client implements AsyncDisposable {
  readonly #client: Client
  readonly #traffic: { readonly answers: number }
  /** Aborted when the client has failed, or is closed. */
  readonly #ended = new AbortController()
  #closing: Promise<void> | undefined

  private constructor(client: Client, traffic: { readonly answers: number }) {
    this.#client = client
    this.#traffic = traffic
    client.on('error', (cause) => this.#ended.abort(failed(cause)))
  }

  /**
   * Loads the library, which few programs need, and binds its socket.
   *
   * @throws MosaikError `DHT_BIND_FAILED`.
   */
  static async open({ bootstrap, port, bind, onPacket }: Bep44ClientOptions): Promise<Bep44Client> {
    const { Client } = await import('bittorrent-dht')
    const traffic = { answers: 0 }
    const socket = await GuardedSocket.open({
      port,
      bind,
      onPacket: (result, error) => {
        if (result === 'read') traffic.answers++
        onPacket(result, error)
      },
    })
    const client = new Client({
      ...(bootstrap !== undefined && { bootstrap }),
      concurrency: CONCURRENCY,
      timeout: QUERY_TIMEOUT_MS,
      socket,
    })
    client.listen()
    return new Bep44Client(client, traffic)
  }

  /** Aborts when the client has failed, with the cause, or is closed. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** How many nodes of the DHT are known. */
  get nodes(): number {
    return this.#client.toJSON().nodes.length
  }

  /**
   * The value with the highest sequence number; undefined when nobody has one. When the time is up (the signal aborts
   * with a `TIMEOUT`), the best of what was found until then: the last of a lookup's nodes are often the dead ones.
   *
   * @throws MosaikError `DHT_UNREACHABLE`, when no node of the DHT answers; `DHT_CLIENT_FAILED`; the signal's reason.
   */
  async get(key: PeerId, signal: AbortSignal): Promise<Bep44Item | undefined> {
    const publicKey = Buffer.from(bytesOf(key))
    const target = createHash('sha1').update(publicKey).digest()
    const answersBefore = this.#traffic.answers
    let best: Bep44Item | undefined
    const verify = (signature: unknown, signed: Uint8Array, by: unknown): boolean => {
      if (!Buffer.isBuffer(by) || !by.equals(publicKey) || !Buffer.isBuffer(signature)) return false
      if (!verifySignature(key, signed, signature)) return false
      const item = signedItemOf(signed)
      if (best === undefined || item.seq > best.seq) best = item
      return true
    }
    try {
      await this.#call<void>(signal, (resolve, reject) => {
        this.#client.get(target, { cache: false, verify }, (error) =>
          error ? reject(failed(error)) : resolve(),
        )
      })
    } catch (error) {
      if (best === undefined || !isMosaikError(error, 'TIMEOUT')) throw error
    }
    // The library takes silence for the answer that there is nothing.
    if (best === undefined && this.#traffic.answers === answersBefore) throw unreachable()
    return best
  }

  /**
   * Stores a value. That some nodes have taken it does not mean that all have: whoever must know looks again.
   *
   * @param item.cas Only where the value has this sequence number now, or there is none.
   * @throws MosaikError `DHT_CONFLICT`, when the value has changed; `DHT_REJECTED`, when there is one with a higher
   *   sequence number; `DHT_UNREACHABLE`; `DHT_CLIENT_FAILED`; the signal's reason.
   */
  async put(key: Identity, item: Bep44Item & { readonly cas: number }, signal: AbortSignal): Promise<void> {
    return this.#call(signal, (resolve, reject) => {
      this.#client.put(
        {
          k: Buffer.from(bytesOf(key.peerId)),
          v: Buffer.from(item.value),
          seq: item.seq,
          cas: item.cas,
          sign: (value) => Buffer.from(key.sign(value)),
        },
        (error) => (error ? reject(refused(error)) : resolve()),
      )
    })
  }

  /** Leaves no socket and no timer. Idempotent. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new MosaikError('DHT_CLIENT_CLOSED', 'the DHT client was closed'))
    this.#closing ??= new Promise((resolve) => this.#client.destroy(resolve))
    return this.#closing
  }

  /** The library's answer, for as long as anybody wants it. */
  async #call<T>(
    signal: AbortSignal,
    run: (resolve: (value: T) => void, reject: (error: MosaikError) => void) => void,
  ): Promise<T> {
    const ends = [signal, this.#ended.signal]
    for (const end of ends) end.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const onAbort = (event: Event): void => reject((event.target as AbortSignal).reason)
    for (const end of ends) end.addEventListener('abort', onAbort)
    try {
      run(resolve, reject)
      return await promise
    } finally {
      for (const end of ends) end.removeEventListener('abort', onAbort)
    }
  }
}

/** What was signed, which is known to be so: `3:seqi<number>e1:v`, then the value (BEP 44). */
function signedItemOf(signed: Uint8Array): Bep44Item {
  const text = Buffer.from(signed).toString('latin1')
  const [head, number, length] = /^3:seqi(-?\d+)e1:v(\d+):/.exec(text) ?? []
  const seq = Number(number)
  return {
    value: head === undefined ? new Uint8Array(0) : signed.slice(head.length, head.length + Number(length)),
    seq: Number.isSafeInteger(seq) ? seq : Infinity,
  }
}

function refused(error: Error & { readonly code?: unknown }): MosaikError {
  if (error.code === CAS_MISMATCH)
    return new MosaikError('DHT_CONFLICT', 'the value has changed in between', { cause: error })
  if (error.code === SEQUENCE_TOO_LOW) {
    return new MosaikError('DHT_REJECTED', 'there is a value with a higher sequence number', { cause: error })
  }
  return unreachable(error)
}

function unreachable(cause?: unknown): MosaikError {
  return new MosaikError('DHT_UNREACHABLE', 'no node of the DHT answers', { cause })
}

function failed(cause: unknown): MosaikError {
  return new MosaikError('DHT_CLIENT_FAILED', `the DHT client has failed: ${messageOf(cause)}`, { cause })
}
