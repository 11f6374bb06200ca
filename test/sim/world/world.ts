import { InvariantError, messageOf, seededRandom } from '#framework/primitives'
import type { ClusterId } from '../../../framework/groups/raft/types.js'
import { SimClient } from '../clients/client.js'
import { SimNetwork } from '../environment/network.js'
import { Timeline } from '../environment/timeline.js'
import type { SimMember } from '../group/member.js'
import type { SimMessage } from '../group/messages.js'
import { ViolationError } from '../invariants/invariant.js'
import { SimHost } from './host.js'
import { describeMessage } from './message-text.js'
import { Nemesis } from './nemesis.js'
import { configurationOf, Operator } from './operator.js'
import type { WorldPlan } from './plan.js'
import { isMajorityGone, latestVoters, Referee, type WorldResult } from './referee.js'

/** The network address of the first client. Those of hosts are lower. */
const FIRST_CLIENT = 100

/** How often the operator looks at the group. */
const OPERATOR_MS = 700
/** How long, when all is over, members that are behind may take until they get on a little, and how often. */
const STRAGGLER_ROUND_MS = 10_000
const STRAGGLER_ROUNDS_MAX = 60

/** One group on simulated hosts, its clients, everything that goes wrong, and everybody who watches. */
export class World {
  readonly #plan: WorldPlan
  readonly #timeline = new Timeline()
  readonly #referee: Referee
  readonly #network: SimNetwork<SimMessage>
  readonly #hosts: readonly SimHost[]
  readonly #clients: readonly SimClient[]
  readonly #operator: Operator
  readonly #nemesis: Nemesis
  readonly #founding

  constructor(plan: WorldPlan) {
    this.#plan = plan
    this.#referee = new Referee(plan)
    const random = (part: string) => seededRandom(`${plan.seed}/${part}`)
    this.#network = new SimNetwork(this.#timeline, random('network'), plan.calmNetwork, (from, to, message) =>
      this.#deliver(from, to, message),
    )
    this.#hosts = Array.from({ length: plan.hostCount }, (_, number) => this.#makeHost(number))
    const founders = this.#hosts.slice(0, plan.founderCount)
    this.#founding = configurationOf(
      founders.map(({ id }) => id),
      [],
    )
    this.#operator = new Operator(
      this.#hosts,
      founders.map(({ number }) => number),
      plan.settings.driverBugs,
    )
    this.#clients = Array.from({ length: plan.clientCount }, (_, i) => this.#makeClient(FIRST_CLIENT + i))
    this.#nemesis = new Nemesis({
      plan,
      timeline: this.#timeline,
      random: random('nemesis'),
      hosts: this.#hosts,
      clients: this.#clients.map((_, i) => FIRST_CLIENT + i),
      network: this.#network,
      operator: this.#operator,
      trace: (what) => this.#referee.trace.add(this.#timeline.nowMs, undefined, what),
    })
  }

  run(): WorldResult {
    let violation: string | undefined
    try {
      this.#begin()
      const { progressAtMs, endAtMs } = this.#plan
      while (this.#timeline.step(progressAtMs));
      for (const client of this.#clients) client.stop()
      while (this.#timeline.step(endAtMs));
      for (const client of this.#clients) client.abandon()
      this.#awaitStragglers()
      this.#checkEnd()
    } catch (error) {
      violation = problemOf(error)
      if (violation === undefined) throw error
    }
    const statuses = this.#members.map(({ core }) => core.status)
    return this.#referee.result({ violation, isStalled: this.#isStalled() }, statuses)
  }

  #begin(): void {
    for (const host of this.#hosts) host.start()
    const operate = (): void => {
      this.#operator.act()
      this.#timeline.after(OPERATOR_MS, operate)
    }
    this.#timeline.after(OPERATOR_MS, operate)
  }

  #makeHost(number: number): SimHost {
    const all = this.#referee.invariants
    return new SimHost(number, {
      plan: this.#plan,
      timeline: this.#timeline,
      random: seededRandom(`${this.#plan.seed}/host ${number}`),
      send: (from, to, message) => {
        if (message.kind === 'raft') this.#nemesis.sending(from, message.message)
        this.#network.send(from, to, message)
      },
      durable: (member, record) => all.forEach((invariant) => invariant.durable?.(member, record)),
      lost: (member) => all.forEach((invariant) => invariant.lost?.(member)),
      stepped: (member) => this.#referee.stepped(member),
      isNew: (member) => this.#foundWith(member),
      trace: (host, what) => this.#referee.trace.add(this.#timeline.nowMs, host, what),
      observer: {
        started: (member, recovered) => all.forEach((invariant) => invariant.started?.(member, recovered)),
        handedOut: (member, ready) => {
          if (ready.role) {
            const { role, term, leader } = ready.role
            this.#referee.trace.add(
              this.#timeline.nowMs,
              member.host,
              `${role} of term ${term}, leader ${leader ?? 'unknown'}`,
            )
          }
          for (const { type } of ready.incidents)
            this.#referee.trace.add(this.#timeline.nowMs, member.host, type)
          all.forEach((invariant) => invariant.handedOut?.(member, ready))
        },
        applied: (member, entry, applied) => {
          this.#referee.trace.add(
            this.#timeline.nowMs,
            member.host,
            `applies ${entry.index} ${entry.kind} of term ${entry.term}`,
          )
          all.forEach((invariant) => invariant.applied?.(member, entry, applied))
        },
        restored: (member, snapshot) => {
          this.#referee.trace.add(
            this.#timeline.nowMs,
            member.host,
            `goes on from a snapshot at ${snapshot.facts.index}`,
          )
          all.forEach((invariant) => invariant.restored?.(member, snapshot))
        },
        answeredRead: (member, request) =>
          all.forEach((invariant) => invariant.answeredRead?.(member, request)),
      },
    })
  }

  #makeClient(number: number): SimClient {
    return new SimClient(number, this.#plan.habits, {
      timeline: this.#timeline,
      random: seededRandom(`${this.#plan.seed}/client ${number}`),
      history: this.#referee.history,
      hostCount: this.#plan.hostCount,
      send: (host, request) => this.#network.send(number, host, request),
      knownIndex: () => this.#referee.knownIndex,
      learnIndex: (index) => this.#referee.learnIndex(index),
      completed: (client, invokedAt) => this.#referee.completed(client, invokedAt),
    })
  }

  #foundWith(member: SimMember): void {
    // Only those that the founding is about, by name: whoever lost its disk since is somebody else, and joins.
    if (this.#founding.voters.includes(member.id)) member.found(CLUSTER, this.#founding)
  }

  #deliver(from: number, to: number, message: SimMessage): void {
    this.#referee.trace.add(this.#timeline.nowMs, to, `from ${from}: ${describeMessage(message)}`)
    if (message.kind === 'raft') this.#nemesis.arriving(from, message.message)
    if (to < FIRST_CLIENT) this.#hosts[to]!.receive(from, message)
    else if (message.kind === 'answer') this.#clients[to - FIRST_CLIENT]!.receive(message)
  }

  #checkEnd(): void {
    this.#referee.checkHistory()
    if (this.#isStalled()) return
    this.#referee.checkProgress(
      this.#clients.map((_, i) => FIRST_CLIENT + i),
      this.#members.map((member) => ({ id: member.id, member })),
    )
  }

  /** A member with a slow disk that gets its entries one by one may be behind for long. It must not stand still. */
  #awaitStragglers(): void {
    for (let round = 1; round <= STRAGGLER_ROUNDS_MAX; round++) {
      const before = this.#appliedIndices
      if (new Set(before).size === 1) return
      while (this.#timeline.step(this.#plan.endAtMs + round * STRAGGLER_ROUND_MS));
      const after = this.#appliedIndices
      if (after.every((index, place) => index === before[place])) return
    }
  }

  get #appliedIndices(): number[] {
    return this.#members.map(({ appliedIndex }) => appliedIndex)
  }

  get #members(): SimMember[] {
    return this.#hosts.flatMap(({ member }) => member ?? [])
  }

  #isStalled(): boolean {
    const voters = latestVoters(this.#members)
    if (voters === undefined) return true
    return isMajorityGone(
      voters,
      this.#hosts.map(({ id }) => id),
    )
  }
}

const CLUSTER = '000102030405060708090a0b0c0d0e0f' as ClusterId

/** A failed assertion of the core is as bad as a broken invariant. Anything else is a mistake in the simulator. */
function problemOf(error: unknown): string | undefined {
  if (error instanceof ViolationError) return error.message
  if (error instanceof InvariantError)
    return `assertion in the code: ${messageOf(error)}\n${error.stack ?? ''}`
  return undefined
}
