import { z } from 'zod'
import type { LinkProtocol } from '#framework/network'
import { bytesOf, type Digest, type PeerId } from '#framework/primitives'
import { digestBytesSchema, peerIdBytesSchema } from '../wire-schemas.js'

/**
 * Fetching of one content, `/mosaik/discovery/fetch/1.0`, for headers that came without:
 *
 * ```
 * I → R  OPEN    { peer, content }   whose, and the digest
 * R → I  ACCEPT  { content }         the bytes, and R closes with Success; or with NotFound instead
 * ```
 *
 * R may have only the header itself as yet, and then waits a moment for the content to arrive. So a large entry that
 * has changed goes through the network as gossip does, from neighbour to neighbour, and not a thousand times to its author.
 */
export const fetchProtocol: LinkProtocol = {
  id: '/mosaik/discovery/fetch/1.0',
  frameBytesMax: 1024,
  maxInboundPerPeer: 8,
}

/** What comes with OPEN. */
export const requestSchema = z.object({ peer: peerIdBytesSchema, content: digestBytesSchema })

/** What comes with ACCEPT, at most 64 KiB like every opening. */
export const answerSchema = z.object({ content: z.instanceof(Uint8Array) })

export function requestToWire(peer: PeerId, content: Digest): Record<string, unknown> {
  return { peer: bytesOf(peer), content: bytesOf(content) }
}
