import { Backoff, type PeerId, type Random } from '#framework/primitives'
import type { SlotRecord } from './slot-record.js'

/** How many slots a connected node looks at besides its own: all nodes together see all slots, and no slot sees all nodes. */
const WATCHED = 3

/** How many occupants a connected node checks at a time: nothing presses then. */
const CONNECTED_CHECKS_MAX = 1

/** After how many checks in vain an occupant counts as dead; one alone may be our own fault. */
const DEAD_AFTER = 2

/** How many times in a row a conflict is answered with another attempt soon; after that, the next poll has to do. */
const CONFLICTS_MAX = 4

/** How many setbacks in a row make us believe that somebody keeps us out on purpose. */
const SETBACKS_MAX = 2

/** What was found in a slot. */
export type SlotView =
  /** The DHT did not say. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'empty' }
  /** Something that no member has put there, or a member with a mistake. */
  | { readonly kind: 'unreadable'; readonly seq: number }
  | { readonly kind: 'record'; readonly seq: number; readonly record: SlotRecord }

/** Where to put our record, and what must be there now for that. */
export interface Publication {
  readonly slot: number
  readonly seq: number
  /** The sequence number that is there, or 0, which none of ours has: then only where there is nothing. */
  readonly cas: number
}

export interface SlotSituation {
  /** The peers that are connected, and so have shown that they are of our network. */
  readonly connected: ReadonlySet<PeerId>
  /** Unix time, which is what records are stamped with. */
  readonly nowMs: number
  /** Monotonic time, which is what everything else is counted in. */
  readonly monotonicMs: number
}

export interface SlotPlanOptions {
  readonly self: PeerId
  readonly slots: number
  /** How long a record is good that nobody has renewed, in milliseconds. */
  readonly ttlMs: number
  /** How far another's clock may be ahead, in milliseconds. */
  readonly maxDriftMs: number
  /** How long an occupant that did not answer is left alone, in milliseconds; twice as long each further time. */
  readonly recheckMs: number
  readonly random: Random
}

interface Slot {
  view: SlotView
  /** How many checks of the present occupant were in vain. */
  failures: number
  checkAtMs: number
  /** The occupant has shown that it is of our network. */
  proven: boolean
  /** Not to be tried before: we could not outrank what is there. */
  barredUntilMs: number
}

/**
 * What to do with a set of slots: which to look at, which occupants to check, and whether to put our own record into
 * one. Pure; only what the situation says is known.
 *
 * Nothing an occupant says of itself makes it one to be kept: only that a connection to it was admitted, which takes the
 * peer's key and the network. Who has not shown that in two attempts may be replaced, and what is no record, or one that
 * nobody has renewed, at once. Records are renewed at half of their time.
 */
export class SlotPlan {
  readonly #options: SlotPlanOptions
  readonly #slots: Slot[]
  readonly #watched: ReadonlySet<number>
  readonly #backoff: Backoff
  /** The slots that were looked at last: what is known of others may be long out of date. */
  #looked: ReadonlySet<number> = new Set()
  /** Where we have put our record last, until it is found to be there no more. */
  #own: number | undefined
  #publishAtMs = -Infinity
  #retryAtMs = Infinity
  #conflicts = 0
  /** How often our record was displaced, rejected or too late, since it was last found where we had put it. */
  #setbacks = 0

  constructor(options: SlotPlanOptions) {
    this.#options = options
    this.#slots = Array.from({ length: options.slots }, () => ({
      view: { kind: 'unknown' as const },
      failures: 0,
      checkAtMs: -Infinity,
      proven: false,
      barredUntilMs: -Infinity,
    }))
    this.#watched = new Set(sample([...this.#slots.keys()], WATCHED, options.random))
    this.#backoff = new Backoff({ initialMs: 500, factor: 2, maxMs: options.ttlMs }, options.random)
  }

  /** When to come back before the next poll is due, after a conflict. */
  get retryAtMs(): number {
    return this.#retryAtMs
  }

  /** Which slots to look at: all when we are alone, else a few that chance has chosen once, and ours. */
  look(connected: ReadonlySet<PeerId>): number[] {
    const all = [...this.#slots.keys()]
    if (connected.size === 0) return all
    const ours = [this.#own, this.#ownSlot()]
    return all.filter((slot) => this.#watched.has(slot) || ours.includes(slot))
  }

  /** What was found. Slots that were not looked at are as they were. */
  see(views: ReadonlyMap<number, SlotView>, { nowMs, monotonicMs }: SlotSituation): void {
    this.#retryAtMs = Infinity
    this.#looked = new Set(views.keys())
    for (const [index, found] of views) {
      const slot = this.#slots[index]!
      const view = this.#judged(found, nowMs)
      if (occupantOf(view) !== occupantOf(slot.view) && view.kind !== 'unknown') {
        Object.assign(slot, { failures: 0, checkAtMs: -Infinity, proven: false })
      } else if (whereabouts(view) !== whereabouts(slot.view)) {
        // Worth another try. What it failed before still counts, or one that moves all the time would keep its slot.
        slot.checkAtMs = -Infinity
      }
      slot.view = view
    }
    if (this.#own !== undefined && views.has(this.#own)) this.#lookForOwn(this.#own, monotonicMs)
  }

  /** Which occupants to connect to now, in the order of chance; what comes of it is reported by {@link onChecked}. */
  checks({ connected, nowMs, monotonicMs }: SlotSituation): SlotRecord[] {
    const due = new Map<PeerId, SlotRecord>()
    for (const index of this.#looked) {
      const slot = this.#slots[index]!
      if (slot.view.kind !== 'record' || slot.view.record.peer === this.#options.self) continue
      const { record } = slot.view
      if (connected.has(record.peer)) this.onChecked(record, true, monotonicMs)
      // One that has shown itself, and goes on renewing its record, is left in peace: others are many.
      const isTrusted = slot.proven && connected.size > 0 && !this.#isStale(record, nowMs)
      if (isTrusted || connected.has(record.peer) || slot.checkAtMs > monotonicMs) continue
      if (connected.size > 0 && !this.#watched.has(index)) continue
      due.set(record.peer, record)
    }
    const checks = [...due.values()]
    return sample(checks, connected.size > 0 ? CONNECTED_CHECKS_MAX : checks.length, this.#options.random)
  }

  /** @param alive Whether a connection was admitted. Goes for all slots of that occupant. */
  onChecked({ peer }: SlotRecord, alive: boolean, monotonicMs: number): void {
    for (const slot of this.#slots) {
      if (slot.view.kind !== 'record' || slot.view.record.peer !== peer) continue
      slot.proven = alive
      slot.failures = alive ? 0 : slot.failures + 1
      const pauseMs = Math.min(this.#options.recheckMs * 2 ** (slot.failures - 1), this.#options.ttlMs)
      slot.checkAtMs = alive ? -Infinity : monotonicMs + pauseMs
    }
  }

  /**
   * Where to put our record now, if anywhere.
   *
   * @param addresses Those that the record would have.
   */
  publication(addresses: readonly string[], situation: SlotSituation): Publication | undefined {
    if (addresses.length === 0) return undefined
    if (situation.monotonicMs < this.#publishAtMs) return undefined
    const own = this.#ownSlot()
    if (own !== undefined) return this.#renewal(own, addresses, situation)
    // Whether what we have published is still there, the DHT did not say.
    if (this.#own !== undefined) return undefined
    const [slot] = sample(this.#candidates(situation), 1, this.#options.random)
    return slot === undefined ? undefined : this.#publicationIn(slot, situation)
  }

  onPublished({ slot }: Publication): void {
    this.#own = slot
    this.#slots[slot]!.view = { kind: 'unknown' }
    this.#conflicts = 0
  }

  /** Somebody else was faster. */
  onConflict(monotonicMs: number): void {
    this.#conflicts++
    this.#setbacks++
    this.#publishAtMs = monotonicMs + this.#backoff.next()
    if (this.#conflicts <= CONFLICTS_MAX) this.#retryAtMs = this.#publishAtMs
  }

  /** What is there cannot be outranked, although we did not see it. Another slot can be tried at once. */
  onRejected({ slot }: Publication, monotonicMs: number): void {
    this.#slots[slot]!.barredUntilMs = monotonicMs + this.#options.ttlMs
    this.#slots[slot]!.view = { kind: 'unknown' }
    this.#own = undefined
    this.#setbacks++
  }

  /**
   * Whether these slots serve the network no more, as far as we see: no member is found in them, and there is no place
   * for one, or none that lasts. Somebody holds them against the network.
   */
  isContested(situation: SlotSituation): boolean {
    const seen = [...this.#looked]
      .map((slot) => this.#slots[slot]!)
      .filter(({ view }) => view.kind !== 'unknown')
    if (seen.length === 0 || this.#own !== undefined || this.#ownSlot() !== undefined) return false
    if (seen.some(({ proven }) => proven)) return false
    return this.#setbacks >= SETBACKS_MAX || this.#candidates(situation).length === 0
  }

  /** A record from the future, beyond what clocks differ by, would never grow old: it counts as none. */
  #judged(view: SlotView, nowMs: number): SlotView {
    if (view.kind !== 'record' || view.record.publishedAtMs <= nowMs + this.#options.maxDriftMs) return view
    return { kind: 'unreadable', seq: view.seq }
  }

  #lookForOwn(index: number, monotonicMs: number): void {
    const { view } = this.#slots[index]!
    if (view.kind === 'unknown') return
    if (this.#isOwn(view)) {
      this.#setbacks = 0
      this.#backoff.reset()
      return
    }
    this.#setbacks++
    this.#own = undefined
    this.#publishAtMs = monotonicMs + this.#backoff.next()
  }

  #renewal(slot: number, addresses: readonly string[], situation: SlotSituation): Publication | undefined {
    const { view } = this.#slots[slot]!
    if (view.kind !== 'record') return undefined
    const ageMs = situation.nowMs - view.record.publishedAtMs
    const isSame = view.record.addresses.join() === addresses.join()
    if (isSame && ageMs >= 0 && ageMs < this.#options.ttlMs / 2) return undefined
    return this.#publicationIn(slot, situation)
  }

  #publicationIn(slot: number, { nowMs }: SlotSituation): Publication {
    const { view } = this.#slots[slot]!
    if (!('seq' in view)) return { slot, seq: nowMs, cas: 0 }
    return { slot, seq: Math.max(view.seq + 1, nowMs), cas: view.seq }
  }

  /** The slots that we may take, of the best kind there is: those that nobody has, then nobody's, then those of the dead. */
  #candidates({ nowMs, monotonicMs }: SlotSituation): number[] {
    const kinds: number[][] = [[], [], []]
    for (const index of this.#looked) {
      const { view, failures, barredUntilMs } = this.#slots[index]!
      if (barredUntilMs > monotonicMs || view.kind === 'unknown') continue
      if (view.kind === 'empty') kinds[0]!.push(index)
      // Sequence numbers end somewhere, and who wants to keep a slot for ever begins there.
      else if (view.seq >= Number.MAX_SAFE_INTEGER) continue
      else if (view.kind === 'unreadable' || this.#isStale(view.record, nowMs)) kinds[1]!.push(index)
      else if (failures >= DEAD_AFTER) kinds[2]!.push(index)
    }
    return kinds.find((kind) => kind.length > 0) ?? []
  }

  #isStale({ publishedAtMs }: SlotRecord, nowMs: number): boolean {
    return nowMs - publishedAtMs > this.#options.ttlMs
  }

  /** The slot with our record; where there are several, the one that we renew, and the others grow old. */
  #ownSlot(): number | undefined {
    if (this.#own !== undefined && this.#isOwn(this.#slots[this.#own]!.view)) return this.#own
    const found = this.#slots.findIndex(({ view }) => this.#isOwn(view))
    return found === -1 ? undefined : found
  }

  #isOwn(view: SlotView): boolean {
    return view.kind === 'record' && view.record.peer === this.#options.self
  }
}

function occupantOf(view: SlotView): string {
  return view.kind === 'record' ? view.record.peer : view.kind
}

function whereabouts(view: SlotView): string {
  return view.kind === 'record' ? view.record.addresses.join() : ''
}

/** Up to `count` of the items, chosen and ordered by chance. */
function sample<T>(items: readonly T[], count: number, random: Random): T[] {
  return items
    .map((item) => ({ item, place: random.float() }))
    .toSorted((a, b) => a.place - b.place)
    .slice(0, count)
    .map(({ item }) => item)
}
