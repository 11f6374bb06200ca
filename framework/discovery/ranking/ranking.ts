import type { RttTracker } from '#framework/network'
import {
  Condition,
  Watch,
  type Clock,
  type PeerId,
  type ReadonlyWatch,
  type Timer,
} from '#framework/primitives'
import type { Catalog } from '../catalog.js'
import type { Preference } from './preference.js'
import { noRanking, rank, thresholdsOf, type RankingState, type RankOptions } from './rank.js'
import type { RankingResult } from './result.js'

/**
 * How long changes are collected before peers are ranked again, in milliseconds, and for how many peers it is one more: news
 * tend to come in swarms, and ranking ten thousand peers takes some fifty milliseconds, which had better not be ten times a
 * second.
 */
const COLLECT_MS = 100
const COLLECT_PEERS_PER_MS = 10

/** Whom to rank, and what the ranking cannot know by itself. */
export interface RankingOptions extends RankOptions {
  /**
   * Which peers count as chosen so far, for who may not have been able to act on the last choice. Default: those that were
   * chosen last.
   */
  readonly incumbents?: () => Iterable<PeerId>
}

export interface RankingParts extends RankingOptions {
  readonly catalog: ReadonlyWatch<Catalog>
  readonly rtt: RttTracker
  readonly preference: Preference
  readonly maxRttMs: number
  readonly clock: Clock
  /** Peers were ranked again. */
  readonly onRanked: (choiceChanged: boolean) => void
  readonly onClosed: (ranking: Ranking) => void
}

/** Conditions on a ranking, to be awaited. */
export interface RankingConditions {
  /** At least `count` peers, by default one, are chosen. */
  chosen(count?: number): Condition<readonly PeerId[]>
}

/**
 * A ranking that follows the catalog and the round trips. A peer that was chosen stays chosen until another one is clearly
 * better, and stays so (`hysteresis` of its preference). Ends when it is closed, or with discovery.
 */
export class Ranking implements Disposable {
  readonly #parts: RankingParts
  readonly #result: Watch<RankingResult>
  readonly #chosen: Watch<readonly PeerId[]>
  readonly #unsubscribers: (() => void)[]
  #state: RankingState = noRanking
  #unmeasured: readonly PeerId[] = []
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined
  #closed = false

  constructor(parts: RankingParts) {
    const { catalog, rtt, preference, maxRttMs } = parts
    this.#parts = parts
    const result = this.#rank()
    this.#result = new Watch(result)
    this.#chosen = new Watch(result.chosen)
    const onChange = (): void => {
      const collectMs = COLLECT_MS + Math.floor(catalog.value.size / COLLECT_PEERS_PER_MS)
      this.#evaluateBy(parts.clock.monotonic() + collectMs)
    }
    this.#unsubscribers = [
      catalog.subscribe(onChange, (cause) => this.#close(cause)),
      rtt.subscribe(onChange, { thresholdsMs: thresholdsOf(preference, maxRttMs) }),
    ]
  }

  /** All candidates, with what counted for and against each. */
  get result(): ReadonlyWatch<RankingResult> {
    return this.#result.asReadonly()
  }

  /** The chosen peers, the best first. Changes when others are chosen, not when only their order is another. */
  get chosen(): ReadonlyWatch<readonly PeerId[]> {
    return this.#chosen.asReadonly()
  }

  /** Peers whose round trip would matter and is not known. */
  get unmeasured(): readonly PeerId[] {
    return this.#unmeasured
  }

  /** Conditions to be awaited. */
  when(): RankingConditions {
    return {
      chosen: (count = 1) =>
        new Condition(this.chosen, ({ length }) => length >= count, { name: `${count} peers are chosen` }),
    }
  }

  /** Ranks again at once: for who knows of a change on which the candidates or the incumbents depend. */
  refresh(): void {
    if (this.#closed) return
    this.#timer?.timer.cancel()
    this.#evaluate()
  }

  /** Follows no further. Idempotent. */
  close(): void {
    this.#close(undefined)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #rank(): RankingResult {
    const { catalog, rtt, clock, incumbents } = this.#parts
    const input = {
      ...this.#parts,
      catalog: catalog.value,
      rttMs: (peer: PeerId) => rtt.ms(peer),
      nowMs: clock.monotonic(),
    }
    const { choice } = this.#state
    const chosen = incumbents === undefined ? choice.chosen : new Set(incumbents())
    const before = { ...this.#state, choice: { ...choice, chosen } }
    const { result, state, unmeasured, dueAtMs } = rank(input, before)
    this.#state = state
    this.#unmeasured = unmeasured
    this.#evaluateBy(dueAtMs)
    return result
  }

  #evaluate(): void {
    this.#timer = undefined
    const result = this.#rank()
    const choiceChanged = !sameMembers(result.chosen, this.#chosen.value)
    this.#parts.onRanked(choiceChanged)
    this.#result.set(result)
    if (choiceChanged) this.#chosen.set(result.chosen)
  }

  #evaluateBy(atMs: number): void {
    if (this.#closed || atMs === Infinity || (this.#timer && this.#timer.atMs <= atMs)) return
    this.#timer?.timer.cancel()
    const { clock } = this.#parts
    const timer = clock.after(atMs - clock.monotonic(), () => this.#evaluate())
    this.#timer = { timer, atMs }
  }

  #close(cause: unknown): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.timer.cancel()
    for (const unsubscribe of this.#unsubscribers) unsubscribe()
    this.#result.end(cause)
    this.#chosen.end(cause)
    this.#parts.onClosed(this)
  }
}

function sameMembers(a: readonly PeerId[], b: readonly PeerId[]): boolean {
  if (a.length !== b.length) return false
  const members = new Set(a)
  return b.every((peer) => members.has(peer))
}
