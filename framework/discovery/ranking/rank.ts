import type { PeerId } from '#framework/primitives'
import type { Catalog } from '../catalog.js'
import type { PeerEntry } from '../entry.js'
import { peerInfoOf, type PeerInfo } from '../peer-info.js'
import { choose, noChoice, type ChoiceState } from './choice.js'
import { Latencies } from './latency.js'
import type { Preference } from './preference.js'
import type { Exclusion, RankedPeer, RankingResult } from './result.js'
import { exclusionOf, failedWith, scoreOf, type Score } from './score.js'

/** Who may be ranked: certain peers, or all of the catalog of which it is true. */
export type Candidates = Iterable<PeerId> | ((entry: PeerEntry) => boolean)

/** Whom to rank. */
export interface RankOptions {
  /** Default: all peers of the catalog. */
  readonly candidates?: Candidates
  /** Whether this node is a candidate as well, at no distance from itself. Default: false. */
  readonly includesSelf?: boolean
}

export interface RankInput {
  readonly catalog: Catalog
  readonly preference: Preference
  /** Default: all peers of the catalog. */
  readonly candidates?: Candidates | undefined
  readonly includesSelf?: boolean | undefined
  /** The smoothed round trip to a peer, in milliseconds, when it is known. */
  readonly rttMs: (peer: PeerId) => number | undefined
  /** The limit of discovery; that of the preference can only be lower. */
  readonly maxRttMs: number
  /** On the monotonic clock. */
  readonly nowMs: number
}

/** What a ranking has to remember of the one before. Immutable. */
export interface RankingState {
  readonly choice: ChoiceState
  /** Who was too far away. */
  readonly tooFar: ReadonlySet<PeerId>
}

export const noRanking: RankingState = { choice: noChoice, tooFar: new Set() }

export interface RankOutcome {
  readonly result: RankingResult
  readonly state: RankingState
  /** Peers whose round trip would have mattered, had it been known. */
  readonly unmeasured: readonly PeerId[]
  /** When, on the monotonic clock, to rank again although nothing has changed; Infinity when never. */
  readonly dueAtMs: number
}

/** Who was too far away has to come nearer than the limit by this part of it. */
const READMISSION = 0.9

interface Scored extends Score {
  readonly info: PeerInfo
}

interface Excluded {
  readonly peer: PeerId
  readonly info: PeerInfo | undefined
  readonly exclusion: Exclusion
}

/** The limits at which it matters that a round trip crosses them, in milliseconds. */
export function thresholdsOf(preference: Preference, maxRttMs: number): number[] {
  const limitMs = Math.min(preference.maxRttMs, maxRttMs)
  return limitMs === Infinity ? [] : [limitMs, READMISSION * limitMs]
}

/**
 * Ranks peers. Pure. The order is total and does not depend on that of the candidates. Equally good peers are ordered by
 * their distance from us in the space of ids, which is another order for everybody: else a whole network would choose the
 * same ones.
 */
export function rank(input: RankInput, before: RankingState = noRanking): RankOutcome {
  const { catalog, preference, nowMs } = input
  const { me } = catalog
  const limitMs = Math.min(preference.maxRttMs, input.maxRttMs)
  const { infos, excluded } = gather(input)
  // How far this node is from itself says nothing about others.
  const others = infos.filter(({ peer }) => peer !== me.peer)
  const latencies = new Latencies(me, others)
  const tooFar = new Set<PeerId>()
  const scored: Scored[] = []
  for (const info of infos) {
    const maxRttMs = before.tooFar.has(info.peer) ? READMISSION * limitMs : limitMs
    const exclusion = exclusionOf(info, preference, maxRttMs)
    if (exclusion === undefined) {
      scored.push({ info, ...scoreOf(info, preference, me, latencies) })
    } else {
      excluded.push({ peer: info.peer, info, exclusion })
      if (exclusion.because === 'max-rtt') tooFar.add(info.peer)
    }
  }
  const byDistance = (a: PeerId, b: PeerId): number => compareDistance(me.peer, a, b)
  scored.sort((a, b) => a.scoreMs - b.scoreMs || byDistance(a.info.peer, b.info.peer))
  excluded.sort((a, b) => byDistance(a.peer, b.peer))

  const choice = choose(
    scored.map(({ info, scoreMs }) => ({ peer: info.peer, scoreMs, assumed: isAssumed(info, preference) })),
    preference.k,
    before.choice,
    preference.hysteresis,
    nowMs,
  )
  const possible = scored.map(({ info, scoreMs, reasons }): RankedPeer => {
    const { peer } = info
    const chosen = choice.state.chosen.has(peer)
    return { peer, info, chosen, scoreMs, reasons: [...reasons, ...(choice.reasons.get(peer) ?? [])] }
  })
  const ranked = [
    ...possible.filter(({ chosen }) => chosen),
    ...possible.filter(({ chosen }) => !chosen),
    ...excluded.map(impossible),
  ]
  return {
    result: { ranked, chosen: ranked.filter(({ chosen }) => chosen).map(({ peer }) => peer) },
    state: { choice: choice.state, tooFar },
    unmeasured: unmeasuredOf(scored, preference, limitMs),
    dueAtMs: choice.dueAtMs,
  }
}

/** Those who can be judged, and those of whom nothing is known. */
function gather(input: RankInput): { infos: PeerInfo[]; excluded: Excluded[] } {
  const { catalog, candidates, includesSelf = false, rttMs } = input
  const { me } = catalog
  const infos: PeerInfo[] = []
  const excluded: Excluded[] = []
  const infoOf = (entry: PeerEntry): PeerInfo =>
    peerInfoOf(entry, entry.peer === me.peer ? 0 : rttMs(entry.peer))
  if (candidates === undefined || typeof candidates === 'function') {
    for (const entry of includesSelf ? [me, ...catalog.peers.values()] : catalog.peers.values()) {
      try {
        if (candidates === undefined || candidates(entry)) infos.push(infoOf(entry))
      } catch (error) {
        excluded.push({ peer: entry.peer, info: infoOf(entry), exclusion: failedWith(error) })
      }
    }
    return { infos, excluded }
  }
  for (const peer of new Set(candidates)) {
    const entry = includesSelf ? catalog.get(peer) : catalog.peers.get(peer)
    if (entry) infos.push(infoOf(entry))
    else excluded.push({ peer, info: undefined, exclusion: strangerIn(catalog, peer) })
  }
  return { infos, excluded }
}

function strangerIn({ me }: Catalog, peer: PeerId): Exclusion {
  return { kind: 'excluded', because: peer === me.peer ? 'self' : 'unknown-peer' }
}

function impossible({ peer, info, exclusion }: Excluded): RankedPeer {
  return { peer, info, chosen: false, scoreMs: undefined, reasons: [exclusion] }
}

function isAssumed({ rttMs }: PeerInfo, { latency }: Preference): boolean {
  return latency && rttMs === undefined
}

function unmeasuredOf(scored: readonly Scored[], { latency }: Preference, limitMs: number): PeerId[] {
  if (!latency && limitMs === Infinity) return []
  return scored.flatMap(({ info }) => (info.rttMs === undefined ? [info.peer] : []))
}

/** Compares the distances of two peers from a third one: the exclusive or of the ids, as in Kademlia. */
function compareDistance(from: PeerId, a: PeerId, b: PeerId): number {
  for (let i = 0; i < from.length; i++) {
    if (a[i] === b[i]) continue
    const ours = digitAt(from, i)
    return (digitAt(a, i) ^ ours) - (digitAt(b, i) ^ ours)
  }
  return 0
}

function digitAt(peer: PeerId, index: number): number {
  return Number.parseInt(peer[index] ?? '0', 16)
}
