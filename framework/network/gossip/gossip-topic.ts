import { MosaikError, Watch, type PeerId, type ReadonlyWatch } from '#framework/primitives'

/** What a topic's validator makes of a message. */
export type GossipVerdict =
  /** Take it and hand it on. */
  | 'accept'
  /** Neither, but nobody is to blame: it is out of date, say. */
  | 'ignore'
  /** Neither, and whoever handed it on should have known: after a few of these in short order the peer is cut off. */
  | 'reject'

export interface GossipTopicOptions {
  /**
   * Judges a message before it is delivered and handed on. Called once for each message, with the neighbour that handed
   * it on, who need not be its author. Must be quick. When it throws, the message is ignored.
   */
  readonly validate: (data: Uint8Array, from: PeerId) => GossipVerdict
  /** Longer messages are refused in both directions. At most the host's own limit (256 KiB by default). */
  readonly messageBytesMax: number
}

/** One topic that this node takes part in: what anybody publishes reaches everybody, once, in no particular order. */
export interface GossipTopic {
  /**
   * Sends a message to the peers of this topic that we are connected to; they hand it on. The same bytes count as the
   * same message for two minutes: publishing them again within that time sends nothing.
   *
   * @returns How many peers it was sent to.
   * @throws {MosaikError} `GOSSIP_MESSAGE_TOO_LARGE`; `GOSSIP_CLOSED`.
   */
  publish(data: Uint8Array): Promise<{ readonly recipients: number }>

  /**
   * The peers that messages are exchanged with directly. What is published, or was handed on in the last seconds,
   * reaches every peer in here. Ends when the topic is closed.
   */
  readonly neighbours: ReadonlyWatch<ReadonlySet<PeerId>>

  /**
   * Calls `fn` with each accepted message of others, and the neighbour that handed it on, until the returned function
   * is called.
   */
  messages(fn: (data: Uint8Array, from: PeerId) => void): () => void

  /** Leaves the topic. Idempotent. */
  close(): Promise<void>
}

export interface TopicInit {
  readonly messageBytesMax: number
  readonly publish: (data: Uint8Array) => Promise<number>
  readonly leave: () => void
  /** A listener threw. */
  readonly onListenerFailed: (error: unknown) => void
}

export class Topic implements GossipTopic {
  readonly #init: TopicInit
  readonly #neighbours = new Watch<ReadonlySet<PeerId>>(new Set())
  readonly #listeners = new Set<{ readonly fn: (data: Uint8Array, from: PeerId) => void }>()
  #isClosed = false

  constructor(init: TopicInit) {
    this.#init = init
  }

  get neighbours(): ReadonlyWatch<ReadonlySet<PeerId>> {
    return this.#neighbours.asReadonly()
  }

  async publish(data: Uint8Array): Promise<{ recipients: number }> {
    if (this.#isClosed) throw new MosaikError('GOSSIP_CLOSED', 'this node has left the topic')
    const { messageBytesMax } = this.#init
    if (data.byteLength > messageBytesMax) {
      const text = `a message of ${data.byteLength} bytes is over the limit of ${messageBytesMax} bytes`
      throw new MosaikError('GOSSIP_MESSAGE_TOO_LARGE', text, {
        details: { messageBytes: data.byteLength, messageBytesMax },
      })
    }
    return { recipients: await this.#init.publish(data) }
  }

  messages(fn: (data: Uint8Array, from: PeerId) => void): () => void {
    const listener = { fn }
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.end()
    this.#init.leave()
  }

  /** The topic is over, with or without leaving it in words. */
  end(): void {
    this.#isClosed = true
    this.#listeners.clear()
    this.#neighbours.set(new Set())
    this.#neighbours.end()
  }

  deliver(data: Uint8Array, from: PeerId): void {
    for (const { fn } of this.#listeners) {
      try {
        fn(data, from)
      } catch (error) {
        this.#init.onListenerFailed(error)
      }
    }
  }

  /** Tells about a change only. */
  setNeighbours(peers: ReadonlySet<PeerId>): void {
    const { value } = this.#neighbours
    if (peers.size === value.size && [...peers].every((peer) => value.has(peer))) return
    this.#neighbours.set(peers)
  }
}
