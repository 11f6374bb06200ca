import { Identity } from '#framework/network'
import {
  EventHub,
  ManualClock,
  MetricsRegistry,
  digestOf,
  hashBytes,
  seededRandom,
  silentLogger,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import type { CatalogRules } from '../../framework/discovery/catalog.js'
import { CatalogStore } from '../../framework/discovery/catalog-store.js'
import { encodeContent, normalizeContent, type EntryContent } from '../../framework/discovery/entry.js'
import type { DiscoveryEvent } from '../../framework/discovery/events.js'
import { declareMetrics } from '../../framework/discovery/metrics.js'
import { OwnEntry } from '../../framework/discovery/own-entry.js'
import {
  signDeparture,
  signEntry,
  type DepartureRecord,
  type EntryRecord,
  type SignedRecord,
  type Stamp,
} from '../../framework/discovery/signed-record.js'

/** When the clocks of tests start. */
export const NOW = 1_700_000_000_000

/** How long stores of these tests keep an entry without a sign of life. */
export const PURGE_AFTER_MS = 300_000

export const network: NetworkId = digestOf('discovery tests')

/** The same name always gives the same identity. */
export function identityOf(name: string): Identity {
  return Identity.fromSeed(seededRandom(name).bytes(32))
}

export function contentOf(content: Partial<EntryContent> = {}): EntryContent {
  return normalizeContent({
    protocol: '1.0',
    addresses: [],
    tags: [],
    labels: {},
    produces: [],
    consumes: [],
    groups: [],
    tickets: [],
    serves: [],
    ...content,
  })
}

export function offerOf(name: string): EntryContent['produces'][number] {
  return { id: digestOf(name), name, fingerprint: hashBytes(new TextEncoder().encode(`schema of ${name}`)) }
}

export interface RecordParts {
  readonly run?: number
  readonly update?: number
  readonly beat?: number
  readonly tags?: readonly string[]
  readonly network?: NetworkId
}

function stampOf({ run = 1_000, update = run, beat = update }: RecordParts): Stamp {
  return { run, update, beat }
}

/** A signed entry of the identity of that name. */
export function entryRecord(name: string, parts: RecordParts = {}): EntryRecord & SignedRecord {
  return signEntry(identityOf(name), {
    network: parts.network ?? network,
    stamp: stampOf(parts),
    content: encodeContent(contentOf({ tags: parts.tags ?? [] })),
  })
}

/** A signed departure of the identity of that name. */
export function departureRecord(name: string, parts: RecordParts = {}): DepartureRecord & SignedRecord {
  return signDeparture(identityOf(name), { network: parts.network ?? network, stamp: stampOf(parts) })
}

/** A store of the identity of that name, on a clock of its own, with everything it reports. */
export function storeOf(
  name: string,
  options: Partial<CatalogRules> & { clock?: ManualClock; startedAtMs?: number } = {},
) {
  const { clock = new ManualClock(NOW), startedAtMs = clock.now(), ...rules } = options
  const registry = new MetricsRegistry()
  const metrics = declareMetrics(registry)
  const hub = new EventHub<DiscoveryEvent>({ backlog: 10_000, onMissed: () => metrics.missedEvents.add() })
  const events: DiscoveryEvent[] = []
  const learnt: PeerId[] = []
  const own = new OwnEntry(identityOf(name), network, contentOf(), startedAtMs)
  const emit = hub.emit.bind(hub)
  hub.emit = (event) => {
    events.push(event)
    emit(event)
  }
  const store = new CatalogStore({
    own,
    rules: {
      purgeAfterMs: PURGE_AFTER_MS,
      tombstoneMs: 600_000,
      maxDriftMs: 50_000,
      recordsMax: 10_000,
      contentBytesMax: 2 ** 26,
      ...rules,
    },
    clock,
    events: hub,
    metrics,
    logger: silentLogger,
    learn: (peer) => learnt.push(peer),
  })
  return { store, own, clock, registry, metrics, hub, events, learnt }
}

/** Records of that many different peers, stamped at the given time. */
export function manyRecords(count: number, nowMs: number): (EntryRecord & SignedRecord)[] {
  return Array.from({ length: count }, (_, i) => entryRecord(`many-${i}`, { run: nowMs, tags: [`tag-${i}`] }))
}
