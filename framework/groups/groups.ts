import {
  MosaikError,
  digestOf,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type GroupId,
  type Logger,
  type Random,
} from '#framework/primitives'
import type { Discovery } from '#framework/discovery'
import type { Host } from '#framework/network'
import { BondService } from './bond/bond-service.js'
import { bondMetrics } from './bond/metrics.js'
import { groupIdOf } from './bond/group-id.js'
import { timingOf, type GroupTiming } from './bond/group-timing.js'
import type { Group } from './group.js'
import { GroupHandle } from './group-handle.js'
import type { Founding, GroupOptions } from './group-options.js'
import { ReplicatedMachine } from './machine/replicated-machine.js'
import type { FoundingPolicy } from './raft/founding.js'
import { DEFAULT_MEMBERSHIP } from './raft/membership-policy.js'
import { MemoryStorages, type StorageProvider } from './storage/index.js'
import { stateSyncOf, stateSyncSignature } from './sync/state-sync.js'
import { DEFAULT_SYNC } from './sync/sync-settings.js'
import { Bundles } from './worker/bundles.js'
import { GroupWorker } from './worker/group-worker.js'
import { Ticker, tickMs } from './worker/ticker.js'

/** How long leaving may take: being taken out of the configuration, in milliseconds. */
const leaveMs = 3_000
/** How long a member waits for others before it founds a group by itself, in milliseconds; an election timeout is added. */
const patienceMs = 3_000
/** For how many election timeouts nothing must have been asked of a group before it does without heartbeats. */
const quiesceAfterTimeouts = 2
const reluctance = 3

export interface GroupsOptions {
  readonly host: Host
  readonly discovery: Discovery
  /** Where groups are stored that do not say. Default: in memory. Whoever made it closes it, after the groups. */
  readonly storage?: StorageProvider | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  readonly logger?: Logger | undefined
}

interface Joined {
  readonly options: GroupOptions
  readonly worker: Promise<GroupWorker>
  handles: number
}

/**
 * The groups of one node.
 *
 * ```ts
 * const book = await groups.join({ key, machine: () => new OrderBook() })
 * const { result } = await book.execute({ place: order })
 * ```
 *
 * Closed before discovery and host, so that the others are told.
 */
export class Groups implements AsyncDisposable {
  readonly #options: Required<Omit<GroupsOptions, 'storage'>>
  readonly #storage: StorageProvider
  readonly #bonds: BondService
  readonly #ticker: Ticker
  readonly #bundles: Bundles
  readonly #unmirror: () => void
  readonly #joined = new Map<GroupId, Joined>()
  #closed: Promise<void> | undefined

  private constructor(options: GroupsOptions) {
    const { host, discovery, clock = systemClock, random = systemRandom, logger = silentLogger } = options
    this.#options = { host, discovery, clock, random, logger }
    this.#storage = options.storage ?? new MemoryStorages({ random })
    this.#bonds = new BondService({ host, discovery, clock, random, logger })
    this.#ticker = new Ticker(clock)
    this.#bundles = new Bundles(host.metrics)
    const { metrics } = host
    this.#unmirror = metrics.gauge(bondMetrics.quiescent).collect(() => this.#ticker.pausedCount)
  }

  /** @throws MosaikError `PROTOCOL_TAKEN` when the host has groups already. */
  static start(options: GroupsOptions): Groups {
    return new Groups(options)
  }

  /**
   * Joins a group. Whoever joins it again on this node with the same options gets another handle to the same member.
   *
   * @throws MosaikError `GROUP_ALREADY_JOINED` when the options differ, `GROUPS_CLOSED`, `GROUP_TIMING_INVALID`;
   *   GroupStorageError when the storage cannot be opened.
   */
  async join<C, R, Q, A>(options: GroupOptions<C, R, Q, A>): Promise<Group<C, R, Q, A>> {
    if (this.#closed !== undefined)
      throw new MosaikError('GROUPS_CLOSED', 'the groups of this node were closed')
    const setup = setupOf(options)
    let joined = this.#joined.get(setup.id)
    if (joined === undefined) {
      joined = {
        options: options as GroupOptions,
        worker: this.#start(options, setup) as Promise<GroupWorker>,
        handles: 0,
      }
      this.#joined.set(setup.id, joined)
      this.#forgetWhenOver(setup.id, joined)
    } else if (!isSame(joined.options, options as GroupOptions)) {
      throw new MosaikError('GROUP_ALREADY_JOINED', 'this node is in the group already, with other options')
    }
    joined.handles++
    const { clock, random } = this.#options
    const worker = (await joined.worker) as unknown as GroupWorker<C, R, Q, A>
    return new GroupHandle<C, R, Q, A>({
      worker,
      consistency: options.consistency ?? 'strong',
      isReader: options.role === 'reader',
      clock,
      random,
      release: () => this.#release(setup.id, joined),
    })
  }

  /**
   * Ends this node's part in all groups: hands leadership over, and says goodbye. Members with durable storage stay in the
   * configurations, because they come back; the others are taken out. Idempotent.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const leaving = [...this.#joined.values()].map(async ({ worker }) => {
      const started = await worker.catch(() => undefined)
      await started?.close(leaveMs, true)
    })
    await Promise.all(leaving)
    this.#joined.clear()
    await this.#bonds.close()
    this.#unmirror()
  }

  /** A group that has failed, or could not be started, can be joined anew, whoever still has a handle of it. */
  #forgetWhenOver(id: GroupId, joined: Joined): void {
    const forget = (): void => {
      if (this.#joined.get(id) === joined) this.#joined.delete(id)
    }
    joined.worker.then(({ signal }) => signal.addEventListener('abort', forget, { once: true }), forget)
  }

  async #release(id: GroupId, joined: Joined): Promise<void> {
    joined.handles--
    if (joined.handles > 0) return
    if (this.#joined.get(id) === joined) this.#joined.delete(id)
    await (await joined.worker).close(leaveMs, false)
  }

  #start<C, R, Q, A>(options: GroupOptions<C, R, Q, A>, setup: Setup): Promise<GroupWorker<C, R, Q, A>> {
    const { host, clock, random, logger } = this.#options
    const { id, timing, parameters } = setup
    const ticks = (ms: number): number => Math.max(1, Math.round(ms / tickMs))
    const foundingTicks = ticks(patienceMs + timing.electionTimeoutMs)
    return GroupWorker.start<C, R, Q, A>({
      id,
      peer: host.peerId,
      bonds: this.#bonds,
      membership: { key: options.key, parameters, role: options.role ?? 'member' },
      storages: options.storage ?? this.#storage,
      machine: new ReplicatedMachine({ groupId: id, factory: options.machine }),
      raft: {
        heartbeatTicks: ticks(timing.heartbeatIntervalMs),
        electionTicks: ticks(timing.electionTimeoutMs),
        electionJitterTicks: ticks(timing.electionJitterMs),
        quiesceAfterTicks: ticks(quiesceAfterTimeouts * timing.electionTimeoutMs),
        electionFactor: options.leadership === 'reluctant' ? reluctance : 1,
      },
      founding: foundingPolicyOf(options, foundingTicks),
      stillbornAfterTicks: 3 * foundingTicks,
      limits: {
        maxVoters: options.maxVoters ?? DEFAULT_MEMBERSHIP.maxVoters,
        evictAfterTicks:
          options.evictAfterMs === undefined
            ? DEFAULT_MEMBERSHIP.evictAfterTicks
            : ticks(options.evictAfterMs),
      },
      reformAfterTicks: setup.reformAfterMs === undefined ? undefined : ticks(setup.reformAfterMs),
      ticker: this.#ticker,
      bundles: this.#bundles,
      clock,
      random,
      logger,
    })
  }
}

/** What a group is known by, and what that is made of. */
interface Setup {
  readonly id: GroupId
  readonly timing: GroupTiming
  readonly parameters: Parameters<BondService['join']>[0]['parameters']
  /** Undefined: never. */
  readonly reformAfterMs: number | undefined
}

function setupOf<C, R, Q, A>(options: GroupOptions<C, R, Q, A>): Setup {
  const machine = options.machine()
  const timing = timingOf(options.timing)
  const { requireTicket = [] } = options
  const validators = Array.isArray(requireTicket) ? requireTicket : [requireTicket]
  const parameters = {
    timing,
    stateMachine: digestOf(machine.signature),
    stateSync: stateSyncSignature(stateSyncOf(machine), DEFAULT_SYNC),
    validators,
  }
  const reformAfterMs = reformAfterMsOf(options, timing)
  return { id: groupIdOf(options.key, parameters), timing, parameters, reformAfterMs }
}

/** @throws MosaikError `GROUP_TIMING_INVALID` when an election would not have the time to bring a leader. */
function reformAfterMsOf(
  { quorumLoss, role }: Pick<GroupOptions, 'quorumLoss' | 'role'>,
  { electionTimeoutMs, electionJitterMs }: GroupTiming,
): number | undefined {
  if (quorumLoss?.type !== 'reform') return undefined
  const { afterMs } = quorumLoss
  const afterMsMin = 2 * (electionTimeoutMs + electionJitterMs)
  if (!Number.isSafeInteger(afterMs) || afterMs < afterMsMin)
    throw new MosaikError('GROUP_TIMING_INVALID', `afterMs of reform must be at least ${afterMsMin}`, {
      details: { name: 'afterMs' },
    })
  // Readers count nowhere, and make nothing of what they have.
  return role === 'reader' ? undefined : afterMs
}

function foundingPolicyOf(
  {
    founding = { type: 'auto' },
    role,
  }: { readonly founding?: Founding | undefined; readonly role?: string | undefined },
  patienceTicks: number,
): FoundingPolicy {
  if (role === 'reader') return { type: 'join-only' }
  return founding.type === 'auto' || founding.type === 'declared' ? { ...founding, patienceTicks } : founding
}

/** Options are compared one by one: the machine and the validators are the very same, not only alike. */
function isSame(a: GroupOptions, b: GroupOptions): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof GroupOptions>
  names.delete('key')
  return [...names].every((name) => a[name] === b[name])
}
