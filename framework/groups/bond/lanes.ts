import { z } from 'zod'
import type { LinkProtocol } from '#framework/network'
import { bytesOf, digestFromRaw, type Digest } from '#framework/primitives'

/**
 * The separate ways that messages between two members take, each a stream of its own, so that what is long does not hold
 * up what is urgent. Within a lane messages arrive in the order they were sent; between lanes there is no order.
 *
 * - `control`: elections, acknowledgements, heartbeats: short, and never behind anything else;
 * - `bulk`: the entries of the log;
 * - `sync`: what brings a member up to date that has fallen behind;
 * - `forward`: commands and queries of clients on their way to the leader, and back.
 */
export type Lane = 'control' | 'bulk' | 'sync' | 'forward'

/** The lanes that are opened by whoever sends on them first. The control lane is there as long as the bond. */
export const openedLanes = ['bulk', 'sync', 'forward'] as const satisfies readonly Lane[]
export type OpenedLane = (typeof openedLanes)[number]

/** Handshake, then the control lane in both directions. Short frames alone: nothing else may get in the way there. */
export const bondProtocol: LinkProtocol = {
  id: '/mosaik/groups/bond/1.0',
  frameBytesMax: 64 * 1024,
  // One for each group that both are in, and one that takes the place of another.
  maxInboundPerPeer: 1_024,
}

/** One of the other lanes of a bond, from the side that opened it. */
export const laneProtocol: LinkProtocol = {
  id: '/mosaik/groups/lane/1.0',
  frameBytesMax: 4 * 1024 * 1024,
  maxInboundPerPeer: 3_072,
}

/** The longest frame (a message and one byte) on each lane. */
export function frameBytesMaxOf(lane: Lane): number {
  return (lane === 'control' ? bondProtocol : laneProtocol).frameBytesMax
}

/** Which lane of which bond is opened. Knowing the id of a bond shows that one has made it. */
export interface LaneOpening {
  readonly bond: Digest
  readonly lane: OpenedLane
}

const opening = z.object({
  bond: z
    .custom<Uint8Array>(
      (value) => value instanceof Uint8Array && value.byteLength === 32,
      'expected 32 bytes',
    )
    .transform((raw): Digest => digestFromRaw(raw)),
  lane: z.enum(openedLanes),
})

export function openLanePayload({ bond, lane }: LaneOpening): Record<string, unknown> {
  return { bond: bytesOf(bond), lane }
}

/** Undefined when it is no such payload. */
export function readLaneOpening(payload: unknown): LaneOpening | undefined {
  return opening.safeParse(payload).data
}
