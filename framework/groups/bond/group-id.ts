import { createHmac } from 'node:crypto'
import type { TicketValidator } from '#framework/discovery'
import {
  bytesOf,
  concatBytes,
  digestFromRaw,
  encodeUtf8,
  type Digest,
  type GroupId,
} from '#framework/primitives'
import type { GroupKey } from './group-key.js'
import type { GroupTiming } from './group-timing.js'

/** What members must agree on to be members of one group. */
export interface GroupParameters {
  readonly timing: GroupTiming
  /** Stands for the state machine: its type and all that changes what a command means. */
  readonly stateMachine: Digest
  /** Stands for how a member that has fallen behind is brought up to date. */
  readonly stateSync: Digest
  /** Whose tickets members demand of each other, all of them; the order matters. */
  readonly validators: readonly Pick<TicketValidator, 'signature'>[]
}

/**
 * What a group is known by, and announced as: the same for all who have the same key and the same parameters, and for
 * nobody else. Members that were set up differently therefore never meet, instead of disagreeing later.
 */
export function groupIdOf(key: GroupKey, parameters: GroupParameters): GroupId {
  const { timing, stateMachine, stateSync, validators } = parameters
  // All parts have a fixed length except the last, so that no two sets of parameters run together.
  const input = concatBytes(
    encodeUtf8('mosaik/group/1\0'),
    uint64(timing.heartbeatIntervalMs),
    uint64(timing.heartbeatJitterMs),
    uint64(timing.missedHeartbeatsMax),
    uint64(timing.electionTimeoutMs),
    uint64(timing.electionJitterMs),
    bytesOf(stateMachine),
    bytesOf(stateSync),
    ...validators.map(({ signature }) => bytesOf(signature)),
  )
  return digestFromRaw(new Uint8Array(createHmac('sha256', key.idKey).update(input).digest()))
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}
