import type { Digest, GroupId } from '#framework/primitives'
import type { Index, Term } from '../raft/types.js'

/** How values of one kind become bytes and values again. Both ways judge: what comes out is always of the type. */
export interface ValueCodec<T> {
  /** @throws What is wrong with the value. */
  encode(value: T): Uint8Array
  /** @throws What is wrong with the bytes. */
  decode(bytes: Uint8Array): T
}

/** What a command is applied in. The same on every member, so that all come to the same state. */
export interface ApplyContext {
  readonly groupId: GroupId
  /**
   * The command's application index: 1 for the first command of the group, and so on. The numbers of commands that were
   * submitted once more, and had been carried out, are passed over.
   */
  readonly index: Index
  /** The term of the leader that accepted it. */
  readonly term: Term
  /** When the leader accepted it, by the leader's wall clock in Unix milliseconds. Never less than for the command before. */
  readonly timestampMs: number
  /** For whatever needs chance: other for each command, and foretold by nobody who does not know the log. */
  readonly seed: Digest
}

/**
 * What a group replicates. Every member applies the same commands in the same order to a machine of its own, made by the
 * same factory: so `apply` must depend on nothing but the state, the command and the context (no clock, no chance, no
 * input or output, no order that another process would not have), and neither `apply` nor `query` may wait.
 *
 * A machine that throws in `apply` is broken on every member alike: the group stops on this node with status `failed`. A
 * command that cannot be carried out has a result that says so.
 *
 * Implementations pass the suite in `test/groups/machine/compliance.ts`.
 */
export interface StateMachine<C = unknown, R = unknown, Q = unknown, A = unknown> {
  /**
   * Stands for the machine's kind and whatever changes what a command does. Members whose machines differ in it are of
   * different groups.
   */
  readonly signature: string
  readonly codecs: {
    readonly command: ValueCodec<C>
    /** What `apply` returns: it goes to whoever submitted the command. */
    readonly result: ValueCodec<R>
    readonly query: ValueCodec<Q>
    readonly answer: ValueCodec<A>
  }

  /** Carries a command out. */
  apply(command: C, context: ApplyContext): R

  /** Answers a question, and changes nothing. */
  query(query: Q): A

  /**
   * The state as bytes, in pieces of at most 1 MiB: as it was at the moment of the call, although commands are applied while
   * the pieces are taken. A machine that has it can be brought up to date without replaying its log, which may then be
   * compacted.
   */
  snapshot?(): Iterable<Uint8Array>

  /**
   * Takes over a state that `snapshot` of another machine gave: the same bytes, in pieces of other sizes. Only ever called on
   * a machine that is new, and nothing is applied to it before this has ended.
   *
   * @throws What is wrong with the bytes; what `pieces` throws must come through.
   */
  restore?(pieces: AsyncIterable<Uint8Array>): Promise<void>
}

/** Makes a machine in the state that is before the first command. */
export type MachineFactory<C = unknown, R = unknown, Q = unknown, A = unknown> = () => StateMachine<
  C,
  R,
  Q,
  A
>
