import type { Stream } from '@libp2p/interface'
import { pbStream } from '@libp2p/utils'
import { MosaikError, invariant, peerIdFromRaw, type PeerId } from '#framework/primitives'
import { toLibp2pPeerId } from '../libp2p-keys.js'

/** The protocol in which a relay is asked for something (libp2p/specs, "Circuit Relay v2", "Hop Protocol"). */
export const HOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop'
/** The protocol in which a relay announces a connection (ibid., "Stop Protocol"). */
export const STOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/stop'

/** One of the messages is a few hundred bytes long; a relay with many addresses may need a little more. */
const MESSAGE_BYTES_MAX = 8 * 1024

/** A message of the Hop protocol, as far as we read it. */
export interface HopMessage {
  readonly type?: string
  readonly peer?: { readonly id: Uint8Array; readonly addrs: Uint8Array[] }
  readonly status?: string
  /** `expire` in seconds since 1970. */
  readonly reservation?: { readonly expire: bigint; readonly addrs: Uint8Array[] }
}

/** A message of the Stop protocol, as far as we read it. */
export interface StopMessage {
  readonly type?: string
  readonly peer?: { readonly id: Uint8Array; readonly addrs: Uint8Array[] }
  readonly status?: string
}

/** Protobuf of one kind of message. */
interface Codec<T> {
  encode(message: T): Uint8Array
  decode(bytes: Uint8Array): T
}

/** What of `@libp2p/circuit-relay-v2` is not exported: the protobuf of its messages. */
export interface RelayCodecs {
  readonly HopMessage: Codec<HopMessage>
  readonly StopMessage: Codec<StopMessage>
}

const PACKAGE = '@libp2p/circuit-relay-v2'
let codecs: Promise<RelayCodecs> | undefined

/** Loads the library's codecs with the first relay that is used. The version is pinned in package.json. */
export function relayCodecs(): Promise<RelayCodecs> {
  codecs ??= (async () => {
    const file = new URL('./pb/index.js', import.meta.resolve(PACKAGE)).href
    const { HopMessage, StopMessage } = (await import(file)) as Partial<RelayCodecs>
    invariant(
      HopMessage !== undefined && StopMessage !== undefined,
      `${PACKAGE} is another than the one we know`,
    )
    return { HopMessage, StopMessage }
  })()
  return codecs
}

/** Exchanges messages of one kind on a stream, each with its length before it. */
export interface MessageExchange<T> {
  read(signal: AbortSignal): Promise<T>
  write(message: T, signal: AbortSignal): Promise<void>
  /** The stream, with what was read too far put back. */
  unwrap(): Stream
}

export function exchangeOn<T>(stream: Stream, codec: Codec<T>): MessageExchange<T> {
  const messages = pbStream(stream, { maxDataLength: MESSAGE_BYTES_MAX })
  return {
    read: async (signal) => {
      const message = await messages.read(codec as never, { signal })
      return message as T
    },
    write: (message, signal) => messages.write(message as never, codec as never, { signal }),
    unwrap: () => messages.unwrap(),
  }
}

/** A peer id as the relay protocols carry it. */
export function peerIdBytes(peer: PeerId): Uint8Array {
  return toLibp2pPeerId(peer).toMultihash().bytes
}

/** What stands before the 32 bytes of an Ed25519 key: identity multihash of a protobuf with key type and length. */
const ED25519_PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]

/** @throws {MosaikError} `PEER_ID_MALFORMED` for the id of another kind of key. */
export function peerIdFromBytes(bytes: Uint8Array): PeerId {
  if (bytes.length !== ED25519_PREFIX.length + 32 || ED25519_PREFIX.some((byte, i) => bytes[i] !== byte)) {
    throw new MosaikError('PEER_ID_MALFORMED', 'a peer id of ours is of an Ed25519 key')
  }
  return peerIdFromRaw(bytes.slice(ED25519_PREFIX.length))
}
