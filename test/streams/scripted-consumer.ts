import type { Frame, Link } from '#framework/network'
import { bytesOf, toHex } from '#framework/primitives'
import type { StreamDefinition } from '#framework/streams'
import { DatumFrameReader } from '../../framework/streams/codec/datum-frame.js'
import { streamsProtocol } from '../../framework/streams/wire.js'
import type { TestNode } from './support.js'

/** How to read what was asked for, by the stream's id. */
const codecs = new Map<string, StreamDefinition<unknown>['codec']>()

/** What a consumer on that node says when it opens a link. */
export function request(
  stream: StreamDefinition<unknown>,
  node: TestNode,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  codecs.set(toHex(bytesOf(stream.id)), stream.codec)
  return {
    stream: bytesOf(stream.id),
    name: stream.name,
    fingerprint: bytesOf(stream.fingerprint),
    windowBytes: 1_000_000,
    entry: node.discovery.signedEntry(),
    subscriber: 'test',
    attempt: 1,
    ...changes,
  }
}

/** Opens a link as a consumer does, with whatever it has to say. */
export function open(from: TestNode, to: TestNode, payload: unknown): Promise<Link> {
  return from.host.open({ peer: to.peerId, addresses: to.host.addresses.value }, streamsProtocol, { payload })
}

/** A frame of datums as it arrived. */
export interface ReceivedDatums {
  readonly first: number
  readonly datums: readonly unknown[]
}

/** The next thing that a producer sends: datums, or a message. */
export async function next(link: Link): Promise<ReceivedDatums | { readonly kind: string }> {
  const frame: Frame = await link.recv({ timeoutMs: 5_000 })
  if (frame.kind === 'message') return frame.value as { readonly kind: string }
  const reader = new DatumFrameReader(frame.bytes)
  const { stream } = link.openPayload as { readonly stream: Uint8Array }
  const codec = codecs.get(toHex(stream))!
  const datums: unknown[] = []
  while (reader.remaining > 0) {
    const bytes = reader.next()
    datums.push(codec.decode(bytes, 0, bytes.byteLength))
  }
  return { first: reader.first, datums }
}
