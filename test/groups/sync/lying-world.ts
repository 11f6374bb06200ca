import { seededRandom, type Random } from '#framework/primitives'
import {
  configurationOf,
  murmurChain,
  RaftCore,
  type ClusterId,
  type Entry,
  type MemberId,
} from '#framework/groups/raft'
import { encodeConfiguration } from '../../../framework/groups/raft/configuration.js'
import { CatchUpPlan, type CatchUpAction } from '../../../framework/groups/sync/catch-up-plan.js'
import { DEFAULT_SYNC } from '../../../framework/groups/sync/sync-settings.js'
import type { Absent, Availability, Entries } from '../../../framework/groups/sync/sync-messages.js'

export const clusterId = 'c1'.repeat(16) as ClusterId
const self = 'self/1' as MemberId
const leader = 'leader/1' as MemberId
const term = 9
const founders = encodeConfiguration(configurationOf([self, leader]))

/**
 * - `honest`: has what it says, and answers in time, now and then twice;
 * - `silent`: never answers; `flaky`: answers now and then, and late; `vanishing`: is gone after a while;
 * - `corrupt`: its entries do not have the hashes that they say; `shifted`: they are others than were asked for;
 * - `boastful`: has nothing of what it says;
 * - `forging`: its entries follow each other, and are not those that are committed.
 */
export type Behaviour =
  'honest' | 'silent' | 'flaky' | 'vanishing' | 'corrupt' | 'shifted' | 'boastful' | 'forging'

export interface Peer {
  readonly behaviour: Behaviour
  /** The first entry that it has. */
  readonly firstIndex: number
}

export interface WorldOptions {
  readonly seed: number
  /** Committed entries of the leader. */
  readonly length: number
  readonly leader: Peer
  readonly peers: readonly Peer[]
  /** How far the own log is the true one, how much of that is known to be committed, and how much follows that is not. */
  readonly own: { readonly true: number; readonly committed: number; readonly false: number }
}

type Answer = Availability | Entries | Absent

interface Delivery {
  readonly dueMs: number
  readonly from: MemberId
  readonly answer: Answer
}

/** One member that catches up, in virtual time, among others that do what they do. */
export class LyingWorld {
  readonly core: RaftCore
  readonly plan: CatchUpPlan
  readonly truth: readonly Entry[]
  readonly #forgery: readonly Entry[]
  readonly #random: Random
  readonly #peers = new Map<MemberId, Peer>()
  #deliveries: Delivery[] = []
  #nowMs = 0

  constructor({ seed, length, leader: leaderPeer, peers, own }: WorldOptions) {
    this.#random = seededRandom(seed)
    this.truth = logOf(0, [], length, 'true')
    this.#forgery = logOf(Math.floor(length / 3), this.truth, length, 'forged')
    this.#peers.set(leader, leaderPeer)
    for (const [at, peer] of peers.entries()) this.#peers.set(`peer${at}/1` as MemberId, peer)
    const entries = logOf(own.true, this.truth, own.true + own.false, 'stale')
    this.core = new RaftCore({
      id: self,
      random: seededRandom(seed),
      restored: {
        hardState: { clusterId, term: term - 1, votedFor: undefined },
        entries,
        appliedIndex: own.committed,
      },
    })
    const ends = { clusterId, from: leader, to: self, term, round: 1, roundTick: 1 }
    const firstIndex = length + 1
    this.core.step({ ...ends, type: 'sync-required', firstIndex, commitIndex: length })
    this.#settle()
    let lastRequestId = 0
    this.plan = new CatchUpPlan({
      demand: { leader, firstIndex, commitIndex: length },
      members: this.#peers.keys(),
      own: this.core.status,
      nowMs: 0,
      takesSnapshots: false,
      settings: { ...DEFAULT_SYNC, batchEntries: 8 },
      nextRequestId: () => ++lastRequestId,
    })
  }

  /** Until the episode is over. Calls back after everything that happens. */
  run(onStep: () => void): void {
    while (this.plan.outcome === undefined) {
      for (;;) {
        const action = this.plan.next(this.core.status, this.#nowMs)
        if (action === undefined) break
        this.#perform(action)
        this.#settle()
        onStep()
      }
      if (this.plan.outcome !== undefined) return
      const dueMs = Math.min(this.plan.nextMs(this.#nowMs), ...this.#deliveries.map((each) => each.dueMs))
      if (dueMs <= this.#nowMs) throw new Error('time does not pass')
      this.#nowMs = dueMs
      this.#deliver()
    }
  }

  #perform(action: CatchUpAction): void {
    switch (action.type) {
      case 'ask':
      case 'fetch':
        return this.#answer(action)
      case 'append': {
        const count = this.core.appendFetched(action.entries)
        return this.plan.onAppended(count, this.core.status, this.#nowMs)
      }
      case 'commit': {
        const isSame = this.core.commitFetched(action.leader, action.entry)
        return this.plan.onCommitted(isSame, action.entry, this.core.status, this.#nowMs)
      }
      case 'install':
        throw new Error('there are no snapshots')
    }
  }

  #answer(action: Extract<CatchUpAction, { type: 'ask' | 'fetch' }>): void {
    const { member } = action
    const { behaviour, firstIndex } = this.#peers.get(member)!
    if (behaviour === 'silent' || (behaviour === 'flaky' && this.#random.float() < 0.5)) return
    if (behaviour === 'vanishing' && this.#nowMs > 50) return this.plan.onLost(member)
    const answer = this.#answerOf(action, behaviour, firstIndex)
    const slowness = behaviour === 'flaky' ? 30_000 : 20
    for (let copies = this.#random.float() < 0.2 ? 2 : 1; copies > 0; copies--)
      this.#deliveries.push({
        dueMs: this.#nowMs + 1 + this.#random.int(slowness),
        from: member,
        answer,
      })
  }

  #answerOf(
    action: Extract<CatchUpAction, { type: 'ask' | 'fetch' }>,
    behaviour: Behaviour,
    firstIndex: number,
  ): Answer {
    const { requestId } = action
    const { length } = this.truth
    if (action.type === 'ask') {
      const extent = behaviour === 'boastful' ? [1, 2 ** 50] : [firstIndex, length]
      return {
        type: 'availability',
        clusterId,
        requestId,
        firstIndex: extent[0]!,
        lastIndex: extent[1]!,
      }
    }
    const log = behaviour === 'forging' ? this.#forgery : this.truth
    const shift = behaviour === 'shifted' ? 1 : 0
    const entries = log
      .slice(action.firstIndex - 1 + shift, action.lastIndex + shift)
      .map((entry) => (behaviour === 'corrupt' ? { ...entry, timestampMs: 1 } : entry))
    if (entries.length === 0 || behaviour === 'boastful' || action.firstIndex < firstIndex)
      return { type: 'absent', clusterId, requestId }
    // Now and then less than what was asked for, as when entries are long.
    const count = 1 + this.#random.int(2 * entries.length)
    return {
      type: 'entries',
      clusterId,
      requestId,
      firstIndex: entries[0]!.index,
      entries: entries.slice(0, count),
    }
  }

  #deliver(): void {
    const due = this.#deliveries.filter(({ dueMs }) => dueMs <= this.#nowMs)
    this.#deliveries = this.#deliveries.filter(({ dueMs }) => dueMs > this.#nowMs)
    for (const { from, answer } of due) {
      if (answer.type === 'availability') this.plan.onAvailability(from, answer)
      else if (answer.type === 'entries') this.plan.onEntries(from, answer)
      else this.plan.onAbsent(from, answer)
    }
  }

  /** What is to be written is durable at once. */
  #settle(): void {
    while (this.core.hasReady) {
      const { id, mustPersist } = this.core.takeReady()
      if (mustPersist) this.core.persisted(id)
    }
  }
}

/** A log that goes on in another way behind the first entries of one that there is. */
function logOf(kept: number, from: readonly Entry[], length: number, text: string): Entry[] {
  const entries = from.slice(0, kept)
  for (let index = kept + 1; index <= length; index++) {
    const fields = {
      index,
      // As a leader does it, the first entry is the configuration.
      kind: index === 1 ? ('configuration' as const) : ('command' as const),
      term: Math.min(term - 1, 1 + Math.floor(index / 20)),
      commandCount: index === 1 ? 0 : 1,
      applicationIndex: index - 1,
      timestampMs: 0,
      payload: index === 1 ? founders : Buffer.from(`${text} ${index}`),
    }
    entries.push({ ...fields, hash: murmurChain.next(entries.at(-1)?.hash ?? 0, fields) })
  }
  return entries
}
