import { digestOf, peerIdFromHex, type PeerId } from '#framework/primitives'
import type { Catalog } from '../../framework/discovery/catalog.js'
import type { EntryContent, PeerEntry } from '../../framework/discovery/entry.js'
import { prefer, type Preference } from '../../framework/discovery/ranking/preference.js'
import {
  rank,
  type Candidates,
  type RankOutcome,
  type RankingState,
} from '../../framework/discovery/ranking/rank.js'
import type { RankedPeer, Reason } from '../../framework/discovery/ranking/result.js'
import { contentOf, network } from './support.js'

/** A peer as a test describes it: how far away it is, and what it says of itself. */
export interface Described extends Partial<Pick<EntryContent, 'tags' | 'labels'>> {
  readonly rttMs?: number
}

const ids = new Map<string, PeerId>()

/** The same name always gives the same id. */
export function peerNamed(name: string): PeerId {
  const known = ids.get(name) ?? peerIdFromHex(digestOf(name))
  ids.set(name, known)
  return known
}

export function entryNamed(name: string, content: Partial<EntryContent> = {}): PeerEntry {
  return { ...contentOf(content), network, peer: peerNamed(name), version: { run: 1, update: 1 } }
}

/** A catalog of the given peers, as a node of that name has it. */
export function catalogOf(
  peers: Readonly<Record<string, Described>>,
  me: Described = {},
  self = 'me',
): Catalog {
  const own = entryNamed(self, contentIn(me))
  const entries = new Map(
    Object.entries(peers).map(([name, each]) => [peerNamed(name), entryNamed(name, contentIn(each))]),
  )
  return {
    me: own,
    peers: entries,
    unsigned: new Set(),
    size: entries.size,
    get: (peer) => (peer === own.peer ? own : entries.get(peer)),
    changedSince: () => [own.peer, ...entries.keys()],
  }
}

export interface RankOptions {
  readonly preference?: Preference
  readonly me?: Described
  /** The name of the node that ranks. */
  readonly self?: string
  readonly candidates?: Candidates
  readonly maxRttMs?: number
  readonly nowMs?: number
  readonly before?: RankingState
}

/** Ranks described peers. */
export function rankOf(peers: Readonly<Record<string, Described>>, options: RankOptions = {}): RankOutcome {
  const { preference = prefer(), me, self, candidates, maxRttMs = Infinity, nowMs = 0, before } = options
  const rtts = new Map(Object.entries(peers).map(([name, { rttMs }]) => [peerNamed(name), rttMs]))
  const rttMs = (peer: PeerId): number | undefined => rtts.get(peer)
  return rank({ catalog: catalogOf(peers, me, self), preference, candidates, rttMs, maxRttMs, nowMs }, before)
}

/** The names of ranked peers, in order. */
export function namesOf(peers: readonly PeerId[], names: Iterable<string>): string[] {
  const byPeer = new Map([...names].map((name) => [peerNamed(name), name]))
  return peers.map((peer) => byPeer.get(peer) ?? peer)
}

/** What was said of one peer. */
export function reasonsOf(outcome: RankOutcome, name: string): readonly Reason[] {
  return rankedIn(outcome, name).reasons
}

export function rankedIn({ result }: RankOutcome, name: string): RankedPeer {
  const found = result.ranked.find(({ peer }) => peer === peerNamed(name))
  if (!found) throw new Error(`${name} was not ranked`)
  return found
}

function contentIn({ tags = [], labels = {} }: Described): Partial<EntryContent> {
  return { tags, labels }
}
