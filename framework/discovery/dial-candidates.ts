import type { DialTarget } from '#framework/network'
import type { PeerId } from '#framework/primitives'
import type { DialAttempts } from './dial-attempts.js'

/** How many lasting candidates are remembered, over all sources. */
const LASTING_MAX = 256

/** How many others are remembered of each source. One source that makes them up without end takes no room from the rest. */
const FOUND_PER_SOURCE_MAX = 64

/** How many addresses one candidate has. */
const ADDRESSES_MAX = 8

/** A candidate that neither answered nor was found again for so long is dropped, in milliseconds, unless we are alone. */
const KEEP_MS = 24 * 60 * 60_000

/** Where a candidate comes from. */
export interface CandidateOrigin {
  /** The name of the source. */
  readonly source: string
  /** Somebody has written it down: it is never dropped, and tried for as long as it takes. */
  readonly isLasting: boolean
}

/** Somebody who may be a peer. */
export interface Candidate extends CandidateOrigin {
  readonly key: string
  addresses: readonly string[]
  /** Who is meant: nobody else is accepted. */
  readonly named: PeerId | undefined
  /** Who is meant, or who has answered there last. */
  peer: PeerId | undefined
  /** When it was found, or has answered, last. */
  freshAtMs: number
  readonly attempts: DialAttempts
}

/** What became of an attempt to add one. `renewed`: it was known, and has got further addresses. */
export type AddResult = 'added' | 'renewed' | 'known' | 'full'

/**
 * The candidates that are known. Bounded for each source; when one is full, the candidate of it that has failed most often
 * gives way to the newcomer, and one that was not tried yet never does. Pure; times are on the monotonic clock.
 */
export class DialCandidates {
  readonly #candidates = new Map<string, Candidate>()
  readonly #makeAttempts: () => DialAttempts

  constructor(makeAttempts: () => DialAttempts) {
    this.#makeAttempts = makeAttempts
  }

  get size(): number {
    return this.#candidates.size
  }

  get(key: string): Candidate | undefined {
    return this.#candidates.get(key)
  }

  [Symbol.iterator](): Iterator<Candidate> {
    return this.#candidates.values()
  }

  /** The candidates of each source; the lasting ones are one group, whatever their sources. */
  groups(): Map<string, Candidate[]> {
    return Map.groupBy(this.#candidates.values(), groupOf)
  }

  add(target: DialTarget, origin: CandidateOrigin, nowMs: number): AddResult {
    const key = keyOf(target, origin)
    const known = this.#candidates.get(key)
    if (known) {
      known.freshAtMs = nowMs
      const addresses = [...new Set([...(target.addresses ?? []), ...known.addresses])].slice(
        0,
        ADDRESSES_MAX,
      )
      const isRenewed = addresses.some((address) => !known.addresses.includes(address))
      known.addresses = addresses
      return isRenewed ? 'renewed' : 'known'
    }
    if (!this.#makeRoom(origin)) return 'full'
    this.#candidates.set(key, {
      ...origin,
      key,
      addresses: (target.addresses ?? []).slice(0, ADDRESSES_MAX),
      named: target.peer,
      peer: target.peer,
      freshAtMs: nowMs,
      attempts: this.#makeAttempts(),
    })
    return 'added'
  }

  remove(candidate: Candidate): void {
    this.#candidates.delete(candidate.key)
  }

  /** Drops what nobody has found again for long. */
  expire(nowMs: number): void {
    for (const candidate of this.#candidates.values()) {
      const { isLasting, freshAtMs, attempts } = candidate
      if (!isLasting && !attempts.isRunning && freshAtMs + KEEP_MS <= nowMs) this.remove(candidate)
    }
  }

  #makeRoom(origin: CandidateOrigin): boolean {
    const group = groupOf(origin)
    const others = [...this.#candidates.values()].filter((candidate) => groupOf(candidate) === group)
    if (others.length < (origin.isLasting ? LASTING_MAX : FOUND_PER_SOURCE_MAX)) return true
    if (origin.isLasting) return false
    const [worst] = others
      .filter(({ attempts }) => attempts.failures > 0 && !attempts.isRunning)
      .toSorted((a, b) => b.attempts.failures - a.attempts.failures || a.freshAtMs - b.freshAtMs)
    if (worst) this.remove(worst)
    return worst !== undefined
  }
}

function groupOf({ source, isLasting }: CandidateOrigin): string {
  return isLasting ? 'lasting' : `found ${source}`
}

/** By the peer where it is named, so that what is said of one peer is one candidate. */
function keyOf({ peer, addresses }: DialTarget, { source }: CandidateOrigin): string {
  return `candidate ${source} ${peer ?? (addresses ?? []).join(' ')}`
}
