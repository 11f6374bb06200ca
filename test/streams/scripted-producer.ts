import { Discovery } from '#framework/discovery'
import { FrameBuilder, Host, Identity, type Frame, type Link } from '#framework/network'
import { bytesOf, type NetworkId } from '#framework/primitives'
import type { StreamDefinition } from '#framework/streams'
import { DatumFrameWriter } from '../../framework/streams/codec/datum-frame.js'
import { streamsProtocol } from '../../framework/streams/wire.js'

/** What a consumer has said to open a link. */
export interface Request {
  readonly subscriber: string
  readonly attempt: number
  readonly windowBytes: number
  readonly durable?: boolean
  readonly start?: string
  readonly resume?: { readonly epoch: string; readonly sequence: number }
}

/** A node that offers a stream and answers to consumers as a test tells it to. */
export class ScriptedProducer implements AsyncDisposable {
  readonly host: Host
  readonly discovery: Discovery
  readonly requests: Request[] = []
  readonly links: Link[] = []
  readonly #stream: StreamDefinition<unknown>

  private constructor(host: Host, discovery: Discovery, stream: StreamDefinition<unknown>) {
    this.host = host
    this.discovery = discovery
    this.#stream = stream
  }

  /** @param greet What to answer instead of a proper greeting; given the proper one. */
  static async start(
    network: NetworkId,
    stream: StreamDefinition<unknown>,
    greet: (greeting: Record<string, unknown>) => unknown = (greeting) => greeting,
    identity: Identity = Identity.random(),
  ): Promise<ScriptedProducer> {
    const host = await Host.start({ network, identity, listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
    const discovery = await Discovery.start({ host })
    const producer = new ScriptedProducer(host, discovery, stream)
    host.handle(streamsProtocol, async (link, accept) => {
      producer.requests.push(link.openPayload as Request)
      producer.links.push(link)
      await accept(greet(producer.#greeting()))
      await link.closed
    })
    const { id, name, fingerprint } = stream
    discovery.update(() => ({ produces: [{ id, name, fingerprint }] }))
    return producer
  }

  get peerId() {
    return this.host.peerId
  }

  /** Sends datums as one frame, whatever the consumer has granted. */
  async send(link: Link, first: number, ...datums: readonly unknown[]): Promise<void> {
    await this.sendBytes(link, first, ...datums.map((datum) => encoded(this.#stream, datum)))
  }

  async sendBytes(link: Link, first: number, ...datums: readonly Uint8Array[]): Promise<void> {
    const writer = new DatumFrameWriter(new FrameBuilder())
    for (const [index, datum] of datums.entries()) {
      const offset = writer.reserve(first + index, datum.byteLength)
      writer.buffer.set(datum, offset)
    }
    await link.sendFrame(writer.take())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close()
    await this.host.close()
  }

  #greeting(): Record<string, unknown> {
    const { id, fingerprint, codec } = this.#stream
    return {
      stream: bytesOf(id),
      fingerprint: bytesOf(fingerprint),
      codec: codec.id,
      epoch: 'first',
      sequence: 0,
      entry: this.discovery.signedEntry(),
    }
  }
}

/** Where datums are encoded: one memory for all of them, because one for each is a gigabyte for a thousand. */
const encodeMemory = Buffer.alloc(streamsProtocol.frameBytesMax)

/** A datum as it travels. */
export function encoded<T>({ codec }: StreamDefinition<T>, datum: T): Uint8Array {
  return Uint8Array.from(encodeMemory.subarray(0, codec.encode(datum, encodeMemory, 0)))
}

/** The next thing that a consumer says on a link. */
export async function said(link: Link): Promise<unknown> {
  const frame: Frame = await link.recv({ timeoutMs: 5_000 })
  return frame.kind === 'message' ? frame.value : frame.bytes
}
