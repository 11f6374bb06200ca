import type {
  Consistency,
  Founding,
  Group as GroupHandle,
  GroupKey,
  GroupTiming,
  MachineFactory,
  QuorumLoss,
  StateMachine,
  Term,
} from '#framework/groups'
import type { TicketValidator } from '#framework/discovery'
import type { GroupStorageKind } from '#framework/topology'
import type { ServiceContext } from './hooks.js'
import { placementOf, type DecoratorArguments } from './placement.js'
import { recordAt, type GroupRecord, type GroupRole } from './records.js'

/**
 * The handle that a property with `@Group` holds: `Group<OrderBook>`, for a state machine of that type, or with the types of
 * commands, results, queries and answers one by one.
 */
export type Group<M, R = unknown, Q = unknown, A = unknown> = [M] extends [
  StateMachine<infer Command, infer Result, infer Query, infer Answer>,
]
  ? GroupHandle<Command, Result, Query, Answer>
  : GroupHandle<M, R, Q, A>

/** How a service takes part in a group. What the manifest says of the group holds instead. */
export interface GroupMemberOptions<C = unknown, R = unknown, Q = unknown, A = unknown> {
  /** The class of the state machine, or a function that makes one. */
  readonly machine: (new () => StateMachine<C, R, Q, A>) | MachineFactory<C, R, Q, A>
  /** The secret that members share. Default: made of the network's secret and the group's name. */
  readonly key?: GroupKey
  /** How many voters there are at most. Default 5. */
  readonly voters?: number
  /** What queries see that do not say. Default `strong`. */
  readonly consistency?: Consistency
  /** Default: `lmdb` on a node with a data folder, else `memory`. */
  readonly storage?: GroupStorageKind
  /** `reader`: receives and applies everything, submits nothing, never counts. Default `member`. */
  readonly role?: 'member' | 'reader'
  /** `reluctant`: leads only when others do not. Default `normal`. */
  readonly leadership?: 'normal' | 'reluctant'
  /**
   * Where the first configuration comes from. Default: from the members that the topology declares; `auto` on a node that
   * was started without a topology.
   */
  readonly founding?: Founding
  /** How long a voter may be unreachable before another takes its place, in milliseconds. Default 30 000. */
  readonly evictAfterMs?: number
  /** What is done when a majority of the voters is gone for good. Default `stall`. */
  readonly quorumLoss?: QuorumLoss
  /** Members must show a ticket that each of these accepts; `@RequireTicket` adds to them. */
  readonly requireTicket?: TicketValidator | readonly TicketValidator[]
  /** All members have to say the same. */
  readonly timing?: Partial<GroupTiming>
}

/** What a method is told that runs in a role. */
export interface RoleContext extends ServiceContext {
  /** Aborts when the role ends, or the service. */
  readonly signal: AbortSignal
  /**
   * The term in which the node has the role. Only one node leads in a term, and a later leader has a larger one: what the
   * method does outside of the group is fenced by passing it along.
   */
  readonly term: Term
}

/** `K` when a property of type `F` can hold the group: the machine takes what is submitted, and its answers are expected. */
type GroupMemberKey<F, C, R, Q, A, K> = [F] extends [GroupHandle<infer FC, infer FR, infer FQ, infer FA>]
  ? [FC, R, FQ, A] extends [C, FR, Q, FA]
    ? K
    : 'the state machine has other commands, results, queries or answers than this group'
  : '@Group goes on a property of type Group<…>'

/** Goes on a property of type `Group<…>`. */
export interface GroupDecorator<C, R, Q, A> {
  // Legacy decorators.
  <This extends object, K extends keyof This>(
    target: This,
    key: K & GroupMemberKey<This[K], C, R, Q, A, K>,
    none?: undefined,
  ): void
  // Standard decorators.
  <This, F>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, F> & {
      name: GroupMemberKey<F, C, R, Q, A, string | symbol>
    },
  ): void
}

/** Goes on a method that takes a {@link RoleContext}, or nothing. */
export interface RoleDecorator {
  // Legacy decorators.
  <F extends (context: RoleContext) => unknown>(
    target: object,
    key: PropertyKey,
    descriptor: TypedPropertyDescriptor<F>,
  ): void
  // Standard decorators.
  <This, F extends (this: This, context: RoleContext) => unknown>(
    value: F,
    context: ClassMethodDecoratorContext<This, F>,
  ): void
}

/**
 * Takes part in a group, which all services that name it share: a state machine that is replicated by consensus. The node
 * is in the group from before `onStart` until after `onStop`.
 *
 * ```ts
 * @Group('book', { machine: OrderBook, voters: 3 }) readonly book!: Group<OrderBook>
 * ```
 */
export function Group<C, R, Q, A>(
  name: string,
  options: GroupMemberOptions<C, R, Q, A>,
): GroupDecorator<C, R, Q, A> {
  return ((...args: DecoratorArguments): void => {
    const placement = placementOf(args)
    const record: GroupRecord = { placement, name, options: options as unknown as GroupMemberOptions }
    recordAt(placement.owner).groups.push(record)
  }) as GroupDecorator<C, R, Q, A>
}

/**
 * Calls the method when the node begins to lead the group, on no other node at that time. Its signal aborts when the node
 * leads no more; it is called again when the node leads again, after the call before has ended. What it throws is logged
 * and counted, and it is called again after a while, as long as the node leads.
 *
 * A leader learns of its end later than others may learn of its successor: that there is one leader at a time holds for
 * what is submitted to the group, and elsewhere only with the help of {@link RoleContext.term}.
 *
 * ```ts
 * @OnLeader() async settle({ signal, term }: RoleContext) { … }
 * ```
 *
 * @param group Default: the only group of the class.
 */
export function OnLeader(group?: string): RoleDecorator {
  return roleRecorder('leader', group)
}

/**
 * {@link OnLeader} for a node that follows a leader and is up to date. With another leader it is called anew.
 *
 * @param group Default: the only group of the class.
 */
export function OnFollower(group?: string): RoleDecorator {
  return roleRecorder('follower', group)
}

function roleRecorder(role: GroupRole, group: string | undefined): RoleDecorator {
  return ((...args: DecoratorArguments): void => {
    const placement = placementOf(args)
    recordAt(placement.owner).roles.push({ placement, role, group })
  }) as RoleDecorator
}
