import type { Identity } from '#framework/network'
import type { Digest } from '#framework/primitives'
import type { AddressScope } from './address-scope.js'
import type { Bep44Client } from './bep44-client.js'
import { slotKey } from './slot-keys.js'
import type { SlotView } from './slot-plan.js'
import { SlotCodec } from './slot-record.js'

/** One slot: its key pair, and the codec of its records. */
export interface Slot {
  readonly key: Identity
  readonly codec: SlotCodec
}

export function slotsOf(seeds: readonly Digest[], root: Digest): readonly Slot[] {
  return seeds.map((seed) => {
    const key = slotKey(seed)
    return { key, codec: new SlotCodec(key.peerId, root) }
  })
}

/**
 * What is in a slot.
 *
 * @throws As {@link Bep44Client.get}.
 */
export async function readSlot(
  client: Bep44Client,
  { key, codec }: Slot,
  scope: AddressScope,
  signal: AbortSignal,
): Promise<SlotView> {
  const item = await client.get(key.peerId, signal)
  if (item === undefined) return { kind: 'empty' }
  const record = codec.open(item.value, scope)
  return record === undefined
    ? { kind: 'unreadable', seq: item.seq }
    : { kind: 'record', seq: item.seq, record }
}
