import { z } from 'zod'
import { digestFromRaw, peerIdFromRaw, type Digest, type PeerId } from '#framework/primitives'

const bytes32Schema = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === 32,
  'expected 32 bytes',
)

/** Zod schema of bytes on the wire. */
export const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes')

/** Zod schema of a 32-byte digest on the wire. */
export const digestBytesSchema = bytes32Schema.transform((bytes): Digest => digestFromRaw(bytes))

/** Zod schema of a peer id on the wire. */
export const peerIdBytesSchema = bytes32Schema.transform((bytes): PeerId => peerIdFromRaw(bytes))
