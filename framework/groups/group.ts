import type { Condition, GroupId, Lagged, PeerId, ReadonlyWatch } from '#framework/primitives'
import type { Mesh } from './bond/mesh.js'
import type { ClusterId, Index, MemberId, Role, Term } from './raft/index.js'

/** How long a call may take. */
export interface CallOptions {
  /** In milliseconds. Default 10 000; Infinity for as long as it takes. */
  readonly deadlineMs?: number | undefined
  /** Gives up waiting. A command that was submitted may happen all the same. */
  readonly signal?: AbortSignal | undefined
}

/**
 * What a reader may see.
 *
 * - `local`: what this node has applied, which may be old;
 * - `lease`: what the leader has applied, while its lease says that no other can have been elected: never older than what
 *   was acknowledged before, as long as no clock runs faster than others by more than a tenth;
 * - `strong`: at least everything that was acknowledged before the call, whatever clocks do (linearizable).
 */
export type Consistency = 'local' | 'lease' | 'strong'

export interface QueryOptions extends CallOptions {
  /** Default: what the group was joined with, else `strong`. */
  readonly consistency?: Consistency | undefined
  /** At least everything up to this application index: to read one's own writes. Default 0. */
  readonly minIndex?: Index | undefined
}

/** What became of a command. */
export interface Executed<R> {
  /** The command's application index. */
  readonly index: Index
  readonly term: Term
  /** What the machine returned. */
  readonly result: R
}

/** A command that the leader has in its log. */
export interface Receipt<R> {
  readonly index: Index
  readonly term: Term
  /** What became of it. Rejects as {@link Group.execute} does; nobody need look at it. */
  readonly committed: Promise<Executed<R>>
}

export interface Answered<A> {
  readonly answer: A
  /** What the machine had applied that answered. */
  readonly index: Index
}

/**
 * - `joining`: no leader is known, or this member is being brought up to date;
 * - `online`: it leads, or follows a leader and is up to date;
 * - `stalled`: storage fails: the member takes no part until it works again;
 * - `failed`: over: the machine threw, or the log contradicts the leader's;
 * - `left`: over, in good order.
 */
export type GroupPhase = 'joining' | 'online' | 'stalled' | 'failed' | 'left'

/** A member as this node knows it. */
export interface MemberStatus {
  readonly member: MemberId
  readonly peer: PeerId
  readonly role: 'voter' | 'learner' | 'observer'
  readonly isLeader: boolean
  readonly isBonded: boolean
  /** How many entries it is behind, as the leader knows. Undefined on other members. */
  readonly lag: number | undefined
}

/** One picture of a group on a node. */
export interface GroupStatus {
  readonly id: GroupId
  readonly phase: GroupPhase
  /** Why the phase is `stalled` or `failed`. */
  readonly cause: unknown
  readonly role: Role
  readonly term: Term
  readonly leader: PeerId | undefined
  readonly clusterId: ClusterId | undefined
  /** The application index of the last command that was applied here. */
  readonly committed: Index
  /** How many copies an acknowledgement means: a command is on so many of so many voters, durable or not. */
  readonly durability: { readonly acks: number; readonly voters: number; readonly isDurable: boolean }
}

/** Something that happened to a group. */
export type GroupEvent =
  /**
   * Parts of the group that were founded or went on apart have met, and this node's part gave way: what it had carried out,
   * from the first to the last of these application indices, counts no more. Of the commands the last 10 000 at most, to be
   * submitted again if that makes sense.
   */
  | {
      readonly type: 'forked'
      readonly from: Index
      readonly to: Index
      readonly commands: readonly unknown[]
    }
  /** The majority was given up for lost, and those that are left go on: acknowledged commands may be gone. */
  | { readonly type: 'reformed'; readonly before: ClusterId; readonly clusterId: ClusterId }
  /** This member's log contradicted the leader's: it has stopped. */
  | { readonly type: 'diverged'; readonly index: Index; readonly reason: string }
  /** A leader has lost the majority, and gave up. */
  | { readonly type: 'quorum-lost'; readonly term: Term }
  | Lagged

/** Ends every wait on a condition. */
export interface WhenOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Conditions on a group, to be awaited, asked (`met`), inverted (`not()`) and followed with `for await`. They resolve with
 * the status that met them, and reject with `GROUP_TERMINATED` when the group is over on this node.
 */
export interface GroupConditions {
  /** A leader is known. */
  leaderElected(options?: WhenOptions): Condition<GroupStatus>
  /** Another leader is known than at the moment of the call. */
  leaderChanged(options?: WhenOptions): Condition<GroupStatus>
  leaderIs(peer: PeerId, options?: WhenOptions): Condition<GroupStatus>
  /** This node leads. */
  isLeader(options?: WhenOptions): Condition<GroupStatus>
  /** This node does not lead, whether anybody does or not. */
  isFollower(options?: WhenOptions): Condition<GroupStatus>
  online(options?: WhenOptions): Condition<GroupStatus>
  offline(options?: WhenOptions): Condition<GroupStatus>
  /** The configuration has at least so many voters, as far as this node knows. */
  voters(count: number, options?: WhenOptions): Condition<GroupStatus>
  /** Everything up to the application index is applied here. */
  committed(index: Index, options?: WhenOptions): Condition<GroupStatus>
  /** The group is over on this node: the only one that resolves then. */
  closed(options?: WhenOptions): Condition<GroupStatus>
}

/** One handle to a group that this node is in. Handles are independent; the last one that is closed leaves the group. */
export interface Group<C = unknown, R = unknown, Q = unknown, A = unknown> extends AsyncDisposable {
  readonly id: GroupId
  readonly status: ReadonlyWatch<GroupStatus>
  /** The members of the configuration in force, and observers that have bonds with this node. */
  readonly members: ReadonlyWatch<readonly MemberStatus[]>
  /** The bonds of this node. */
  readonly bonds: Mesh

  /**
   * Has a command carried out: resolves when it is committed and applied, with what the machine returned. However often it
   * has to be submitted again because leaders change, it happens at most once. Calls on one handle are carried out in
   * the order in which they were made.
   *
   * @throws GroupError
   */
  execute(command: C, options?: CallOptions): Promise<Executed<R>>
  /** The same for several, which are carried out together or not at all, with nothing in between. */
  executeMany(commands: readonly C[], options?: CallOptions): Promise<readonly Executed<R>[]>
  /** Resolves already when the leader has the command in its log. */
  feed(command: C, options?: CallOptions): Promise<Receipt<R>>
  feedMany(commands: readonly C[], options?: CallOptions): Promise<readonly Receipt<R>[]>
  /** @throws GroupError */
  query(query: Q, options?: QueryOptions): Promise<Answered<A>>

  when(): GroupConditions
  /** What happens from now on; over when the group is. */
  events(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<GroupEvent>

  /**
   * Asks the leader to hand leadership to another voter.
   *
   * @throws GroupError `GROUP_REFUSED`, `GROUP_NOT_SUBMITTED`
   */
  transferLeadership(to: PeerId, options?: CallOptions): Promise<void>

  /**
   * Leaves: hands leadership over if it has it, asks to be taken out of the configuration, and says goodbye; each for a
   * bounded time. Of several handles on a node only this one ends. Idempotent.
   */
  close(): Promise<void>
}
