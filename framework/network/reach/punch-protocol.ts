import { z } from 'zod'
import type { LinkProtocol } from '../link.js'

/**
 * How two peers that are connected over a relay come to be connected without it (after libp2p/specs
 * "relay/DCUtR.md"). The link runs over the relayed connection and is opened by who accepted that connection.
 *
 * ```
 * opener (accepted the relayed connection)            other (dialled it)
 *   OPEN    addresses                          ──▶
 *                                              ◀──    ACCEPT  addresses
 *   dials those; if that fails, up to three times:
 *   MESSAGE map      mapped                    ──▶    opens a mapping in its NAT
 *                                              ◀──    MESSAGE map   mapped
 *   MESSAGE measure                            ──▶
 *                                              ◀──    MESSAGE measure
 *   MESSAGE sync, then waits half a round trip ──▶    at once
 *   both connect to the other's mapped address from their own mapped port
 *   CLOSE                                      ──▶
 * ```
 */
export const PUNCH: LinkProtocol = {
  id: '/mosaik/reach/punch/1.0',
  frameBytesMax: 8 * 1024,
  maxInboundPerPeer: 1,
}

const ADDRESSES_MAX = 16
const address = z.string().max(256)

/** Where the speaker can be dialled, as far as it knows. */
export const punchAddresses = z.object({ addresses: z.array(address).max(ADDRESSES_MAX) })

/**
 * Where the speaker's connection will come from, as others see it; nothing when it can make none, with this relay, at any
 * time.
 */
export const mapMessage = z.object({ type: z.literal('map'), mapped: address.optional() })

export const measureMessage = z.object({ type: z.literal('measure') })
export const syncMessage = z.object({ type: z.literal('sync') })

/** What the other side waits for between two rounds, and within one. */
export const openerMessage = z.discriminatedUnion('type', [mapMessage, measureMessage, syncMessage])

export function addressesToTell(addresses: readonly string[]): z.output<typeof punchAddresses> {
  return { addresses: addresses.filter((text) => text.length <= 256).slice(0, ADDRESSES_MAX) }
}
