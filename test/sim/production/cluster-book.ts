import type { Entry, ClusterId, Index, MemberId } from '../../../framework/groups/raft/types.js'
import { History } from '../clients/history.js'
import type { RegisterInput, RegisterOutput } from '../clients/register.js'
import type {
  AnsweredRead,
  DurableChange,
  FoundOnDisk,
  HandedOut,
  WatchedCommand,
  WatchedMember,
} from '../group/watched-member.js'
import { nameOf, sameEntry, ViolationError, type Invariant } from '../invariants/invariant.js'
import type { WorldPlan } from '../world/plan.js'
import { Referee } from '../world/referee.js'
import type { NodeMember } from './node-member.js'

/** With what a cluster began that was made of another one, or whose log had become another one's. */
interface Beginning {
  readonly maker: NodeMember
  readonly atMs: number
  /** What the maker had applied, and what its registers held by that. */
  readonly appliedIndex: Index
  readonly values: ReadonlyMap<string, string>
}

interface Account {
  readonly referee: Referee
  /** Undefined for a cluster that was founded. */
  readonly beginning: Beginning | undefined
  /** The values of all commands that took effect in it, since its beginning. */
  readonly effective: Set<string>
}

interface GoingOver {
  readonly before: ClusterId
  readonly cluster: ClusterId
  readonly entries: readonly Entry[]
}

interface Done {
  readonly client: number
  readonly input: RegisterInput
  readonly invokedAt: number
  readonly at: number
  readonly output: RegisterOutput
  readonly cluster: ClusterId
}

type Unknown = Pick<Done, 'client' | 'input' | 'invokedAt'>

/**
 * Keeps account of each cluster of a group by itself, because that is what the promises of consensus are about; and of what
 * becomes of a cluster that another one takes the place of.
 */
export class ClusterBook {
  readonly #plan: WorldPlan
  readonly #accounts = new Map<ClusterId, Account>()
  /** In which cluster each member is, by what it has written. */
  readonly #clusterOf = new Map<MemberId, ClusterId>()
  /** Whoever is about to write that it belongs to another cluster than before, with the log that it had. */
  readonly #goingOver = new Map<NodeMember, GoingOver>()
  /** For clusters that begin later. */
  readonly #durable: { readonly member: MemberId; readonly change: DurableChange }[] = []
  readonly #done: Done[] = []
  readonly #unknown: Unknown[] = []
  /** Of which the client was told that none of it will happen. */
  readonly #refused: RegisterInput[] = []
  /** The values of commands that were handed to the application as given up. */
  readonly #discarded = new Set<string>()

  constructor(plan: WorldPlan) {
    this.#plan = plan
  }

  /** Up to where somebody has committed, in the cluster that came furthest. */
  get committedIndex(): Index {
    return Math.max(0, ...[...this.#accounts.values()].map(({ referee }) => referee.committedIndex))
  }

  knownIndexOf(cluster: ClusterId | undefined): Index {
    return this.#refereeOf(cluster)?.knownIndex ?? 0
  }

  learnIndex(cluster: ClusterId, index: Index): void {
    this.#refereeOf(cluster)?.learnIndex(index)
  }

  // What members do

  /** @param cluster Which one the member is in, by what is on its disk. */
  started(member: NodeMember, found: FoundOnDisk, cluster: ClusterId | undefined, nowMs: number): void {
    this.#clusterOf.delete(member.id)
    if (cluster !== undefined) this.#enter(member, found, cluster, nowMs)
  }

  /** A member is about to write that it belongs to this cluster. */
  entering(member: NodeMember, cluster: ClusterId, nowMs: number): void {
    const before = this.#clusterOf.get(member.id)
    if (before === cluster) return
    const { log } = member
    this.#enter(member, { restored: log }, cluster, nowMs)
    if (before !== undefined) this.#goingOver.set(member, { before, cluster, entries: log.entries })
  }

  handedOut(member: NodeMember, handedOut: HandedOut): void {
    this.#each(member, (invariant) => invariant.handedOut?.(member, handedOut))
    const over = this.#goingOver.get(member)
    this.#goingOver.delete(member)
    if (over !== undefined) this.#checkKept(member, over)
  }

  durable(member: MemberId, change: DurableChange): void {
    this.#durable.push({ member, change })
    for (const { referee } of this.#accounts.values())
      for (const invariant of referee.invariants) invariant.durable?.(member, change)
  }

  applied(member: NodeMember, entry: Entry, commands: readonly WatchedCommand[]): void {
    const account = this.#accountOf(member)
    if (account !== undefined && entry.index > (account.beginning?.appliedIndex ?? 0)) {
      for (const { command, isFirst } of commands)
        if (isFirst && command.input.kind !== 'read') account.effective.add(command.input.value)
    }
    this.#each(member, (invariant) => invariant.applied?.(member, entry, commands))
  }

  restored(member: NodeMember): void {
    const snapshot = { facts: { index: member.appliedIndex }, machine: member.machine }
    this.#each(member, (invariant) => invariant.restored?.(member, snapshot))
  }

  stepped(member: WatchedMember): void {
    this.#accountOf(member)?.referee.stepped(member)
  }

  discarded(inputs: readonly RegisterInput[]): void {
    for (const input of inputs) if (input.kind !== 'read') this.#discarded.add(input.value)
  }

  // What clients see

  answeredRead(client: string, cluster: ClusterId, read: AnsweredRead, index: Index): void {
    const reader = { id: client as MemberId, appliedIndex: index }
    for (const invariant of this.#refereeOf(cluster)?.invariants ?? []) invariant.answeredRead?.(reader, read)
  }

  complete(done: Done): void {
    this.#done.push(done)
  }

  giveUp(unknown: Unknown): void {
    this.#unknown.push(unknown)
  }

  refuse(input: RegisterInput): void {
    this.#refused.push(input)
  }

  // At the end

  /** @throws ViolationError when what clients have seen of a cluster is not as if they had come one after the other. */
  checkHistories(): void {
    for (const [cluster, account] of this.#accounts) {
      const undead = this.#refused.find(
        (input) => input.kind !== 'read' && account.effective.has(input.value),
      )
      if (undead !== undefined) {
        throw new ViolationError(
          'linearizability',
          `a ${undead.kind} of which none was to happen has happened: ${JSON.stringify(undead)}`,
        )
      }
      const problem = this.#historyOf(cluster, account).problem()
      if (problem !== undefined) throw new ViolationError('linearizability', problem)
    }
  }

  /**
   * When islands have merged, a command that a client was told to be done is done in the one that goes on, or was handed to
   * the application.
   *
   * @throws ViolationError
   */
  checkNothingIsLost(last: ClusterId): void {
    const kept = this.#accounts.get(last)?.effective
    const lost = this.#done.find(
      ({ input, cluster }) =>
        input.kind !== 'read' &&
        cluster !== last &&
        kept?.has(input.value) !== true &&
        !this.#discarded.has(input.value),
    )
    if (lost === undefined) return
    throw new ViolationError(
      'nothing is lost silently',
      `a ${lost.input.kind} that cluster ${lost.cluster} has done is neither in ${last} nor given up: ${JSON.stringify(lost.input)}`,
    )
  }

  #enter(member: NodeMember, found: FoundOnDisk, cluster: ClusterId, nowMs: number): void {
    if (!this.#accounts.has(cluster)) this.#open(member, cluster, nowMs)
    this.#clusterOf.set(member.id, cluster)
    this.#each(member, (invariant) => invariant.started?.(member, found))
  }

  #open(maker: NodeMember, cluster: ClusterId, atMs: number): void {
    const isMade = this.#clusterOf.has(maker.id)
    const referee = new Referee(this.#plan, isMade ? maker.core.status.commitIndex : 0)
    const { appliedIndex, machine } = maker
    const beginning = isMade ? { maker, atMs, appliedIndex, values: new Map(machine.values) } : undefined
    this.#accounts.set(cluster, { referee, beginning, effective: new Set() })
    for (const { member, change } of this.#durable)
      for (const invariant of referee.invariants) invariant.durable?.(member, change)
  }

  /**
   * Whoever makes another cluster, or goes over to it, gives up nothing of what was committed in the one before
   * (docs/decisions/0020): the maker has all of it.
   */
  #checkKept({ id }: NodeMember, { before, cluster, entries }: GoingOver): void {
    const maker = this.#accounts.get(cluster)?.beginning?.maker
    const committed = this.#refereeOf(before)
    if (maker === undefined || committed === undefined) return
    for (const entry of entries) {
      const known = committed.committedAt(entry.index)
      if (known === undefined || !sameEntry(known, entry)) continue
      const kept = maker.core.entryAt(entry.index)
      if (kept !== undefined && sameEntry(kept, entry)) continue
      throw new ViolationError(
        'what survives is kept',
        `${id} goes over to ${cluster} with ${nameOf(entry)}, which ${before} has committed and ${maker.id} has not`,
      )
    }
  }

  /** What was done elsewhere, and what nobody knows of, may have been done here as well: if so, it has taken effect. */
  #historyOf(cluster: ClusterId, { beginning, effective }: Account): History {
    const history = new History()
    for (const [key, value] of beginning?.values ?? []) {
      const input = { kind: 'write', key, value } as const
      history.complete(-1, input, beginning!.atMs, beginning!.atMs, { value, done: true })
    }
    for (const { client, input, invokedAt, at, output, cluster: where } of this.#done)
      if (where === cluster) history.complete(client, input, invokedAt, at, output)
    const elsewhere = this.#done.filter((done) => done.cluster !== cluster)
    for (const { client, input, invokedAt } of [...elsewhere, ...this.#unknown])
      if (input.kind !== 'read' && effective.has(input.value)) history.giveUp(client, input, invokedAt)
    for (const input of this.#refused) history.refuse(input)
    return history
  }

  #accountOf({ id }: Pick<WatchedMember, 'id'>): Account | undefined {
    const cluster = this.#clusterOf.get(id)
    return cluster === undefined ? undefined : this.#accounts.get(cluster)
  }

  #refereeOf(cluster: ClusterId | undefined): Referee | undefined {
    return cluster === undefined ? undefined : this.#accounts.get(cluster)?.referee
  }

  #each(member: Pick<WatchedMember, 'id'>, tell: (invariant: Invariant) => void): void {
    for (const invariant of this.#accountOf(member)?.referee.invariants ?? []) tell(invariant)
  }
}
