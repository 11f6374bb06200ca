import { z } from 'zod'
import type { LinkProtocol } from '../link.js'

/**
 * "Dial me back": a peer asks another one to try addresses of its own (after AutoNAT v2, libp2p/specs
 * "autonat/autonat-v2.md"). OPEN carries the request, one MESSAGE the result.
 */
export const PROBE: LinkProtocol = {
  id: '/mosaik/reach/probe/1.0',
  frameBytesMax: 4 * 1024,
  maxInboundPerPeer: 2,
}

export const PROBE_ADDRESSES_MAX = 4

export const probeRequest = z.object({
  addresses: z.array(z.string().max(256)).min(1).max(PROBE_ADDRESSES_MAX),
})

/** The address that was reached, if any was; the others may not have been tried then. */
export const probeAnswer = z.object({ type: z.literal('tried'), reached: z.string().max(256).optional() })
