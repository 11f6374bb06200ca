import { hashBytes, encodeUtf8, messageOf, seededRandom, type PeerId } from '#framework/primitives'
import type { GroupTiming } from '../../../framework/groups/bond/group-timing.js'
import type { FoundingPolicy } from '../../../framework/groups/raft/founding.js'
import type { ClusterId, MemberId } from '../../../framework/groups/raft/types.js'
import { tickMs } from '../../../framework/groups/worker/ticker.js'
import { SimNetwork } from '../environment/network.js'
import { Timeline } from '../environment/timeline.js'
import { ViolationError } from '../invariants/invariant.js'
import { Nemesis } from '../world/nemesis.js'
import type { WorldPlan } from '../world/plan.js'
import type { Story } from '../world/story.js'
import { isMajorityGone, latestVoters, Referee, type WorldResult } from '../world/referee.js'
import { ClusterBook } from './cluster-book.js'
import { SimConnections } from './connections.js'
import { HandleClient } from './handle-client.js'
import { ProductionHost } from './host.js'
import type { GroupSetup } from './node.js'
import type { NodeMember } from './node-member.js'
import type { Process } from './process.js'
import { planTurningPoint } from './turning-point.js'
import { simulateTurns } from './turns.js'

/** The number of the first client. Those of hosts are lower. */
const FIRST_CLIENT = 100

/** One group of whole nodes of production on simulated hosts, its clients, everything that goes wrong, and everybody who watches. */
export class ProductionWorld {
  readonly #plan: WorldPlan
  readonly #timeline = new Timeline()
  readonly #referee: Referee
  readonly #book: ClusterBook
  readonly #hosts: readonly ProductionHost[]
  readonly #clients: readonly HandleClient[]
  /** The process that something happens to at the moment. */
  #running: Process | undefined
  /** The first thing that was wrong. */
  #violation: string | undefined

  constructor(plan: WorldPlan) {
    this.#plan = plan
    this.#referee = new Referee(plan)
    this.#book = new ClusterBook(plan)
    const random = (part: string) => seededRandom(`${plan.seed}/${part}`)
    const network = new SimNetwork<unknown>(this.#timeline, random('network'), plan.calmNetwork, () => {})
    const hosts = (): readonly ProductionHost[] => this.#hosts
    const connections = new SimConnections({ timeline: this.#timeline, network, hosts })
    const setup = setupOf(plan)
    this.#hosts = setup.peers.map((_, number) => this.#makeHost(number, setup, connections))
    this.#clients = Array.from({ length: plan.clientCount }, (_, i) => this.#makeClient(FIRST_CLIENT + i))
    const nemesis = new Nemesis({
      plan,
      timeline: this.#timeline,
      random: random('nemesis'),
      hosts: this.#hosts,
      clients: [],
      network,
      mayLose: () => this.#isSettled,
      operator: { toggle: (number) => this.#toggle(number) },
      trace: (what) => this.#say(undefined, what),
    })
    planTurningPoint({
      plan,
      timeline: this.#timeline,
      random: random('story'),
      hosts: this.#hosts,
      network,
      trace: (what) => this.#say(undefined, what),
    })
    this.#onArriving = (from, message) => {
      nemesis.arriving(from, message)
      // That it was sent is not seen before.
      nemesis.sending(from, message)
    }
  }

  readonly #onArriving: Nemesis['arriving']

  async run(): Promise<WorldResult> {
    const onUncaught = (error: unknown): void => this.#fail(`not caught: ${describe(error)}`)
    process.on('uncaughtException', onUncaught)
    process.on('unhandledRejection', onUncaught)
    using turns = simulateTurns((run) => this.#running?.soon(run))
    try {
      const { progressAtMs, endAtMs } = this.#plan
      for (const host of this.#hosts) host.start()
      await this.#passUntil(progressAtMs, () => turns.settled())
      for (const client of this.#clients) client.stop()
      await this.#passUntil(endAtMs, () => turns.settled())
      for (const client of this.#clients) client.abandon()
      if (this.#violation === undefined) this.#watch(() => this.#checkEnd())
    } finally {
      process.off('uncaughtException', onUncaught)
      process.off('unhandledRejection', onUncaught)
    }
    const statuses = this.#members.map(({ core }) => core.status)
    const result = this.#referee.result(
      { violation: this.#violation, isStalled: this.#isStalled() },
      statuses,
    )
    return { ...result, committedIndex: this.#book.committedIndex }
  }

  async #passUntil(untilMs: number, settled: () => Promise<void>): Promise<void> {
    while (this.#violation === undefined && this.#timeline.step(untilMs)) {
      // Most events are timers that were cancelled.
      const running = this.#running
      if (running === undefined) continue
      await settled()
      this.#running = undefined
      const host = this.#hosts.find(({ process }) => process === running)
      if (host !== undefined) this.#watch(() => this.#stepped(host))
    }
  }

  #makeHost(number: number, setup: GroupSetup, connections: SimConnections): ProductionHost {
    const { isVolatile, driftMax, syncMs, settings, seed } = this.#plan
    return new ProductionHost({
      number,
      setup,
      isVolatile,
      driftMax,
      syncMs: syncMs[number]!,
      bugs: settings.driverBugs,
      timeline: this.#timeline,
      random: seededRandom(`${seed}/host ${number}`),
      connections,
      onRun: (running) => (this.#running = running),
      trace: (host, what) => this.#say(host, what),
      observer: {
        started: (member, found, cluster) => {
          this.#say(number, `is ${nameOf(number, member.id)}`)
          this.#watch(() => this.#book.started(member, found, cluster, this.#timeline.nowMs))
        },
        entering: (member, cluster) =>
          this.#watch(() => this.#book.entering(member, cluster, this.#timeline.nowMs)),
        handedOut: (member, handedOut) => this.#watch(() => this.#book.handedOut(member, handedOut)),
        durable: (member, change) => this.#watch(() => this.#book.durable(member, change)),
        applied: (member, entry, commands) => {
          this.#say(number, `applies ${entry.index} ${entry.kind} of term ${entry.term}`)
          this.#watch(() => this.#book.applied(member, entry, commands))
        },
        restored: (member) => {
          this.#say(number, `goes on from a snapshot at ${member.appliedIndex}`)
          this.#watch(() => this.#book.restored(member))
        },
        discarded: (commands) => {
          this.#say(number, `gives up ${commands.length} commands`)
          this.#book.discarded(commands)
        },
        arriving: (from, message) => this.#onArriving(from, message),
        failed: (why) => this.#fail(`no divergence: h${number} ${why}`),
      },
    })
  }

  #makeClient(number: number): HandleClient {
    const { habits, seed, settings } = this.#plan
    return new HandleClient({
      number,
      habits,
      timeline: this.#timeline,
      random: seededRandom(`${seed}/client ${number}`),
      history: {
        complete: (client, input, invokedAt, at, output, cluster) => {
          this.#referee.history.complete(client, input, invokedAt, at, output)
          this.#book.complete({ client, input, invokedAt, at, output, cluster })
        },
        giveUp: (client, input, invokedAt) => {
          this.#referee.history.giveUp(client, input, invokedAt)
          this.#book.giveUp({ client, input, invokedAt })
        },
        refuse: (input) => this.#book.refuse(input),
      },
      answersWhenAppended: settings.driverBugs.answersWhenAppended === true,
      places: () =>
        this.#hosts.flatMap((host) => {
          const { process, node, hasLeft } = host
          if (process === undefined || node === undefined || hasLeft) return []
          // What was committed is told also while there is no member, because its disk is full.
          const cluster = () => node.worker.status.value.clusterId ?? host.cluster
          return [{ process, handle: () => node.handle(), cluster }]
        }),
      knownIndex: (cluster) => this.#book.knownIndexOf(cluster),
      learnIndex: (index, cluster) => this.#book.learnIndex(cluster, index),
      answeredRead: (read, index, cluster) =>
        this.#watch(() => this.#book.answeredRead(`client ${number}`, cluster, read, index)),
      completed: (client, invokedAt) => this.#referee.completed(client, invokedAt),
    })
  }

  /**
   * Everybody is in the group. As long as somebody is not, a founder that has lost its storage and another one that is about to
   * might take themselves for all the founders that there are, and found the group once more.
   */
  get #isSettled(): boolean {
    return this.#hosts.every(
      ({ member }) => member !== undefined && member.core.configuration.voters.length > 0,
    )
  }

  /**
   * Not before the group is founded, which takes all founders; and of those that lose their storage when they leave only one at
   * a time, for the same reason.
   */
  #toggle(number: number): void {
    const host = this.#hosts[number]!
    const isFounded = this.#hosts.some(({ member }) => (member?.core.status.commitIndex ?? 0) > 0)
    const leftCount = this.#hosts.filter(({ hasLeft }) => hasLeft).length
    const leftMax = this.#plan.isVolatile ? 1 : this.#hosts.length - 1
    if (host.hasLeft || (isFounded && leftCount < leftMax)) host.toggle()
  }

  #stepped(host: ProductionHost): void {
    const { member, node, number } = host
    if (node?.worker.signal.aborted === true && !host.hasLeft) {
      const { phase, cause } = node.worker.status.value
      throw new ViolationError('no member fails', `h${number} has ${phase}: ${describe(cause)}`)
    }
    if (member !== undefined) this.#book.stepped(member)
  }

  #checkEnd(): void {
    this.#book.checkHistories()
    if (this.#isStalled()) return
    if (this.#plan.story !== undefined) this.#checkClusters(this.#plan.story)
    this.#referee.checkProgress(
      this.#clients.map((_, i) => FIRST_CLIENT + i),
      this.#hosts,
    )
  }

  /** All have found together, whatever they were parts of in between. */
  #checkClusters(story: Story): void {
    const [last, ...others] = new Set(this.#clusters)
    if (last === undefined || others.length > 0) {
      const names = [last, ...others].map((cluster) => cluster ?? 'none')
      throw new ViolationError('progress', `at the end members are of the clusters ${names.join(', ')}`)
    }
    if (story === 'islands') this.#book.checkNothingIsLost(last)
  }

  /** Of every node that runs. */
  get #clusters(): (ClusterId | undefined)[] {
    return this.#hosts.flatMap(({ node }) => (node === undefined ? [] : [node.worker.status.value.clusterId]))
  }

  get #members(): NodeMember[] {
    return this.#hosts.flatMap(({ member }) => member ?? [])
  }

  /** Not before the group is founded. Stories have a way to go on, unless a majority was lost before the others heard of the founding. */
  #isStalled(): boolean {
    const { story } = this.#plan
    if (story !== undefined) return story === 'reform' && this.#clusters.every((id) => id === undefined)
    const voters = latestVoters(this.#members) ?? []
    if (voters.length === 0) return false
    return isMajorityGone(
      voters,
      this.#hosts.map(({ id }) => id),
    )
  }

  #say(host: number | undefined, what: string): void {
    this.#referee.trace.add(this.#timeline.nowMs, host, what)
  }

  /** What looks on must not throw into what it looks at. */
  #watch(look: () => void): void {
    try {
      look()
    } catch (error) {
      this.#fail(error instanceof ViolationError ? error.message : describe(error))
    }
  }

  #fail(why: string): void {
    this.#violation ??= why
  }
}

function setupOf(plan: WorldPlan): GroupSetup {
  const { seed, hostCount, settings } = plan
  const random = seededRandom(`${seed}/production`)
  const pick = <T>(...choices: readonly T[]): T => choices[random.int(choices.length)]!
  const ms = (ticks: number): number => Math.round(ticks * plan.tickMs)
  const timing: GroupTiming = {
    heartbeatIntervalMs: ms(settings.heartbeatTicks),
    heartbeatJitterMs: Math.floor(ms(settings.heartbeatTicks) * 0.3),
    missedHeartbeatsMax: pick(3, 10),
    electionTimeoutMs: ms(settings.electionTicks),
    electionJitterMs: ms(settings.electionJitterTicks),
  }
  const ticks = (ms: number): number => Math.max(1, Math.round(ms / tickMs))
  const peers = Array.from(
    { length: hostCount },
    (_, n) => hashBytes(encodeUtf8(`${seed}/peer ${n}`)) as string as PeerId,
  )
  const { appendEntriesMax, inFlightMessagesMax, tailEntriesMax } = settings
  const foundingTicks = 2 * ticks(timing.electionTimeoutMs)
  return {
    timing,
    peers,
    founding: foundingOf(plan, peers, foundingTicks),
    stillbornAfterTicks: plan.story === undefined ? Infinity : 3 * foundingTicks,
    reformAfterTicks:
      plan.story === 'reform' ? (2 + random.int(3)) * ticks(timing.electionTimeoutMs) : undefined,
    limits: {
      maxVoters: pick(3, 5),
      evictAfterTicks: pick(600, 4 * ticks(timing.electionTimeoutMs)),
    },
    raft: {
      heartbeatTicks: ticks(timing.heartbeatIntervalMs),
      electionTicks: ticks(timing.electionTimeoutMs),
      electionJitterTicks: ticks(timing.electionJitterMs),
      quiesceAfterTicks:
        settings.quiesceAfterTicks === Infinity ? Infinity : ticks(ms(settings.quiesceAfterTicks)),
      limits: { appendEntriesMax, inFlightMessagesMax, tailEntriesMax },
      faults: settings.coreFaults,
    },
    checkpointEntries: settings.checkpointEvery,
  }
}

function foundingOf(plan: WorldPlan, peers: readonly PeerId[], patienceTicks: number): FoundingPolicy {
  const { story, seed, hostCount, founderCount } = plan
  if (story === 'islands') {
    const random = seededRandom(`${seed}/founding`)
    // Few enough for either side.
    const count = 1 + random.int(Math.max(1, Math.floor(hostCount / 2)))
    return random.float() < 0.5 ? { type: 'auto', patienceTicks } : { type: 'expect', count }
  }
  // One founder alone that has lost its storage would found the group once more.
  const founders = peers.slice(0, Math.max(2, founderCount))
  return { type: 'declared', founders, patienceTicks: Infinity }
}

function nameOf(number: number, id: MemberId): string {
  return `h${number}/${id.slice(id.indexOf('/') + 1)}`
}

function describe(error: unknown): string {
  return `${messageOf(error)}\n${error instanceof Error ? (error.stack ?? '') : ''}`
}
