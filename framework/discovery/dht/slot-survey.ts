import type { Host } from '#framework/network'
import { MosaikError, systemClock, type Clock, type Digest, type PeerId } from '#framework/primitives'
import { Bep44Client } from './bep44-client.js'
import { checkBootstrap, dhtSettingsOf, type DhtOptions, type DhtSettings } from './dht-options.js'
import { epochAt, epochSeeds, slotRoot, slotSeeds } from './slot-keys.js'
import type { SlotRecord } from './slot-record.js'
import { readSlot, slotsOf, type Slot } from './slot-set.js'

export interface DhtSurveyOptions
  extends
    Pick<DhtOptions, 'bootstrap'>,
    Partial<Pick<DhtSettings, 'port' | 'bind' | 'addressScope' | 'requestTimeoutMs'>> {
  /** A host of the network, or the key of it. */
  readonly host: Pick<Host, 'rendezvousSeed'>
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** What is in one slot of a network. */
export type DhtSlot = {
  readonly index: number
  /** The slot's public key: under its SHA-1 the DHT keeps the value (BEP 44). */
  readonly key: PeerId
} & (
  | {
      readonly state: 'record'
      /** Of the occupant, as it has signed it. */
      readonly record: SlotRecord
    }
  | {
      /** `unknown`: the DHT did not say in time. `unreadable`: something that no member has put there. */
      readonly state: 'unknown' | 'empty' | 'unreadable'
      readonly record?: undefined
    }
)

export interface DhtSurvey {
  /** The sixteen slots of the network. */
  readonly slots: readonly DhtSlot[]
  /** The slots of this hour and of the one before that are not empty: used when the others are held against the network. */
  readonly epochSlots: readonly DhtSlot[]
}

/**
 * Looks at the slots of a network, once, all together, and changes nothing.
 *
 * @throws MosaikError `DHT_BIND_FAILED`; `DHT_UNREACHABLE`, when the DHT said nothing of any slot;
 *   `DISCOVERY_OPTION_INVALID`; the signal's reason.
 */
export async function surveyDht(options: DhtSurveyOptions): Promise<DhtSurvey> {
  const { host, bootstrap, signal, clock = systemClock } = options
  const settings = dhtSettingsOf(options)
  checkBootstrap(bootstrap)
  const root = slotRoot(host)
  const epoch = epochAt(clock.now())
  await using client = await Bep44Client.open({
    bootstrap,
    port: settings.port,
    bind: settings.bind,
    onPacket: () => undefined,
  })
  const look = async (slot: Slot, index: number): Promise<DhtSlot> => {
    using deadline = clock.deadline(settings.requestTimeoutMs, signal)
    const { peerId: key } = slot.key
    try {
      const view = await readSlot(client, slot, settings.addressScope, deadline.signal)
      if (view.kind === 'record') return { index, key, state: 'record', record: view.record }
      return { index, key, state: view.kind }
    } catch {
      signal?.throwIfAborted()
      return { index, key, state: 'unknown' }
    }
  }
  const lookAt = (seeds: readonly Digest[]): Promise<DhtSlot[]> => Promise.all(slotsOf(seeds, root).map(look))
  const slots = await lookAt(slotSeeds(root))
  if (slots.every(({ state }) => state === 'unknown')) {
    throw new MosaikError('DHT_UNREACHABLE', 'no node of the DHT answers')
  }
  const epochSlots = await lookAt([...epochSeeds(root, epoch), ...epochSeeds(root, epoch - 1)])
  const isUsed = ({ state }: DhtSlot): boolean => state === 'unreadable' || state === 'record'
  return { slots, epochSlots: epochSlots.filter(isUsed) }
}
